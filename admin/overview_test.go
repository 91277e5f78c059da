package admin_test

import (
	"context"
	"slices"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
)

// clocked is a ledger with a call each ten minutes, each of another price, in an organisation of a zone.
type clocked struct {
	accounts
	zone *time.Location
	rows map[time.Time]sentinel.NanoUSD
}

func (c clocked) Org() admin.Org { return admin.Org{Name: "acme", Zone: c.zone} }

func (c clocked) Usage(_ context.Context, q admin.UsageQuery) ([]admin.UsageRow, error) {
	sums := map[string]sentinel.NanoUSD{}
	for at, cost := range c.rows {
		if at.Before(q.From) || !at.Before(q.To) {
			continue
		}
		key := ""
		if len(q.By) > 0 {
			key = map[string]string{"hour": at.Format("2006-01-02T15:00Z"), "day": at.In(c.zone).Format(time.DateOnly)}[q.By[0]]
		}
		sums[key] += cost
	}
	var out []admin.UsageRow
	for key, cost := range sums {
		out = append(out, admin.UsageRow{Keys: []string{key}, Cost: cost})
	}
	return out, nil
}

func (clocked) Entries(context.Context, admin.EntryQuery) ([]sentinel.Entry, error) { return nil, nil }

func (clocked) Incidents(context.Context, sentinel.IncidentQuery) ([]sentinel.Incident, error) {
	return nil, nil
}

func (clocked) Health(context.Context) []admin.Component { return nil }

// Sums of days and months are those of the rows whose local date says so, whatever the clocks did: a row has one date, and no arithmetic finds it.
func TestOverviewCutsDaysByTheLocalCalendar(t *testing.T) {
	for name, tt := range map[string]struct{ zone, now string }{
		"a day that begins at 01:00":              {"Africa/Cairo", "2026-04-24T12:00"},
		"the day after a day of 25 hours":         {"America/New_York", "2026-11-02T09:40"},
		"the day after a day of 23 hours":         {"Europe/Berlin", "2026-03-30T17:20"},
		"midnight does not exist, west of UTC":    {"Atlantic/Azores", "2026-03-29T15:00"},
		"days begin at half past an hour":         {"Asia/Kolkata", "2026-11-24T12:10"},
		"at three quarters":                       {"Asia/Kathmandu", "2026-11-24T00:30"},
		"a change of half an hour":                {"Australia/Lord_Howe", "2026-10-05T11:30"},
		"half an hour, in winter":                 {"Australia/Lord_Howe", "2026-06-20T11:30"},
		"the first half hour of a month":          {"Asia/Kolkata", "2026-11-01T00:20"},
		"the month before is shorter":             {"America/New_York", "2026-03-31T10:00"},
		"a month after the clocks went back":      {"Europe/Berlin", "2026-11-25T01:30"},
		"a day on which an hour happened already": {"America/New_York", "2026-11-01T13:10"},
	} {
		t.Run(name, func(t *testing.T) {
			zone, err := time.LoadLocation(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			now, err := time.ParseInLocation("2006-01-02T15:04", tt.now, zone)
			if err != nil {
				t.Fatal(err)
			}
			ledger := clocked{zone: zone, rows: map[time.Time]sentinel.NanoUSD{}}
			var month, before, today, yesterday sentinel.NanoUSD
			days := map[string]sentinel.NanoUSD{}
			clock, date := now.Format("15:04"), now.Format(time.DateOnly)
			dayBefore := time.Date(now.Year(), now.Month(), now.Day()-1, 12, 0, 0, 0, time.UTC).Format(time.DateOnly)
			monthBefore := time.Date(now.Year(), now.Month()-1, 1, 12, 0, 0, 0, time.UTC).Format("2006-01")
			for at, i := now.UTC().Truncate(time.Hour).AddDate(0, 0, -70), 1; at.Before(now); at, i = at.Add(10*time.Minute), i+1 {
				cost := sentinel.NanoUSD(i*1_000_003 + i%13*77_777_777)
				ledger.rows[at] = cost
				local := at.In(zone)
				then, m := local.Format(time.DateOnly), local.Format("2006-01")
				if m == now.Format("2006-01") {
					month += cost
					days[then] += cost
				}
				if m == monthBefore && local.Format("02 15:04") < now.Format("02 ")+clock {
					before += cost
				}
				if then == date {
					today += cost
				}
				if then == dayBefore && local.Format("15:04") < clock {
					yesterday += cost
				}
			}
			var got admin.Overview
			askAt(t, ledger, now, "/overview", &got)
			for what, v := range map[string]struct {
				got  admin.Money
				want sentinel.NanoUSD
			}{"month": {got.Month.Cost, month}, "last month": {got.LastMonth.Cost, before}, "today": {got.Today.Cost, today}, "yesterday": {got.Yesterday.Cost, yesterday}} {
				if sentinel.NanoUSD(v.got) != v.want {
					t.Errorf("%s is %d, want %d", what, v.got, v.want)
				}
			}
			if n := len(got.Forecast.Days); !got.Forecast.Known || n != time.Date(now.Year(), now.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day() {
				t.Errorf("the forecast has %d days: %+v", n, got.Forecast)
			}
			sum := admin.Money(0)
			for _, d := range got.Forecast.Days {
				sum += d.Actual
				if sentinel.NanoUSD(d.Actual) != days[d.Day] || d.Total < sum || d.Lo80 < sum {
					t.Errorf("%s: %d was spent and %d by its end, want %d and at least %d", d.Day, d.Actual, d.Total, days[d.Day], sum)
				}
				bounds := []admin.Money{sum, d.Lo95, d.Lo80, d.Total, d.Hi80, d.Hi95}
				if d.Day < date && (d.Total != sum || d.Lo95 != sum || d.Hi95 != sum) {
					t.Errorf("%s ends with %d between %d and %d, want %d", d.Day, d.Total, d.Lo95, d.Hi95, sum)
				} else if !slices.IsSorted(bounds) {
					t.Errorf("%s: out of order: what was spent, the total and its bounds are %v", d.Day, bounds)
				}
			}
			f := got.Forecast
			if end := f.Days[len(f.Days)-1]; (end != admin.Point{Day: end.Day, Actual: end.Actual, Expected: end.Expected, Total: f.Mean, Lo80: f.Lo80, Hi80: f.Hi80, Lo95: f.Lo95, Hi95: f.Hi95}) {
				t.Errorf("the month ends with %+v, and its last day with %+v", f, end)
			}
			if f.Lo95 >= f.Lo80 || f.Hi80 >= f.Hi95 {
				t.Errorf("the month ends between %d and %d 80 times of 100, between %d and %d 95 times: want these wider", f.Lo80, f.Hi80, f.Lo95, f.Hi95)
			}
		})
	}
}
