-- +goose Up

-- The text of every policy that was in force, once. Files are [{"name": …, "text": …}], in the order in which they are one policy.
CREATE TABLE policy_versions (
  version text  PRIMARY KEY,
  hash    bytea NOT NULL, -- SHA-256 of the names and texts
  files   jsonb NOT NULL
);

-- When a version took the place of another one, and who did it why.
CREATE TABLE policy_changes (
  seq     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at      timestamptz NOT NULL,
  version text        NOT NULL REFERENCES policy_versions,
  author  text        NOT NULL,
  reason  text        NOT NULL
);
CREATE INDEX ON policy_changes (version, seq);

-- +goose Down
DROP TABLE policy_changes;
DROP TABLE policy_versions;
