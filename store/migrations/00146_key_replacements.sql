-- +goose Up

-- When every process was last asked to take another lease of a secret that Vault lends: those that were taken before are replaced.
CREATE TABLE key_replacements (
  path  text        PRIMARY KEY,
  asked timestamptz NOT NULL
);

-- +goose Down
DROP TABLE key_replacements;
