-- +goose Up

-- What a request lets its call use: with it a recorded call can be judged again under another policy.
ALTER TABLE entries ADD COLUMN demand text NOT NULL DEFAULT '';
ALTER TABLE intents ADD COLUMN demand text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE entries DROP COLUMN demand;
ALTER TABLE intents DROP COLUMN demand;
