-- +goose Up

-- What rules in shadow, or a candidate policy, would have made of a call; empty where they judge as the policy in force did.
ALTER TABLE entries ADD COLUMN shadow text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE entries DROP COLUMN shadow;
