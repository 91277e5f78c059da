-- +goose Up

-- What operators changed, in a hash chain; see package audit. Rows are only ever added.
CREATE TABLE audit (
  seq    bigint      PRIMARY KEY,
  at     timestamptz NOT NULL,
  actor  text        NOT NULL,
  action text        NOT NULL,
  object text        NOT NULL,
  before text        NOT NULL,
  after  text        NOT NULL,
  prev   bytea       NOT NULL,
  hash   bytea       NOT NULL
);
-- +goose StatementBegin
CREATE FUNCTION keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit rows are never changed';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION keep_audit();

-- +goose Down
DROP TABLE audit;
DROP FUNCTION keep_audit;
