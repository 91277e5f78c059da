-- +goose Up

-- What rules in shadow, or a candidate policy, would have made of a call; empty where they judge as the policy in force did.
ALTER TABLE entries ADD COLUMN shadow text NOT NULL DEFAULT '';
CREATE INDEX entries_shadow ON entries (ts DESC) WHERE shadow <> '';

-- +goose Down
DROP INDEX entries_shadow;
ALTER TABLE entries DROP COLUMN shadow;
