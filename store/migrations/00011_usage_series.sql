-- +goose Up

-- Sums of the ledger by minute, hour and day (UTC), under the same names on both kinds of server: usage_1m, usage_1h, usage_1d.
-- With TimescaleDB they are continuous aggregates, which answer for rows that are not materialized yet as well.
-- Without it they are tables: a trigger notes the minutes in which entries changed, however late, and refresh_usage sums those again.
-- +goose StatementBegin
DO $$
DECLARE
  dims  constant text := 'org, team, service, provider, endpoint, model, tier, action';
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
    BEGIN
      FOR grain IN SELECT * FROM (VALUES
          ('usage_1m', '1 minute', 'ts', 'entries', sums), ('usage_1h', '1 hour', 'bucket', 'usage_1m', again),
          ('usage_1d', '1 day', 'bucket', 'usage_1h', again)) AS g (name, width, clock, source, sums)
      LOOP
        EXECUTE format('CREATE MATERIALIZED VIEW %I WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
          SELECT time_bucket(%L::interval, %I) AS bucket, %s, %s FROM %I GROUP BY 1, %s WITH NO DATA',
          grain.name, grain.width, grain.clock, dims, grain.sums, grain.source, dims);
        -- Only what changed is summed again, so the wide window costs nothing; rows that are later than it are found by hand.
        PERFORM add_continuous_aggregate_policy(grain.name::regclass, start_offset => INTERVAL '60 days',
          end_offset => 2 * grain.width::interval, schedule_interval => LEAST(grain.width::interval, INTERVAL '30 minutes'));
      END LOOP;
    EXCEPTION WHEN feature_not_supported THEN
      RAISE NOTICE 'this build of TimescaleDB has no continuous aggregates: usage is summed when it is asked for';
      FOR grain IN SELECT * FROM (VALUES ('usage_1m', '1 minute'), ('usage_1h', '1 hour'), ('usage_1d', '1 day')) AS g (name, width)
      LOOP
        EXECUTE format('CREATE VIEW %I AS SELECT time_bucket(%L::interval, ts) AS bucket, %s, %s FROM entries GROUP BY 1, %s',
          grain.name, grain.width, dims, sums, dims);
      END LOOP;
    END;
    RETURN;
  END IF;

  FOR grain IN SELECT * FROM (VALUES ('usage_1m'), ('usage_1h'), ('usage_1d')) AS g (name)
  LOOP
    EXECUTE format('CREATE TABLE %I AS SELECT ts AS bucket, %s, %s FROM entries GROUP BY 1, %s WITH NO DATA', grain.name, dims, sums, dims);
    EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (bucket, %s)', grain.name, dims);
  END LOOP;

  -- Not unique on purpose: a marker that is there already may be taken by a refresh that does not see this change yet.
  CREATE TABLE usage_changed (minute timestamptz NOT NULL);
  CREATE INDEX usage_changed_minute ON usage_changed (minute);
  INSERT INTO usage_changed SELECT DISTINCT date_trunc('minute', ts, 'UTC') FROM entries;

  CREATE FUNCTION note_usage() RETURNS trigger LANGUAGE plpgsql AS $f$
  BEGIN
    INSERT INTO usage_changed SELECT DISTINCT date_trunc('minute', ts, 'UTC') FROM changed;
    RETURN NULL;
  END
  $f$;
  CREATE TRIGGER usage_inserted AFTER INSERT ON entries REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_usage();
  CREATE TRIGGER usage_updated AFTER UPDATE ON entries REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_usage();
  CREATE TRIGGER usage_deleted AFTER DELETE ON entries REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_usage();

  -- Sums at most so many minutes again, the newest first, and gives their number. One transaction: a crash changes nothing.
  -- Each statement sees what was committed before it began, so a change is either in the sums or still has its marker.
  EXECUTE format($f$
    CREATE FUNCTION refresh_usage(at_most integer) RETURNS integer LANGUAGE plpgsql AS $body$
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
        SELECT m, %1$s, %3$s FROM unnest(minutes) AS m JOIN entries ON ts >= m AND ts < m + INTERVAL '1 minute' GROUP BY m, %1$s;
      DELETE FROM usage_1h WHERE bucket = ANY (hours);
      INSERT INTO usage_1h (bucket, %1$s, calls, estimated, %2$s)
        SELECT h, %1$s, %4$s FROM unnest(hours) AS h JOIN usage_1m ON bucket >= h AND bucket < h + INTERVAL '1 hour' GROUP BY h, %1$s;
      DELETE FROM usage_1d WHERE bucket = ANY (days);
      INSERT INTO usage_1d (bucket, %1$s, calls, estimated, %2$s)
        SELECT d, %1$s, %4$s FROM unnest(days) AS d JOIN usage_1h ON bucket >= d AND bucket < d + INTERVAL '24 hours' GROUP BY d, %1$s;
      RETURN cardinality(minutes);
    END
    $body$
  $f$, dims, units, sums, again);
END
$$;
-- +goose StatementEnd

-- The ledger is kept until the operator sets a retention.
-- +goose StatementBegin
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    PERFORM remove_retention_policy('entries', if_exists => true);
  END IF;
EXCEPTION WHEN feature_not_supported THEN
  NULL;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DO $$
DECLARE
  name text;
BEGIN
  IF to_regclass('usage_changed') IS NOT NULL THEN
    DROP TRIGGER usage_inserted ON entries;
    DROP TRIGGER usage_updated ON entries;
    DROP TRIGGER usage_deleted ON entries;
    DROP FUNCTION refresh_usage, note_usage;
    DROP TABLE usage_changed, usage_1d, usage_1h, usage_1m;
    RETURN;
  END IF;
  FOREACH name IN ARRAY ARRAY['usage_1d', 'usage_1h', 'usage_1m'] LOOP
    IF EXISTS (SELECT FROM timescaledb_information.continuous_aggregates WHERE view_name = name) THEN
      EXECUTE format('DROP MATERIALIZED VIEW %I', name);
    ELSE
      EXECUTE format('DROP VIEW %I', name);
    END IF;
  END LOOP;
END
$$;
-- +goose StatementEnd
