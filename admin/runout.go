package admin

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ml/forecast"
)

// BudgetForecast says how a budget's window is expected to end.
type BudgetForecast struct {
	Cell   string    `json:"cell"`
	Name   string    `json:"name"`
	Max    Money     `json:"max"`
	Used   Money     `json:"used"`
	End    time.Time `json:"end" doc:"Of the window."`
	Known  bool      `json:"known"`
	Reason string    `json:"reason,omitempty" doc:"Why nothing is expected."`
	Mean   Money     `json:"mean" doc:"Used at the window's end."`
	Lo80   Money     `json:"lo80"`
	Hi80   Money     `json:"hi80"`
	Lo95   Money     `json:"lo95"`
	Hi95   Money     `json:"hi95"`
	RunsOut
}

// RunsOut are the times at which a budget is used up; a time after the window's end is left out.
type RunsOut struct {
	Middle  *time.Time `json:"runs_out,omitempty" doc:"Before it and after it with even odds; left out where the budget is rather not used up in its window."`
	First80 *time.Time `json:"runs_out_first80,omitempty" doc:"From here on 80 of 100 times."`
	Last80  *time.Time `json:"runs_out_last80,omitempty" doc:"Until here 80 of 100 times."`
	First95 *time.Time `json:"runs_out_first95,omitempty"`
	Last95  *time.Time `json:"runs_out_last95,omitempty"`
}

// maxBudgets bounds one answer: each takes a question to the ledger and some milliseconds.
const maxBudgets = 100

// budgetForecasts forecasts the budgets of the organisation, of teams, services and providers, those nearest to their end first.
func (s *Server) budgetForecasts(ctx context.Context, _ *struct{}) (*answer[[]BudgetForecast], error) {
	list, err := s.Backend.Limits(ctx)
	if err != nil {
		return nil, s.fault("limits", err)
	}
	list = slices.DeleteFunc(list, func(u LimitUse) bool {
		return u.Limit.Kind != sentinel.Window || u.Limit.Measure != sentinel.MeasureCost
	})
	share := func(u LimitUse) float64 { return float64(u.Used) / float64(max(1, u.Limit.Max)) }
	slices.SortStableFunc(list, func(a, b LimitUse) int { return cmp.Compare(share(b), share(a)) })
	out := []BudgetForecast{}
	for _, u := range list[:min(len(list), maxBudgets)] {
		f, err := s.budgetForecast(ctx, u, s.Now())
		if err != nil {
			return nil, s.fault("budget forecast", err)
		}
		out = append(out, f)
	}
	return &answer[[]BudgetForecast]{out}, nil
}

func (s *Server) budgetForecast(ctx context.Context, u LimitUse, now time.Time) (BudgetForecast, error) {
	l := limitOf(u)
	out := BudgetForecast{Cell: l.Cell, Name: l.Name, Max: Money(u.Limit.Max), Used: Money(u.Posted), End: u.Limit.End}
	filter := map[string]string{l.Scope: l.Subject}
	switch l.Scope {
	case "org":
		filter = nil
	case "team", "service", "provider":
	default:
		out.Reason = "only budgets of the organisation, a team, a service or a provider are forecast"
		return out, nil
	}
	last := now.UTC().Truncate(time.Hour) // the hour that runs counts as to come
	spent, first, err := s.hourly(ctx, last.Add(-historyHours*time.Hour), last.Add(time.Hour), filter)
	if err != nil {
		return out, err
	}
	y := series(spent, first, last)
	if len(y) < leastHours {
		out.Reason = "there is not enough history yet: three days are needed"
		return out, nil
	}
	calendar, err := s.calendar(ctx, first, filter)
	if err != nil {
		return out, err
	}
	f, err := forecast.Run(y, forecast.Options{H: max(1, int(math.Ceil(u.Limit.End.Sub(last).Hours()))), Season: dayHours, Season2: weekHours, Calendar: calendar})
	if errors.Is(err, forecast.ErrShort) {
		out.Reason = err.Error()
		return out, nil
	}
	if err != nil {
		return out, err
	}
	out.fill(f, last, now, Money(u.Posted)-Money(spent[last]))
	return out, nil
}

// fill adds the forecast from an hour on to what was used before it. What is used already is the least that the window ends with.
func (b *BudgetForecast) fill(f forecast.Forecast, from, now time.Time, used Money) {
	b.Known = true
	end := len(f.Total) - 1
	for _, v := range []struct {
		to    *Money
		total []float64
	}{{&b.Mean, f.Total}, {&b.Lo80, f.TotalLo80}, {&b.Hi80, f.TotalHi80}, {&b.Lo95, f.TotalLo95}, {&b.Hi95, f.TotalHi95}} {
		*v.to = max(b.Used, used+money(v.total[end]))
	}
	u := f.UsedUp(float64(b.Max - used))
	at := func(step int) *time.Time {
		if step == forecast.Never {
			return nil
		}
		t := from.Add(time.Duration(step+1) * time.Hour)
		if t.Before(now) || b.Used >= b.Max {
			t = now.UTC()
		}
		return &t
	}
	b.RunsOut = RunsOut{at(u.Middle), at(u.First80), at(u.Last80), at(u.First95), at(u.Last95)}
}
