-- +goose Up

-- What writes of the admin API under an idempotency key were answered, for a day. The answer is sealed with the key itself, of which there is a hash.
CREATE TABLE admin_answers (
  account text        NOT NULL,
  key     bytea       NOT NULL,
  request bytea       NOT NULL,
  begun   timestamptz NOT NULL DEFAULT now(),
  sealed  bytea       NOT NULL DEFAULT '',
  PRIMARY KEY (account, key)
);
CREATE INDEX admin_answers_begun ON admin_answers (begun);

-- +goose Down
DROP TABLE admin_answers;
