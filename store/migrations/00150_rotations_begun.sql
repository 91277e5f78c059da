-- +goose Up

-- Not only when a key was rotated last is asked of the chain, but also what was begun, and how that ended.
DROP INDEX audit_rotations;
CREATE INDEX audit_rotations ON audit (object, action, seq) WHERE action IN ('key.rotate', 'key.rotate.done', 'key.rotate.failed');

-- +goose Down
DROP INDEX audit_rotations;
CREATE INDEX audit_rotations ON audit (object, seq) WHERE action = 'key.rotate.done';
