-- +goose Up

-- The spools of processes that have begun and not ended in order: what is in one may be missing in the ledger. Counters is where in Redis
-- its calls are counted.
CREATE TABLE spools (
    spool    uuid        PRIMARY KEY,
    org      text        NOT NULL,
    counters text        NOT NULL,
    host     text        NOT NULL,
    beat     timestamptz NOT NULL
);

-- +goose Down
DROP TABLE spools;
