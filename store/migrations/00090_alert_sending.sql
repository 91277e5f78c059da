-- +goose Up

-- A channel that asked for a pause gets nothing before then, whatever the group.
ALTER TABLE alert_deliveries ADD COLUMN pause timestamptz;
-- When a group was last told in a channel: messages keep their distance where they arrive, not only where they are decided.
CREATE INDEX alert_deliveries_told ON alert_deliveries (grp, channel, ended) WHERE kind = 'message' AND state = 'sent';

-- +goose Down
DROP INDEX alert_deliveries_told;
ALTER TABLE alert_deliveries DROP COLUMN pause;
