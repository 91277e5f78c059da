-- +goose Up

-- What shares messages. The machine's own state of a group is in doc; due is when it must be looked at again.
CREATE TABLE alert_groups (
  key text PRIMARY KEY,
  due timestamptz,
  doc jsonb NOT NULL
);
CREATE INDEX alert_groups_due ON alert_groups (due) WHERE due IS NOT NULL;

CREATE TABLE incidents (
  id       text NOT NULL,
  opened   timestamptz NOT NULL,
  grp      text NOT NULL,
  rule     text NOT NULL,
  scope    text NOT NULL,
  severity text NOT NULL,
  state    text NOT NULL,
  resolved timestamptz,
  doc      jsonb NOT NULL,
  PRIMARY KEY (id, opened)
);
CREATE UNIQUE INDEX incidents_one_open ON incidents (id) WHERE resolved IS NULL;
CREATE INDEX incidents_open_group ON incidents (grp) WHERE resolved IS NULL;
CREATE INDEX incidents_open_rule ON incidents (rule) WHERE resolved IS NULL;
CREATE INDEX incidents_opened ON incidents (opened DESC);

CREATE TABLE incident_history (
  seq      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at       timestamptz NOT NULL,
  incident text NOT NULL,
  what     text NOT NULL,
  by       text NOT NULL
);
CREATE INDEX incident_history_incident ON incident_history (incident, at);

-- The outbox. A row stays until its channel took it.
CREATE TABLE alert_deliveries (
  seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id         text NOT NULL UNIQUE,
  grp        text NOT NULL,
  episode    bigint NOT NULL,
  channel    text NOT NULL,
  kind       text NOT NULL,
  body       bytea NOT NULL,
  created    timestamptz NOT NULL,
  not_before timestamptz NOT NULL,
  attempts   int NOT NULL DEFAULT 0,
  state      text NOT NULL DEFAULT 'waiting', -- waiting, sent, dead
  ended      timestamptz,
  ref        text NOT NULL DEFAULT '',
  fault      text NOT NULL DEFAULT ''
);
CREATE INDEX alert_deliveries_waiting ON alert_deliveries (channel, seq) WHERE state = 'waiting';
CREATE INDEX alert_deliveries_root ON alert_deliveries (grp, episode, channel) WHERE ref <> '';

-- Who may send. The fence grows with every new holder, so that a holder that was away too long writes nothing.
CREATE TABLE alert_lease (
  one    bool PRIMARY KEY DEFAULT true CHECK (one),
  holder text NOT NULL,
  fence  bigint NOT NULL,
  until  timestamptz NOT NULL
);
INSERT INTO alert_lease (holder, fence, until) VALUES ('', 0, '-infinity');

CREATE TABLE alert_callbacks (
  mark  text PRIMARY KEY,
  until timestamptz NOT NULL
);
CREATE INDEX alert_callbacks_until ON alert_callbacks (until);

-- +goose Down
DROP TABLE alert_callbacks;
DROP TABLE alert_lease;
DROP TABLE alert_deliveries;
DROP TABLE incident_history;
DROP TABLE incidents;
DROP TABLE alert_groups;
