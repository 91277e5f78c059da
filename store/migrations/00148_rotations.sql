-- +goose Up

-- When each key was rotated last is asked of a chain that may have a row for each verdict.
CREATE INDEX audit_rotations ON audit (object, seq) WHERE action = 'key.rotate.done';

-- +goose Down
DROP INDEX audit_rotations;
