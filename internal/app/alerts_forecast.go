package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/alerts"
	"github.com/saas-sentinel/saas-sentinel/ml/forecast"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// Bounds of forecasts and digests, which the process that sends alerts makes.
const (
	leaderLooks   = 10 * time.Second
	forecastEvery = 15 * time.Minute
	maxForecasts  = 200 // budgets a round
	pastHours     = 5 * 7 * 24
	dayHours      = 24
	weekHours     = 7 * dayHours
)

// lead forecasts budgets and writes digests while this process is the one that sends.
func (al *alerting) lead(ctx context.Context, leads func() bool) error {
	tick := time.NewTicker(leaderLooks)
	defer tick.Stop()
	var forecasted time.Time
	digested := map[string]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if !leads() {
			continue
		}
		now := time.Now().UTC()
		if now.Sub(forecasted) >= forecastEvery {
			forecasted = now
			if err := al.forecast(ctx, now); err != nil && ctx.Err() == nil {
				al.app.log.Warn().Err(err).Msg("budgets not forecast")
			}
		}
		for _, d := range al.app.governor.State().Policy.Alerts.Digests {
			if _, _, told := d.Period(now, al.app.governor.State().Policy.Zone); digested[d.Name()].Equal(told) || now.Sub(told) > digestLate {
				continue
			}
			told, err := al.digest(ctx, now, d)
			if err != nil && ctx.Err() == nil {
				al.app.log.Warn().Err(err).Msg("digest not written")
				continue
			}
			digested[d.Name()] = told
		}
	}
}

// forecast tells of budgets that are expected to be used up before their window ends.
func (al *alerting) forecast(ctx context.Context, now time.Time) error {
	var rules []policy.AlertRule
	for _, r := range al.book.Load().rules {
		if r.On == "forecast" {
			rules = append(rules, r)
		}
	}
	if len(rules) == 0 {
		return nil
	}
	list, err := (&adminBackend{Store: al.app.store, app: al.app}).Limits(ctx)
	if err != nil {
		return err
	}
	var faults []error
	n := 0
	for _, u := range list {
		filter, ok := filterOf(u.Limit.Cell)
		if !ok || u.Limit.Kind != sentinel.Window || u.Limit.Measure != sentinel.MeasureCost || u.Posted >= u.Limit.Max || n >= maxForecasts {
			continue
		}
		n++
		past, err := al.spend(ctx, filter, now.Truncate(time.Hour), pastHours)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		calendar, err := al.calendar(ctx, filter, past.from, now)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		p, err := project(u.Limit, u.Posted, past, calendar)
		if err != nil {
			if !errors.Is(err, forecast.ErrShort) {
				faults = append(faults, err)
			}
			continue
		}
		al.projected(now, u.Limit, p, rules)
	}
	return errors.Join(faults...)
}

// projected reports one forecast to the rules. It is held for two rounds, so that a round that fails ends nothing.
func (al *alerting) projected(now time.Time, l sentinel.Limit, p projection, rules []policy.AlertRule) {
	most := float64(l.Max)
	fact := policy.AlertFact{Kind: "forecast", Limit: l.Cell, Share: p.mean / most, Low: p.low / most}
	until := now.Add(2*forecastEvery + time.Minute)
	if until.After(l.End) {
		until = l.End
	}
	title := fmt.Sprintf("%s is expected to reach %s USD by %s", l.Name, dollars(p.mean), l.End.Format("2006-01-02 15:04 UTC"))
	if !p.spent.IsZero() {
		title += fmt.Sprintf(", and to be used up about %s", p.spent.Format("2006-01-02 15:04 UTC"))
	}
	for _, r := range rules {
		al.inbox.Report(alerts.Event{
			Rule: r.Name, Scope: l.Cell, Window: l.Start.UTC().Format(time.RFC3339), Firing: r.When.Holds(fact), At: now, Until: until, Title: title,
			Detail: fmt.Sprintf("between %s and %s USD, 8 times of 10", dollars(p.low), dollars(p.high)),
		})
	}
}

func dollars(nano float64) string {
	return fmt.Sprintf("%.2f", nano/float64(sentinel.USD))
}

// hours are spend by the hour: [from, from + len(y) hours).
type hours struct {
	from time.Time
	y    []float64 // nano-dollars
}

// projection is what a window is expected to have used at its end, in nano-dollars: the mean, and what it is above and below 9 times
// of 10. spent is the hour in which the mean passes the limit.
type projection struct {
	mean, low, high float64
	spent           time.Time
}

// project adds the forecast of a window's hours to come to what is posted.
func project(l sentinel.Limit, posted int64, past hours, calendar forecast.Calendar) (projection, error) {
	last := past.from.Add(time.Duration(len(past.y)) * time.Hour) // the hour that runs counts as to come
	y, used := past.y, 0.0
	for i := range y {
		if !past.from.Add(time.Duration(i) * time.Hour).Before(l.Start) {
			used += y[i]
		}
	}
	for len(y) > 0 && y[0] == 0 { // before its first call a service had no habits
		y = y[1:]
	}
	calendar.First = last.Add(-time.Duration(len(y)) * time.Hour)
	if len(y) < len(past.y) {
		calendar.Earlier = nil
	}
	steps := max(int(math.Ceil(l.End.Sub(last).Hours())), 1)
	f, err := forecast.Run(y, forecast.Options{H: steps, Season: dayHours, Season2: weekHours, Calendar: &calendar})
	if err != nil {
		return projection{}, fmt.Errorf("forecast of %s: %w", l.Cell, err)
	}
	at := func(total []float64) float64 { return max(float64(posted), used+total[steps-1]) }
	p := projection{mean: at(f.Total), low: at(f.TotalLo80), high: at(f.TotalHi80)}
	if step := f.UsedUp(float64(l.Max) - used).Middle; step != forecast.Never {
		p.spent = last.Add(time.Duration(step) * time.Hour)
	}
	return p, nil
}

// spend reads what n hours before to have cost.
func (al *alerting) spend(ctx context.Context, filter map[string]string, to time.Time, n int) (hours, error) {
	out := hours{from: to.Add(-time.Duration(n) * time.Hour), y: make([]float64, n)}
	rows, err := al.app.store.Usage(ctx, store.UsageQuery{From: out.from, To: to, By: []string{"hour"}, Rolled: true, Filter: filter, Limit: maxGroups})
	if err != nil {
		return out, err
	}
	for _, r := range rows {
		at, err := time.Parse("2006-01-02T15:04Z", r.Keys[0])
		if err != nil {
			return out, err
		}
		if i := int(at.Sub(out.from) / time.Hour); i >= 0 && i < n {
			out.y[i] += float64(r.Cost)
		}
	}
	return out, nil
}

// pasts keeps the spend of past days, which hardly changes: a day's forecasts ask for it once. The loop that leads alone uses it.
type pasts struct {
	day string // on which they were read
	of  map[string][]float64
}

// pastDays are the days before a forecast's hours that month ends and holidays are learnt from besides.
const pastDays = 26 * 7

// calendar says on which days hours from first on are, and what was spent on the days before.
func (al *alerting) calendar(ctx context.Context, filter map[string]string, first, now time.Time) (forecast.Calendar, error) {
	set := al.app.governor.State().Policy
	c := forecast.Calendar{First: first, Step: time.Hour, Zone: set.Zone, Holiday: set.Holidays.On}
	year, month, day := first.In(set.Zone).Date()
	key := fmt.Sprint(set.Zone, year, month, day, filter)
	if today := now.In(set.Zone).Format(time.DateOnly); al.pasts.day != today {
		al.pasts = pasts{today, map[string][]float64{}}
	}
	if kept, ok := al.pasts.of[key]; ok {
		c.Earlier = kept
		return c, nil
	}
	rows, err := al.app.store.Usage(ctx, store.UsageQuery{
		From: sentinel.DayStart(year, month, day-pastDays, set.Zone).UTC(), To: sentinel.DayStart(year, month, day, set.Zone).UTC(),
		By: []string{"day"}, Rolled: true, Filter: filter, Zone: set.Zone, Limit: maxGroups,
	})
	if err != nil {
		return c, fmt.Errorf("spend of past days: %w", err)
	}
	spent := map[string]float64{}
	for _, r := range rows {
		spent[r.Keys[0]] += float64(r.Cost)
	}
	for at := day - pastDays; at < day; at++ {
		cost := spent[time.Date(year, month, at, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)]
		if len(c.Earlier) > 0 || cost > 0 {
			c.Earlier = append(c.Earlier, cost)
		}
	}
	if len(al.pasts.of) < maxForecasts {
		al.pasts.of[key] = c.Earlier
	}
	return c, nil
}

// filterOf finds whose spend a cell counts, as the ledger can be asked for it.
func filterOf(cell string) (map[string]string, bool) {
	if len(cell) > 4 && cell[:4] == "org/" {
		return nil, true
	}
	dimension, name, ok := scopeOf(cell)
	return map[string]string{dimension: name}, ok
}
