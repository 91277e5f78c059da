-- +goose Up

-- Without TimescaleDB, scores and the sums are cut by month as entries are: old months leave with their files, and questions read the months
-- that they ask for. A later migration that makes a table of sums anew cuts it by the same function.
-- +goose StatementBegin
CREATE FUNCTION cut_by_month(name text, clock text) RETURNS void LANGUAGE plpgsql AS $cut$
DECLARE
  month timestamptz;
BEGIN
  EXECUTE format('ALTER TABLE %I RENAME TO whole', name);
  EXECUTE format('CREATE TABLE %I (LIKE whole INCLUDING ALL) PARTITION BY RANGE (%I)', name, clock);
  EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', name || '_default', name);
  FOR month IN EXECUTE format('SELECT DISTINCT date_trunc(''month'', %I, ''UTC'') FROM whole ORDER BY 1', clock)
  LOOP
    EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name || to_char(month AT TIME ZONE 'UTC', '_YYYY_MM'), name,
      month, (month AT TIME ZONE 'UTC' + INTERVAL '1 month') AT TIME ZONE 'UTC');
  END LOOP;
  EXECUTE format('INSERT INTO %I SELECT * FROM whole', name);
  DROP TABLE whole;
END
$cut$;
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    PERFORM cut_by_month('scores', 'ts'), cut_by_month('usage_1m', 'bucket'), cut_by_month('usage_1h', 'bucket'), cut_by_month('usage_1d', 'bucket');
  END IF;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DO $$
DECLARE
  name text;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    FOREACH name IN ARRAY ARRAY['scores', 'usage_1m', 'usage_1h', 'usage_1d'] LOOP
      EXECUTE format('CREATE TABLE whole (LIKE %I INCLUDING ALL)', name);
      EXECUTE format('INSERT INTO whole SELECT * FROM %I', name);
      EXECUTE format('DROP TABLE %I', name);
      EXECUTE format('ALTER TABLE whole RENAME TO %I', name);
      EXECUTE format('ALTER TABLE %I RENAME CONSTRAINT whole_pkey TO %I', name, name || '_pkey');
    END LOOP;
    ALTER INDEX whole_ts_idx RENAME TO scores_unusual;
    ALTER INDEX whole_service_ts_idx RENAME TO scores_service;
  END IF;
END
$$;
-- +goose StatementEnd
DROP FUNCTION cut_by_month;
