-- +goose Up

-- The gateway's own count of a call's tokens, beside a report that was corrected, could not be read, or came from another model; else 0.
ALTER TABLE entries ADD COLUMN own_input_tokens integer NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN own_output_tokens integer NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE entries DROP COLUMN own_output_tokens;
ALTER TABLE entries DROP COLUMN own_input_tokens;
