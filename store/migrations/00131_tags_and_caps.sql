-- +goose Up

-- The tags of a service that the ledger keeps, and what the sums call "other" of a call: 1 its model, 2 its service, 4 its tags. The entry itself
-- keeps every name.
ALTER TABLE entries ADD COLUMN tags text NOT NULL DEFAULT '';
ALTER TABLE entries ADD COLUMN folded smallint NOT NULL DEFAULT 0;
ALTER TABLE intents ADD COLUMN tags text NOT NULL DEFAULT '';

-- Names that the sums of a day have, by the same kinds; they are as many as database.max_series at most.
CREATE TABLE sum_names (
    day  date     NOT NULL,
    kind smallint NOT NULL,
    name text     NOT NULL,
    PRIMARY KEY (day, kind, name)
);

-- Makes usage_1m, usage_1h and usage_1d by some dimensions, each of which is an expression over entries; names are those of the columns. Sums that
-- there are already are kept by tables, and made again by continuous aggregates.
-- +goose StatementBegin
CREATE FUNCTION make_usage(names text, expressions text) RETURNS void LANGUAGE plpgsql AS $make$
DECLARE
  units text;       -- every column that counts something
  sums  text;       -- over entries
  again text;       -- over a finer series
  grain record;
BEGIN
  SELECT string_agg(attname, ', ' ORDER BY attnum), string_agg(format('sum(%1$I)::bigint AS %1$I', attname), ', ' ORDER BY attnum)
    INTO units, again
    FROM pg_attribute
    WHERE attrelid = 'entries'::regclass AND attnum > 0 AND NOT attisdropped AND atttypid = 'bigint'::regtype
      AND attname NOT IN ('duration_ns', 'first_byte_ns');
  sums := 'count(*) AS calls, count(*) FILTER (WHERE method <> '''') AS estimated, ' || again;
  again := 'sum(calls)::bigint AS calls, sum(estimated)::bigint AS estimated, ' || again;

  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    FOR grain IN SELECT * FROM (VALUES ('usage_1d'), ('usage_1h'), ('usage_1m')) AS g (name)
    LOOP
      IF EXISTS (SELECT FROM timescaledb_information.continuous_aggregates WHERE view_name = grain.name) THEN
        EXECUTE format('DROP MATERIALIZED VIEW %I', grain.name);
      ELSE
        EXECUTE format('DROP VIEW %I', grain.name);
      END IF;
    END LOOP;
    BEGIN
      FOR grain IN SELECT * FROM (VALUES
          ('usage_1m', '1 minute', 'ts', 'entries', sums, expressions), ('usage_1h', '1 hour', 'bucket', 'usage_1m', again, names),
          ('usage_1d', '1 day', 'bucket', 'usage_1h', again, names)) AS g (name, width, clock, source, sums, dims)
      LOOP
        EXECUTE format('CREATE MATERIALIZED VIEW %I WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
          SELECT time_bucket(%L::interval, %I) AS bucket, %s, %s FROM %I GROUP BY %s WITH NO DATA',
          grain.name, grain.width, grain.clock, grain.dims, grain.sums, grain.source,
          (SELECT string_agg(n::text, ', ') FROM generate_series(1, 1 + cardinality(string_to_array(names, ','))) AS n));
        PERFORM add_continuous_aggregate_policy(grain.name::regclass, start_offset => INTERVAL '60 days',
          end_offset => 2 * grain.width::interval, schedule_interval => LEAST(grain.width::interval, INTERVAL '30 minutes'));
      END LOOP;
    EXCEPTION WHEN feature_not_supported THEN
      FOR grain IN SELECT * FROM (VALUES ('usage_1m', '1 minute'), ('usage_1h', '1 hour'), ('usage_1d', '1 day')) AS g (name, width)
      LOOP
        EXECUTE format('CREATE VIEW %I AS SELECT time_bucket(%L::interval, ts) AS bucket, %s, %s FROM entries GROUP BY %s',
          grain.name, grain.width, expressions, sums,
          (SELECT string_agg(n::text, ', ') FROM generate_series(1, 1 + cardinality(string_to_array(names, ','))) AS n));
      END LOOP;
    END;
    RETURN;
  END IF;

  FOR grain IN SELECT * FROM (VALUES ('usage_1m'), ('usage_1h'), ('usage_1d')) AS g (name)
  LOOP
    EXECUTE format('ALTER TABLE %I RENAME TO usage_before', grain.name);
    EXECUTE format('ALTER TABLE usage_before ADD COLUMN IF NOT EXISTS tags text NOT NULL DEFAULT ''''');
    EXECUTE format('CREATE TABLE %I AS SELECT bucket, %s, %s FROM usage_before GROUP BY bucket, %s', grain.name, names, again, names);
    DROP TABLE usage_before;
    EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (bucket, %s)', grain.name, names);
  END LOOP;
  EXECUTE format($f$
    CREATE OR REPLACE FUNCTION refresh_usage(at_most integer) RETURNS integer LANGUAGE plpgsql AS $body$
    DECLARE
      minutes timestamptz[];
      hours   timestamptz[];
      days    timestamptz[];
    BEGIN
      PERFORM pg_advisory_xact_lock(hashtext('sentinel.refresh_usage'));
      WITH chosen AS (SELECT DISTINCT minute FROM usage_changed ORDER BY minute DESC LIMIT at_most),
        taken AS (DELETE FROM usage_changed c USING chosen WHERE c.minute = chosen.minute RETURNING c.minute)
        SELECT array_agg(DISTINCT minute), array_agg(DISTINCT date_trunc('hour', minute, 'UTC')), array_agg(DISTINCT date_trunc('day', minute, 'UTC'))
        INTO minutes, hours, days FROM taken;
      IF minutes IS NULL THEN
        RETURN 0;
      END IF;
      DELETE FROM usage_1m WHERE bucket = ANY (minutes);
      INSERT INTO usage_1m (bucket, %1$s, calls, estimated, %2$s)
        SELECT bucket, %1$s, %4$s FROM (
          SELECT m AS bucket, %5$s, %3$s FROM unnest(minutes) AS m JOIN entries ON ts >= m AND ts < m + INTERVAL '1 minute' GROUP BY m, %6$s
        ) AS by_name GROUP BY bucket, %1$s;
      DELETE FROM usage_1h WHERE bucket = ANY (hours);
      INSERT INTO usage_1h (bucket, %1$s, calls, estimated, %2$s)
        SELECT h, %1$s, %4$s FROM unnest(hours) AS h JOIN usage_1m ON bucket >= h AND bucket < h + INTERVAL '1 hour' GROUP BY h, %1$s;
      DELETE FROM usage_1d WHERE bucket = ANY (days);
      INSERT INTO usage_1d (bucket, %1$s, calls, estimated, %2$s)
        SELECT d, %1$s, %4$s FROM unnest(days) AS d JOIN usage_1h ON bucket >= d AND bucket < d + INTERVAL '24 hours' GROUP BY d, %1$s;
      RETURN cardinality(minutes);
    END
    $body$
  $f$, names, units, sums, again, expressions, names || CASE WHEN names LIKE '%tags%' THEN ', folded' ELSE '' END);
END
$make$;
-- +goose StatementEnd

-- Continuous aggregates are made again from the entries: that must lose nothing which was deleted from these by a retention.
-- +goose StatementBegin
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
     AND (SELECT min(bucket) FROM usage_1d) < (SELECT coalesce(date_trunc('day', min(ts), 'UTC'), 'infinity') FROM entries) THEN
    RAISE EXCEPTION 'the sums reach further back than the entries, and would be lost there'
      USING HINT = 'Copy usage_1d to a table of your own, drop its old buckets, and migrate again.';
  END IF;
  PERFORM make_usage('org, team, service, provider, endpoint, model, tier, action, tags',
    'org, team, CASE WHEN folded & 2 <> 0 THEN ''other'' ELSE service END AS service, provider, endpoint, CASE WHEN folded & 1 <> 0 THEN ''other'' ELSE model END AS model, tier, action, CASE WHEN folded & 4 <> 0 THEN ''other'' ELSE tags END AS tags');
END
$$;
-- +goose StatementEnd

-- +goose Down
SELECT make_usage('org, team, service, provider, endpoint, model, tier, action', 'org, team, service, provider, endpoint, model, tier, action');
DROP FUNCTION make_usage;
DROP TABLE sum_names;
ALTER TABLE intents DROP COLUMN tags;
ALTER TABLE entries DROP COLUMN folded;
ALTER TABLE entries DROP COLUMN tags;
