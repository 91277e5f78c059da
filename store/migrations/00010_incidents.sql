-- +goose Up

-- Alerts' lives. An incident that is not resolved is the only one of its key.
CREATE TABLE incidents (
  id          uuid        PRIMARY KEY,
  key         bytea       NOT NULL,
  rule        text        NOT NULL,
  scope       text        NOT NULL,
  window_name text        NOT NULL,
  severity    smallint    NOT NULL,
  title       text        NOT NULL,
  body        text        NOT NULL,
  state       smallint    NOT NULL DEFAULT 0,
  actor       text        NOT NULL DEFAULT '',
  count       bigint      NOT NULL DEFAULT 1,
  opened      timestamptz NOT NULL,
  updated     timestamptz NOT NULL
);
CREATE UNIQUE INDEX incidents_open ON incidents (key) WHERE state <> 3;
CREATE INDEX incidents_updated ON incidents (updated DESC);
CREATE INDEX incidents_key ON incidents (key, opened DESC);

-- Messages to send, written with the incident. Whoever sends holds a row until claimed.
CREATE TABLE outbox (
  id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  incident uuid        NOT NULL REFERENCES incidents ON DELETE CASCADE,
  channel  text        NOT NULL,
  attempts integer     NOT NULL DEFAULT 0,
  due      timestamptz NOT NULL,
  claimed  timestamptz,
  sent     timestamptz,
  error    text        NOT NULL DEFAULT ''
);
CREATE INDEX outbox_due ON outbox (due) WHERE sent IS NULL;

-- +goose Down
DROP TABLE outbox;
DROP TABLE incidents;
