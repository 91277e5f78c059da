-- +goose Up

-- Maintenance that people ask for while the gateway runs. Those of the policy file are in the file.
CREATE TABLE alert_silences (
  id     text PRIMARY KEY,
  rule   text NOT NULL,
  scope  text NOT NULL,
  begins timestamptz NOT NULL,
  ends   timestamptz NOT NULL,
  by     text NOT NULL,
  why    text NOT NULL
);
CREATE INDEX alert_silences_ends ON alert_silences (ends);

-- +goose Down
DROP TABLE alert_silences;
