-- +goose Up

-- Tokens that were issued to services, as keyed hashes. The id is public and outlives rotations.
CREATE TABLE service_tokens (
  id             text        PRIMARY KEY,
  service        text        NOT NULL,
  label          text        NOT NULL,
  issued_by      text        NOT NULL,
  created        timestamptz NOT NULL,
  expires        timestamptz,
  rotated        timestamptz,
  revoked        timestamptz,
  hash           bytea       NOT NULL UNIQUE,
  previous       bytea,
  previous_until timestamptz
);

-- Counts the changes, so that every process can ask for them often at the price of one row.
CREATE TABLE service_token_changes (
  slot smallint PRIMARY KEY DEFAULT 1 CHECK (slot = 1),
  n    bigint   NOT NULL
);
INSERT INTO service_token_changes (n) VALUES (0);

-- +goose Down
DROP TABLE service_token_changes;
DROP TABLE service_tokens;
