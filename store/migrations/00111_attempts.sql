-- +goose Up

-- Which attempt of its call an intent is for. A call has one row here, that of the attempt under way: the one before it has its entry by then.
ALTER TABLE intents ADD COLUMN attempt smallint NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE intents DROP COLUMN attempt;
