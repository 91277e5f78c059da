-- +goose Up

-- Bodies that a policy has captured, sealed: key is the data key as the key-encryption key has wrapped it, sealed a nonce and a ciphertext
-- that is bound to its call. The table is cut by expiry, so that what has expired leaves the disk with its partition.
-- +goose StatementBegin
DO $$
DECLARE
  columns constant text := $c$
    expires  timestamptz NOT NULL,
    call_id  uuid        NOT NULL,
    attempt  smallint    NOT NULL,
    part     text        NOT NULL,
    ts       timestamptz NOT NULL,
    org      text        NOT NULL,
    team     text        NOT NULL,
    service  text        NOT NULL,
    provider text        NOT NULL,
    endpoint text        NOT NULL,
    model    text        NOT NULL,
    size     bigint      NOT NULL,
    key      text        NOT NULL,
    sealed   bytea       NOT NULL,
    PRIMARY KEY (expires, call_id, attempt, part)
  $c$;
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    EXECUTE 'CREATE TABLE bodies (' || columns || ')';
    PERFORM create_hypertable('bodies', by_range('expires', INTERVAL '1 day'));
  ELSE
    EXECUTE 'CREATE TABLE bodies (' || columns || ') PARTITION BY RANGE (expires)';
    CREATE TABLE bodies_default PARTITION OF bodies DEFAULT;
  END IF;
END
$$;
-- +goose StatementEnd
ALTER TABLE bodies ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX ON bodies (call_id);
CREATE INDEX ON bodies (org, service, ts);

-- +goose Down
DROP TABLE bodies;
