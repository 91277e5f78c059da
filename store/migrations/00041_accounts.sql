-- +goose Up

-- People who may sign in to the admin API. The password is an Argon2id hash.
CREATE TABLE accounts (
  name     text        PRIMARY KEY,
  role     text        NOT NULL,
  team     text        NOT NULL,
  password text        NOT NULL,
  created  timestamptz NOT NULL
);

-- What a browser or a script shows instead of a password, kept as a hash.
CREATE TABLE account_keys (
  hash    bytea       PRIMARY KEY,
  account text        NOT NULL REFERENCES accounts ON DELETE CASCADE,
  kind    text        NOT NULL,
  label   text        NOT NULL,
  created timestamptz NOT NULL,
  expires timestamptz NOT NULL
);
CREATE INDEX account_keys_account ON account_keys (account);
CREATE INDEX account_keys_expires ON account_keys (expires);

-- The one link with which the first account is made.
CREATE TABLE account_setup (
  slot    smallint    PRIMARY KEY DEFAULT 1 CHECK (slot = 1),
  hash    bytea       NOT NULL,
  expires timestamptz NOT NULL
);

-- +goose Down
DROP TABLE account_setup;
DROP TABLE account_keys;
DROP TABLE accounts;
