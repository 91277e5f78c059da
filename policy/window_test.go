package policy

import (
	"testing"
	"time"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestWindowsBeginAtLocalMidnight(t *testing.T) {
	for name, tt := range map[string]struct {
		span            span
		zone            string
		now, start, end string
	}{
		"UTC month":                         {month, "UTC", "2026-11-23T20:00:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"},
		"first moment belongs to its day":   {day, "UTC", "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"},
		"last moment belongs to its day":    {day, "UTC", "2026-11-23T23:59:59.999999999Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"},
		"New York, 23 hours in spring":      {day, "America/New_York", "2026-03-08T12:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"},
		"New York, 25 hours in autumn":      {day, "America/New_York", "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
		"New York, month with a change":     {month, "America/New_York", "2026-11-01T04:00:00Z", "2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z"},
		"Kiritimati is a day ahead":         {day, "Pacific/Kiritimati", "2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z", "2026-11-24T10:00:00Z"},
		"Kiritimati's new year":             {year, "Pacific/Kiritimati", "2026-12-31T10:00:00Z", "2026-12-31T10:00:00Z", "2027-12-31T10:00:00Z"},
		"Kathmandu has three quarters":      {day, "Asia/Kathmandu", "2026-11-23T18:15:00Z", "2026-11-23T18:15:00Z", "2026-11-24T18:15:00Z"},
		"weeks begin on Monday":             {week, "Europe/Berlin", "2026-11-22T22:59:00Z", "2026-11-15T23:00:00Z", "2026-11-22T23:00:00Z"},
		"week over the end of the year":     {week, "Europe/Berlin", "2027-01-01T12:00:00Z", "2026-12-27T23:00:00Z", "2027-01-03T23:00:00Z"},
		"Cairo skips midnight":              {day, "Africa/Cairo", "2026-04-24T10:00:00Z", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"},
		"Havana has midnight twice":         {day, "America/Havana", "2026-11-01T04:30:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
		"Apia had no 30 December 2011":      {day, "Pacific/Apia", "2011-12-30T09:59:00Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"},
		"Apia went on with the 31st":        {day, "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
		"hours of a half-hour zone":         {hour, "Asia/Kolkata", "2026-11-23T10:45:00Z", "2026-11-23T10:30:00Z", "2026-11-23T11:30:00Z"},
		"the repeated hour is its own":      {hour, "America/New_York", "2026-11-01T06:10:00Z", "2026-11-01T06:00:00Z", "2026-11-01T07:00:00Z"},
		"Lord Howe sets back by 30 minutes": {hour, "Australia/Lord_Howe", "2026-04-04T15:10:00Z", "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			now, err := time.Parse(time.RFC3339, tt.now)
			if err != nil {
				t.Fatal(err)
			}
			start, end := window(cut{span: tt.span}, zone(t, tt.zone), now)
			if got := [2]string{start.Format(time.RFC3339), end.Format(time.RFC3339)}; got != [2]string{tt.start, tt.end} {
				t.Errorf("window(%s, %s, %s) = %v, want %s to %s", tt.span, tt.zone, tt.now, got, tt.start, tt.end)
			}
		})
	}
}

// TestWindowsTile walks zones with odd clocks through the days around their changes: each window must
// hold its moment, and begin where the one before it ends.
func TestWindowsTile(t *testing.T) {
	for _, name := range []string{
		"UTC", "America/New_York", "Pacific/Kiritimati", "Pacific/Apia", "America/Havana", "America/St_Johns", "America/Sao_Paulo",
		"Africa/Cairo", "Asia/Beirut", "America/Santiago", "America/Asuncion", "Australia/Lord_Howe", "Asia/Kathmandu", "Antarctica/Troll",
		"Africa/Casablanca", "Asia/Gaza", "America/Scoresbysund", "Asia/Pyongyang", "Europe/Dublin", "Pacific/Chatham",
	} {
		t.Run(name, func(t *testing.T) {
			z := zone(t, name)
			for _, s := range []span{hour, day, week, month, quarter, year} {
				for _, y := range []int{1994, 2011, 2018, 2026} {
					at := time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC)
					_, last := window(cut{span: s}, z, at)
					for until := at.AddDate(1, 0, 7); at.Before(until); at = at.Add(29 * time.Minute) {
						start, end := window(cut{span: s}, z, at)
						if at.Before(start) || !at.Before(end) || start.Location() != time.UTC || end.Location() != time.UTC {
							t.Fatalf("%s of %s: [%s, %s) in UTC must hold it", s, at, start, end)
						}
						if !end.Equal(last) && !start.Equal(last) { // a short window may lie between two steps
							if from, to := window(cut{span: s}, z, last); !from.Equal(last) || !to.Equal(start) {
								t.Fatalf("%s of %s: begins at %s, but the one before ended at %s", s, at, start, last)
							}
						}
						last = end
					}
				}
			}
		})
	}
}

func BenchmarkWindow(b *testing.B) {
	z, now := zone(b, "America/New_York"), time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		window(cut{span: month}, z, now)
	}
}
