-- +goose Up

-- How unusual a service's minute was, as one gateway process saw it: score is one minus the share of its minutes that are as unusual,
-- strength the detector's own (0.5 is an alert). impact is in billionths of a US dollar: what the minute cost above what was expected.
CREATE TABLE scores (
  ts       timestamptz      NOT NULL,
  service  text             NOT NULL,
  instance text             NOT NULL,
  team     text             NOT NULL,
  score    double precision NOT NULL,
  strength double precision NOT NULL,
  feature  text             NOT NULL,
  share    double precision NOT NULL,
  actual   double precision NOT NULL,
  expected double precision NOT NULL,
  impact   bigint           NOT NULL,
  PRIMARY KEY (ts, service, instance)
);
CREATE INDEX scores_unusual ON scores (ts) WHERE score >= 0.9;
-- +goose StatementBegin
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    PERFORM create_hypertable('scores', by_range('ts', INTERVAL '7 days'));
    BEGIN
      PERFORM add_retention_policy('scores', INTERVAL '90 days');
    EXCEPTION WHEN feature_not_supported THEN
      RAISE NOTICE 'this build of TimescaleDB has no policies: scores are kept';
    END;
  END IF;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP TABLE scores;
