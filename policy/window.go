package policy

import (
	"time"
)

// window gives the calendar span in which now lies: it begins at the zone's local midnight (or
// full hour) and ends where the next one begins, so that days of 23 and 25 hours are right. Both are UTC.
func window(s span, zone *time.Location, now time.Time) (start, end time.Time) {
	t := now.In(zone)
	y, m, d := t.Date()
	at := func(y int, m time.Month, d int) time.Time { return midnight(y, m, d, zone) }
	switch s {
	case hour:
		// Hours are counted on the clock of the offset in force, so that the repeated hour of
		// autumn is two windows.
		_, offset := t.Zone()
		start = t.Add(time.Duration(offset) * time.Second).UTC().Truncate(time.Hour).Add(-time.Duration(offset) * time.Second)
		start = start.UTC()
		end = start.Add(time.Hour)
		return start, end
	case week: // ISO 8601: weeks begin on Monday
		back := (int(t.Weekday()) + 6) % 7
		start, end = at(y, m, d-back), at(y, m, d-back+7)
	case month:
		start, end = at(y, m, 1), at(y, m+1, 1)
	case year:
		start, end = at(y, 1, 1), at(y+1, 1, 1)
	default:
		start, end = at(y, m, d), at(y, m, d+1)
	}
	return start.UTC(), end.UTC()
}

// midnight is a local day's first moment. Where clocks jump over midnight, time.Date may give
// an instant of the day before; the day then begins at the jump.
func midnight(y int, m time.Month, d int, zone *time.Location) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, zone)
	want := time.Date(y, m, d, 12, 0, 0, 0, zone).Day()
	if t.Day() != want { // the jump is at most a few hours ahead: find its first minute
		for range 240 {
			if t = t.Add(time.Minute); t.Day() == want {
				break
			}
		}
	}
	return t
}
