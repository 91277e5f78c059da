package policy

import "time"

// window gives the calendar span in which now lies, as [start, end) in UTC. Windows of a span follow
// each other without gap or overlap, whatever the zone's clocks do: days of 23 and 25 hours are
// right, and now is always inside.
func window(s span, zone *time.Location, now time.Time) (start, end time.Time) {
	t := now.In(zone)
	if s == hour {
		return hourOf(t)
	}
	y, m, d := t.Date()
	switch s {
	case week: // ISO 8601: weeks begin on Monday
		d -= (int(t.Weekday()) + 6) % 7
	case month:
		d = 1
	case year:
		m, d = time.January, 1
	default: // a day
	}
	start, end = startOf(y, m, d, zone), startOf(next(s, y, m, d, zone))
	for range 2 { // clocks that are set back over midnight repeat the end of a day whose window is over
		if now.Before(end) {
			break
		}
		y, m, d = end.In(zone).Date()
		start, end = end, startOf(next(s, y, m, d, zone))
	}
	return start, end
}

// next gives the first day of the span after the one that begins on a day.
func next(s span, y int, m time.Month, d int, zone *time.Location) (int, time.Month, int, *time.Location) {
	switch s {
	case week:
		return y, m, d + 7, zone
	case month:
		return y, m + 1, 1, zone
	case year:
		return y + 1, time.January, 1, zone
	default:
		return y, m, d + 1, zone
	}
}

// hourOf counts hours on the clock of the offset in force, so that the repeated hour of autumn is
// two windows; a window is cut where the offset changes.
func hourOf(t time.Time) (start, end time.Time) {
	_, seconds := t.Zone()
	offset := time.Duration(seconds) * time.Second
	start = t.UTC().Add(offset).Truncate(time.Hour).Add(-offset)
	end = start.Add(time.Hour)
	from, to := t.ZoneBounds()
	if !from.IsZero() && start.Before(from) {
		start = from.UTC()
	}
	if !to.IsZero() && end.After(to) {
		end = to.UTC()
	}
	return start, end
}

// startOf is a local day's first moment: the first at which the zone's clock shows midnight of that day or later.
// time.Date alone would not do where clocks jump over midnight, or pass it twice.
func startOf(y int, m time.Month, d int, zone *time.Location) time.Time {
	midnight := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	at := midnight.Add(-27 * time.Hour) // before it in every zone: offsets stay under 16 hours
	for range 8 {
		local := at.In(zone)
		_, offset := local.Zone()
		reached := midnight.Add(-time.Duration(offset) * time.Second)
		if reached.Before(at) { // a jump went over it
			return at
		}
		_, change := local.ZoneBounds()
		if change.IsZero() || reached.Before(change) {
			return reached
		}
		at = change.UTC()
	}
	return at
}
