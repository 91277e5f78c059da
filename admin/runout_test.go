package admin_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
	"github.com/saas-sentinel/saas-sentinel/ml/whatif"
)

// budgets is a backend with a spend of about a dollar an hour, and these limits.
type budgets struct {
	unusual
	limits []admin.LimitUse
}

func (b budgets) Limits(context.Context) ([]admin.LimitUse, error) { return b.limits, nil }

func (b budgets) Usage(_ context.Context, q admin.UsageQuery) ([]admin.UsageRow, error) {
	r := rand.New(rand.NewPCG(1, 1))
	var out []admin.UsageRow
	for i := b.hours; i > 0; i-- {
		at, cost := noon.Add(-time.Duration(i)*time.Hour), sentinel.NanoUSD(float64(sentinel.USD)*(0.7+0.6*r.Float64()))
		if !at.Before(q.From) && at.Before(q.To) {
			out = append(out, admin.UsageRow{Keys: []string{at.Format("2006-01-02T15:04Z")}, Cost: cost})
		}
	}
	return out, nil
}

func (b budgets) Savings(_ context.Context, from, to time.Time, maxInput, maxOutput int64) ([]whatif.Saving, error) {
	return []whatif.Saving{
		{Kind: whatif.CheaperModel, Service: "triage", Model: "gpt-5", To: "gpt-5-mini", Saved: sentinel.NanoUSD(maxInput), Spent: sentinel.NanoUSD(maxOutput), Month: whatif.Range{Mean: 30, Lo80: 20, Hi80: 40}},
		{Kind: whatif.PromptCache, Service: "agent", Saved: sentinel.NanoUSD(to.Sub(from))},
	}, nil
}

// budget is a limit of so many dollars of which so many are used, in a window until the month's end.
func budget(cell string, most, used int64) admin.LimitUse {
	end := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	return admin.LimitUse{Limit: sentinel.Limit{Name: cell, Cell: cell, Kind: sentinel.Window, Measure: sentinel.MeasureCost, Max: most * int64(sentinel.USD), Start: end.AddDate(0, -1, 0), End: end},
		Used: used * int64(sentinel.USD), Posted: used * int64(sentinel.USD)}
}

func TestBudgetsSayWhenTheyAreUsedUp(t *testing.T) {
	rate := budget("org/month", 1000, 0)
	rate.Limit.Kind = sentinel.Rate
	b := budgets{unusual{hours: 20 * 24}, []admin.LimitUse{
		budget("team/growth/month", 600, 500), budget("service/agent/month", 900, 500), budget("rule/some/month", 600, 500), rate,
		budget("org/month", 500, 500), budget("provider/openai/month", 100, 200),
	}}
	var got []admin.BudgetForecast
	askOf(t, b, "/limits/forecast", &got)
	by := map[string]admin.BudgetForecast{}
	for _, f := range got {
		by[f.Cell] = f
	}
	if len(got) != 5 || got[0].Cell != "provider/openai/month" {
		t.Fatalf("%+v, want five with the fullest first", got)
	}
	team := by["team/growth/month"]
	// A dollar an hour from noon on: 100 dollars last 100 hours.
	want := noon.Add(100 * time.Hour)
	if !team.Known || team.Middle == nil || team.Middle.Before(want.Add(-12*time.Hour)) || team.Middle.After(want.Add(12*time.Hour)) {
		t.Fatalf("%+v, want it used up at about %s", team, want)
	}
	if team.First80 == nil || team.First80.After(*team.Middle) || team.First95 == nil || team.First95.After(*team.First80) {
		t.Errorf("first %v and %v, after the middle %v", team.First80, team.First95, team.Middle)
	}
	if mean := float64(team.Mean) / float64(sentinel.USD); mean < 640 || mean > 670 { // 156 hours to come
		t.Errorf("the window ends with $%.2f, want about 656", mean)
	}
	if s := by["service/agent/month"]; !s.Known || s.Middle != nil {
		t.Errorf("%+v: 400 dollars last longer than the window", s)
	}
	if r := by["rule/some/month"]; r.Known || r.Reason == "" {
		t.Errorf("%+v: whose spend a rule's budget counts is not known to the ledger", r)
	}
	for _, cell := range []string{"org/month", "provider/openai/month"} {
		if f := by[cell]; f.Middle == nil || !f.Middle.Equal(noon) {
			t.Errorf("%+v: it is used up already", f)
		}
	}
	b.hours = 48
	got = nil
	askOf(t, b, "/limits/forecast", &got)
	if got[0].Known || got[0].Reason == "" {
		t.Errorf("%+v, want a reason after two days of history", got[0])
	}
}

func TestSavingsAreAsked(t *testing.T) {
	b := budgets{}
	var got []admin.Saving
	askOf(t, b, "/usage/savings?from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z&max_input=7&max_output=8&limit=1", &got)
	if len(got) != 1 || got[0].To != "gpt-5-mini" || got[0].Saved != 7 || got[0].Spent != 8 || got[0].Month != 30 || got[0].Hi80 != 40 {
		t.Errorf("%+v", got)
	}
}
