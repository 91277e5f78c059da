-- +goose Up

-- The ledger, one row an attempt. Units of usage are those of the vocabulary; money is in
-- billionths of a US dollar; durations are in nanoseconds; source is 1 reconciler, 2 partial, 3 meter.
-- With the TimescaleDB extension it is a hypertable, without it the same table in native
-- partitions of a month, and every query is the same.
-- +goose StatementBegin
DO $$
DECLARE
  columns constant text := $c$
    ts                  timestamptz NOT NULL,
    call_id             uuid        NOT NULL,
    attempt             smallint    NOT NULL,
    org                 text        NOT NULL,
    team                text        NOT NULL,
    service             text        NOT NULL,
    provider            text        NOT NULL,
    endpoint            text        NOT NULL,
    model               text        NOT NULL,
    stream              boolean     NOT NULL,
    asked               text        NOT NULL,
    action              text        NOT NULL,
    reason              text        NOT NULL,
    status              integer     NOT NULL,
    requests            bigint      NOT NULL,
    input_tokens        bigint      NOT NULL,
    cached_input_tokens bigint      NOT NULL,
    cache_write_tokens  bigint      NOT NULL,
    output_tokens       bigint      NOT NULL,
    reasoning_tokens    bigint      NOT NULL,
    audio_input_tokens  bigint      NOT NULL,
    audio_output_tokens bigint      NOT NULL,
    image_input_tokens  bigint      NOT NULL,
    image_output_tokens bigint      NOT NULL,
    characters          bigint      NOT NULL,
    seconds             bigint      NOT NULL,
    messages            bigint      NOT NULL,
    bytes               bigint      NOT NULL,
    amount_cents        bigint      NOT NULL,
    cost_nusd           bigint      NOT NULL,
    price_version       text        NOT NULL,
    policy_version      text        NOT NULL,
    source              smallint    NOT NULL,
    method              text        NOT NULL,
    duration_ns         bigint      NOT NULL,
    first_byte_ns       bigint      NOT NULL,
    PRIMARY KEY (ts, call_id, attempt)
  $c$;
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    EXECUTE 'CREATE TABLE entries (' || columns || ')';
    PERFORM create_hypertable('entries', by_range('ts', INTERVAL '1 day'));
    BEGIN
      ALTER TABLE entries SET (timescaledb.compress, timescaledb.compress_segmentby = 'org, provider');
      PERFORM add_compression_policy('entries', INTERVAL '7 days');
      PERFORM add_retention_policy('entries', INTERVAL '25 months');
    EXCEPTION WHEN feature_not_supported THEN
      RAISE NOTICE 'this build of TimescaleDB has no policies: chunks stay uncompressed and are kept';
    END;
  ELSE
    EXECUTE 'CREATE TABLE entries (' || columns || ') PARTITION BY RANGE (ts)';
    CREATE TABLE entries_default PARTITION OF entries DEFAULT;
  END IF;
END
$$;
-- +goose StatementEnd

-- Calls that were admitted and have no entry yet: a plain, small table in both cases. A row goes
-- when its call's first entry comes.
CREATE TABLE intents (
    ts                  timestamptz NOT NULL,
    call_id             uuid        NOT NULL,
    org                 text        NOT NULL,
    team                text        NOT NULL,
    service             text        NOT NULL,
    provider            text        NOT NULL,
    endpoint            text        NOT NULL,
    model               text        NOT NULL,
    stream              boolean     NOT NULL,
    asked               text        NOT NULL,
    action              text        NOT NULL,
    reason              text        NOT NULL,
    requests            bigint      NOT NULL,
    input_tokens        bigint      NOT NULL,
    cached_input_tokens bigint      NOT NULL,
    cache_write_tokens  bigint      NOT NULL,
    output_tokens       bigint      NOT NULL,
    reasoning_tokens    bigint      NOT NULL,
    audio_input_tokens  bigint      NOT NULL,
    audio_output_tokens bigint      NOT NULL,
    image_input_tokens  bigint      NOT NULL,
    image_output_tokens bigint      NOT NULL,
    characters          bigint      NOT NULL,
    seconds             bigint      NOT NULL,
    messages            bigint      NOT NULL,
    bytes               bigint      NOT NULL,
    amount_cents        bigint      NOT NULL,
    bound_cost_nusd     bigint      NOT NULL,
    hold                text        NOT NULL,
    price_version       text        NOT NULL,
    policy_version      text        NOT NULL,
    instance            text        NOT NULL,
    PRIMARY KEY (ts, call_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- Processes, by boot id, and when they were last seen alive by the database's clock.
CREATE TABLE instances (
    instance text        PRIMARY KEY,
    beat     timestamptz NOT NULL
);

-- Records that the database refused, each with its error, until someone looks at them.
CREATE TABLE parked (
    digest  bytea       PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    kind    text        NOT NULL,
    call_id uuid        NOT NULL,
    error   text        NOT NULL,
    record  text        NOT NULL
);

-- +goose Down
DROP TABLE parked;
DROP TABLE instances;
DROP TABLE intents;
DROP TABLE entries;
