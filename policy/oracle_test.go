package policy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// fortyZones have every oddity that clocks are known for: midnight skipped or passed twice, half hours, days that never
// were, changes during Ramadan, the farthest offsets.
var fortyZones = []string{
	"UTC", "America/New_York", "America/Los_Angeles", "America/St_Johns", "America/Sao_Paulo", "America/Havana", "America/Santiago",
	"America/Asuncion", "America/Caracas", "America/Scoresbysund", "America/Adak", "America/Mexico_City", "Atlantic/Azores", "Europe/London",
	"Europe/Dublin", "Europe/Berlin", "Europe/Moscow", "Europe/Istanbul", "Africa/Cairo", "Africa/Casablanca", "Africa/Juba", "Asia/Beirut",
	"Asia/Gaza", "Asia/Amman", "Asia/Tehran", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Pyongyang", "Asia/Tokyo", "Asia/Shanghai",
	"Australia/Lord_Howe", "Australia/Eucla", "Australia/Adelaide", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Apia",
	"Pacific/Kiritimati", "Pacific/Marquesas", "Pacific/Fakaofo", "Antarctica/Troll",
}

// days finds the first moment at which a zone's clock shows each day or a later one, by looking at the clock every
// quarter of an hour, and every minute where the day changes. It shares nothing with window.
func days(z *time.Location, from, to time.Time) (moments []time.Time, dates [][3]int) {
	last := [3]int{}
	shown := func(t time.Time) [3]int {
		l := t.In(z)
		return [3]int{l.Year(), int(l.Month()), l.Day()}
	}
	later := func(a, b [3]int) bool {
		for i := range a {
			if a[i] != b[i] {
				return a[i] > b[i]
			}
		}
		return false
	}
	for t := from; t.Before(to); t = t.Add(15 * time.Minute) {
		if !later(shown(t), last) {
			continue
		}
		at := t
		for m := t.Add(-15 * time.Minute); m.Before(t); m = m.Add(time.Minute) {
			if later(shown(m), last) {
				at = m
				break
			}
		}
		last = shown(at)
		moments, dates = append(moments, at), append(dates, last)
	}
	return moments, dates
}

// begins says in words of the calendar alone whether a window begins on a day: the anchor day, or a shorter month's last.
func begins(d [3]int, s span, anchor int, fiscal time.Month) bool {
	t := time.Date(d[0], time.Month(d[1]), d[2], 12, 0, 0, 0, time.UTC)
	lastOfMonth := t.AddDate(0, 0, 1).Month() != t.Month()
	anchored := t.Day() == anchor || lastOfMonth && t.Day() < anchor
	switch s {
	case day:
		return true
	case week:
		return t.Weekday() == time.Monday
	case month:
		return anchored
	case quarter:
		return anchored && (int(t.Month())-int(fiscal)+12)%3 == 0
	default:
		return anchored && t.Month() == fiscal
	}
}

// withSkipped adds the days that a zone's calendar never had: a window that would begin on one begins on the next.
func withSkipped(moments []time.Time, dates [][3]int) ([]time.Time, [][3]int) {
	var m []time.Time
	var d [][3]int
	for i := range dates {
		if i > 0 {
			y := dates[i-1]
			for t := time.Date(y[0], time.Month(y[1]), y[2]+1, 0, 0, 0, 0, time.UTC); ; t = t.AddDate(0, 0, 1) {
				missing := [3]int{t.Year(), int(t.Month()), t.Day()}
				if missing == dates[i] {
					break
				}
				m, d = append(m, moments[i]), append(d, missing)
			}
		}
		m, d = append(m, moments[i]), append(d, dates[i])
	}
	return m, d
}

func TestWindowsAgreeWithAnOracle(t *testing.T) {
	years := []int{2000, 2011, 2024, 2026, 2100} // leap, a day that Samoa skipped, leap, usual, no leap
	anchors := []int{1, 2, 15, 28, 29, 30, 31}
	fiscals := []time.Month{time.January, time.February, time.April, time.July, time.October}
	if testing.Short() {
		years, anchors, fiscals = years[1:3], anchors[4:], fiscals[1:3]
	}
	compared := 0
	for _, name := range fortyZones {
		z := zone(t, name)
		for _, y := range years {
			from, to := time.Date(y-1, 9, 1, 0, 0, 0, 0, time.UTC), time.Date(y+2, 3, 1, 0, 0, 0, 0, time.UTC)
			moments, dates := withSkipped(days(z, from, to))
			for _, s := range []span{day, week, month, quarter, year} {
				for _, anchor := range anchors {
					if s < month && anchor != anchors[0] {
						continue
					}
					for _, fiscal := range fiscals {
						if s < quarter && fiscal != fiscals[0] {
							continue
						}
						compared += compare(t, cut{span: s, day: anchor, fiscal: fiscal}, z, y, moments[1:], dates[1:])
					}
				}
			}
		}
	}
	t.Logf("%d moments in %d zones", compared, len(fortyZones))
	if dir := os.Getenv("BENCH_LIMITS"); dir != "" {
		text, _ := json.MarshalIndent(map[string]any{"what": "calendar windows against an independent oracle", "zones": len(fortyZones), "years": years,
			"anchor_days": anchors, "fiscal_years": len(fiscals), "moments_compared": compared, "different": 0, "moments_in_two_windows": 0}, "", "  ")
		if err := os.WriteFile(filepath.Join(dir, "boundaries.json"), append(text, '\n'), 0o644); err != nil && !t.Failed() {
			t.Fatal(err)
		}
	}
}

// compare asks for the windows around every boundary that lies in a year: just before, at, and just after it.
func compare(t *testing.T, c cut, z *time.Location, y int, moments []time.Time, dates [][3]int) (n int) {
	var starts []time.Time
	for i, d := range dates {
		if begins(d, c.span, max(c.day, 1), c.fiscal) && (len(starts) == 0 || !moments[i].Equal(starts[len(starts)-1])) {
			starts = append(starts, moments[i])
		}
	}
	for i := 1; i < len(starts)-1; i++ {
		if c.span != year && starts[i].Year() != y {
			continue
		}
		from, to := starts[i], starts[i+1]
		for _, at := range []time.Time{from, from.Add(1), from.Add(to.Sub(from) / 3), to.Add(-1)} {
			n++
			if start, end := window(c, z, at); !start.Equal(from) || !end.Equal(to) {
				t.Fatalf("%s from day %d of %s in %s at %s: [%s, %s), the oracle says [%s, %s)", c.span, c.day, c.fiscal, z,
					at.Format(time.RFC3339Nano), start.Format(time.RFC3339), end.Format(time.RFC3339), from.Format(time.RFC3339), to.Format(time.RFC3339))
			}
		}
	}
	return n
}

func TestAFixedWindowNeverEnds(t *testing.T) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	start, end := window(cut{span: fixed}, zone(t, "Asia/Tokyo"), now)
	later, _ := window(cut{span: fixed}, zone(t, "UTC"), now.AddDate(100, 0, 0))
	if !start.Equal(later) || end.Before(now.AddDate(150, 0, 0)) {
		t.Errorf("a fixed window is [%s, %s), and in 100 years begins at %s", start, end, later)
	}
}
