-- +goose Up

-- How a service's detector is to learn: from which minute of the ledger on, and how that did on the last days. learns_from is enough, as
-- a detector is made again from the ledger's minutes. version is that of the detector's code.
CREATE TABLE models (
  service      text        PRIMARY KEY,
  learns_from  timestamptz NOT NULL,
  judged_from  timestamptz NOT NULL,
  judged_until timestamptz NOT NULL,
  version      integer     NOT NULL,
  features     text[]      NOT NULL,
  false_alerts integer     NOT NULL,
  bursts       integer     NOT NULL,
  found        integer     NOT NULL,
  trained      timestamptz NOT NULL
);

-- When the next process may begin a periodic piece of work that one process does for all.
CREATE TABLE chores (
  name text        PRIMARY KEY,
  due  timestamptz NOT NULL
);

CREATE INDEX scores_service ON scores (service, ts);
-- TimescaleDB's continuous aggregates have such an index already.
-- +goose StatementBegin
DO $$
BEGIN
  IF (SELECT relkind FROM pg_class WHERE oid = 'usage_1m'::regclass) = 'r' THEN
    CREATE INDEX usage_1m_service ON usage_1m (service, bucket);
  END IF;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP INDEX IF EXISTS usage_1m_service;
DROP INDEX scores_service;
DROP TABLE chores;
DROP TABLE models;
