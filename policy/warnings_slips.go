package policy

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// slipsWithin is how far ahead changes of clocks are looked for.
const slipsWithin = 2 // years

// slips warns of times that are hardly what their operator means: in a zone that was forgotten or is the other way round, over, or at
// a time of day that clocks skip or pass twice.
func (w *warner) slips() {
	zone := w.in.Timezone
	switch {
	case strings.HasPrefix(zone, "Etc/GMT-"), strings.HasPrefix(zone, "Etc/GMT+"):
		_, offset := w.now.In(w.set.Zone).Zone()
		w.warn("timezone", "%s has its sign the other way round: noon there is %s UTC", zone, clock(12*60-offset/60))
	case zone == "EST" || zone == "MST" || zone == "HST":
		w.warn("timezone", "%s has no daylight saving time: write for instance America/New_York", zone)
	}
	for _, name := range slices.Sorted(maps.Keys(w.schedules)) {
		s := w.schedules[name]
		key := "schedules." + name
		if !w.Has("timezone") && (w.Has(key+".from") || w.Has(key+".to")) {
			w.warn(key, "no timezone is set: its times are in UTC")
		}
		if s.over(w.now) {
			w.warn(key+".end", "it is over: rules during it hold no more")
			continue
		}
		w.slipped(key+".from", "begin", s, s.from)
		w.slipped(key+".to", "end", s, s.to)
	}
}

// slipped warns of the first day on which clocks skip or repeat a schedule's begin or end.
func (w *warner) slipped(key, what string, s schedule, minute int) {
	if !w.Has(key) || minute == dayMinutes {
		return
	}
	first, end := s.begin, w.now.In(s.zone).AddDate(slipsWithin, 0, 0)
	if today := dateOf(w.now.In(s.zone)); first.before(today) {
		first = today
	}
	for d := time.Date(first.year, first.month, first.day, 12, 0, 0, 0, time.UTC); d.Before(end); d = d.AddDate(0, 0, 1) {
		if !s.begins(d) {
			continue
		}
		at := d.AddDate(0, 0, minute/dayMinutes)
		switch day, text := at.Format(time.DateOnly), clock(minute); clockPasses(dateOf(at), minute%dayMinutes, s.zone) {
		case 0:
			w.warn(key, "on %s clocks in %s skip %s: it will %s when they go on", day, s.zone, text, what)
			return
		case 2:
			w.warn(key, "on %s clocks in %s show %s twice: it will %s both times", day, s.zone, text, what)
			return
		}
	}
}

// over tells whether a schedule has no day left.
func (s *schedule) over(now time.Time) bool {
	return s.end != date{} && s.end.before(dateOf(now.In(s.zone).AddDate(0, 0, -1)))
}

// clockPasses counts how often a zone's clock shows a minute of a day: once, not at all, or twice.
func clockPasses(d date, minute int, zone *time.Location) int {
	shows := func(t time.Time) bool {
		t = t.In(zone)
		return dateOf(t) == d && t.Hour()*60+t.Minute() == minute
	}
	near := time.Date(d.year, d.month, d.day, minute/60, minute%60, 0, 0, zone)
	_, before := near.Add(-dayMinutes * time.Minute).Zone()
	_, after := near.Add(dayMinutes * time.Minute).Zone()
	n := 0
	wall := time.Date(d.year, d.month, d.day, minute/60, minute%60, 0, 0, time.UTC)
	for _, offset := range slices.Compact([]int{before, after}) {
		if shows(wall.Add(-time.Duration(offset) * time.Second)) {
			n++
		}
	}
	return n
}

// clock writes minutes since midnight as a time of day.
func clock(minutes int) string {
	return time.Date(0, 1, 1, 0, minutes, 0, 0, time.UTC).Format("15:04")
}
