-- +goose Up

-- All features of an unusual minute, the largest share first, and their shares; NULL where the minute was not unusual, or an earlier release scored it.
ALTER TABLE scores ADD COLUMN features text[], ADD COLUMN shares double precision[];

-- +goose Down
ALTER TABLE scores DROP COLUMN features, DROP COLUMN shares;
