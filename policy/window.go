package policy

import (
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// cut says how a span of time is cut out of the calendar.
type cut struct {
	span   span
	day    int        // months, quarters and years begin on this day, or on the last one of a shorter month
	fiscal time.Month // in which years begin; quarters follow from it
}

// forever is the end of windows that never end.
var forever = time.Date(2200, time.January, 1, 0, 0, 0, 0, time.UTC)

// window gives the calendar span in which now lies, as [start, end) in UTC. Windows of a span follow
// each other without gap or overlap, whatever the zone's clocks do: days of 23 and 25 hours are
// right, and now is always inside.
func window(c cut, zone *time.Location, now time.Time) (start, end time.Time) {
	switch c.span { //nolint:exhaustive // the others follow the calendar, below
	case fixed:
		return time.Unix(0, 0).UTC(), forever
	case hour:
		return hourOf(now.In(zone))
	}
	first, next := c.around(dateOf(now.In(zone)))
	start, end = startOf(first, zone), startOf(next, zone)
	for range 2 { // clocks that are set back over midnight repeat the end of a day whose window is over
		if now.Before(end) {
			break
		}
		_, next = c.around(dateOf(end.In(zone)))
		start, end = end, startOf(next, zone)
	}
	return start, end
}

// date is a day of the calendar.
type date struct {
	year  int
	month time.Month
	day   int
}

func dateOf(t time.Time) date {
	y, m, d := t.Date()
	return date{y, m, d}
}

// around gives the first day of the window that has a day, and that of the next.
func (c cut) around(d date) (first, next date) {
	switch c.span {
	case week: // ISO 8601: weeks begin on Monday
		t := time.Date(d.year, d.month, d.day, 0, 0, 0, 0, time.UTC)
		t = t.AddDate(0, 0, -(int(t.Weekday())+6)%7)
		return dateOf(t), dateOf(t.AddDate(0, 0, 7))
	case month:
		return c.months(d, 1)
	case quarter:
		return c.months(d, 3)
	case year:
		return c.months(d, 12)
	default: // a day
		return d, dateOf(time.Date(d.year, d.month, d.day+1, 0, 0, 0, 0, time.UTC))
	}
}

// months is around for windows of n months, counted from the month in which fiscal years begin.
func (c cut) months(d date, n int) (first, next date) {
	begin := int(max(c.fiscal, time.January)) - 1
	since := d.year*12 + int(d.month) - 1 - begin
	at := since - since%n + begin
	if first = c.begins(at); d.before(first) {
		at -= n
		first = c.begins(at)
	}
	return first, c.begins(at + n)
}

// begins is the day on which a window begins in a month, counted from January of the year 0.
func (c cut) begins(months int) date {
	y, m := months/12, time.Month(months%12+1)
	last := time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return date{y, m, min(max(c.day, 1), last)}
}

func (d date) before(o date) bool {
	switch {
	case d.year != o.year:
		return d.year < o.year
	case d.month != o.month:
		return d.month < o.month
	default:
		return d.day < o.day
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

func startOf(d date, zone *time.Location) time.Time {
	return sentinel.DayStart(d.year, d.month, d.day, zone)
}
