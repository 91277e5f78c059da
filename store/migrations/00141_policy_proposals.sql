-- +goose Up

-- Policies that somebody puts forward. Those with a number have been published: every process takes the highest.
CREATE TABLE policy_proposals (
  id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at      timestamptz NOT NULL,
  version text        NOT NULL REFERENCES policy_versions,
  was     text        NOT NULL, -- in force when it was made
  author  text        NOT NULL,
  reason  text        NOT NULL,
  state   text        NOT NULL CHECK (state IN ('waiting', 'published', 'rejected')),
  by      text        NOT NULL DEFAULT '',
  decided timestamptz,
  note    text        NOT NULL DEFAULT '',
  seq     bigint      UNIQUE CHECK ((seq IS NOT NULL) = (state = 'published'))
);

-- What every process has in force, as it says itself now and then.
CREATE TABLE policy_processes (
  instance text        PRIMARY KEY,
  host     text        NOT NULL,
  version  text        NOT NULL,
  seq      bigint      NOT NULL,
  managed  boolean     NOT NULL,
  fault    text        NOT NULL,
  at       timestamptz NOT NULL
);

-- +goose Down
DROP TABLE policy_processes;
DROP TABLE policy_proposals;
