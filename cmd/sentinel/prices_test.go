package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/reconcile"
	"github.com/saas-sentinel/saas-sentinel/store"
)

const pricedPolicy = "org: acme\nteams: {a: {}}\nservices: {s: {team: a, identity: {token: abcdefgh}}}\n" +
	"providers: {openai: {preset: openai, credential: secret/a#b}}\n"

func policyFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "policies.yaml")
	if err := os.WriteFile(name, []byte(pricedPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestPricesAreShownCheckedAndCompared(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want string // part of the output, or of the error
		fail bool
	}{
		"providers":   {[]string{"show"}, "twilio", false},
		"steps":       {[]string{"show", "openai", "gpt-5.4-mini"}, "input_tokens 0.75/M", false},
		"a list":      {[]string{"show", "openai", "gpt-5.4"}, "gpt-5.4 flex input_tokens 1.25/M", false},
		"long":        {[]string{"show", "openai", "gpt-5.4"}, "gpt-5.4 - 272000 input_tokens 5/M", false},
		"in the past": {[]string{"show", "openai", "o3", "--at", "2025-06-09"}, "input_tokens 10/M", false},
		"by request":  {[]string{"show", "aws-sqs"}, "requests 0.4/M", false},
		"nobody":      {[]string{"show", "nobody"}, "no price of nobody", true},
		"a change":    {[]string{"diff", "openai", "--from", "2025-06-09", "--to", "2025-06-11"}, "o3", false},
		"no change":   {[]string{"diff", "openai", "--from", "2025-06-11", "--to", "2025-06-12"}, "no price changed between 2025-06-11 and 2025-06-12", false},
		"backwards":   {[]string{"diff", "openai", "--from", "2025-06-11", "--to", "2025-06-09"}, "--to must be after --from", true},
		"of nobody":   {[]string{"diff", "opnai", "--from", "2025-06-09"}, "sentinel prices show lists the providers", true},
		"no day":      {[]string{"diff"}, "--from is required", true},
		"all priced":  {[]string{"check", policyFile(t)}, "openai/chat.completions", false},
		"of no day":   {[]string{"rerate", "--dry-run"}, "--from is required", true},
		"half a day":  {[]string{"rerate", "--from", "2026-11-01T12:00:00Z", "--to", "2026-11-02"}, "whole days (UTC) are booked", true},
		"no period":   {[]string{"rerate", "--from", "2026-11-02", "--to", "2026-11-02"}, "--to: 2026-11-02T00:00:00Z is not after --from", true},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			c := root()
			c.SetOut(&out)
			c.SetArgs(append([]string{"prices"}, tt.args...))
			err := c.ExecuteContext(t.Context())
			text := strings.Join(strings.Fields(out.String()), " ")
			if err != nil {
				text += err.Error()
			}
			if (err != nil) != tt.fail || !strings.Contains(text, tt.want) {
				t.Errorf("%v: %v, want %q in\n%s", tt.args, err, tt.want, text)
			}
		})
	}
}

func TestRerateShowsWhatDiffers(t *testing.T) {
	state, err := app.LoadState(policyFile(t))
	if err != nil {
		t.Fatal(err)
	}
	entry := func(model string, at time.Time, cost sentinel.NanoUSD) sentinel.Entry {
		return sentinel.Entry{Call: sentinel.Call{At: at, Provider: "openai", Endpoint: "chat.completions", Model: model},
			Usage: sentinel.Usage{sentinel.InputTokens: 1000}, Cost: cost, PriceVersion: "as booked"}
	}
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	r := rerated{state: state, groups: map[group]*difference{}, owed: reconcile.NewRerating()}
	for _, e := range []sentinel.Entry{
		entry("gpt-5", now, 1_250_000),                                       // as it is priced now
		entry("gpt-5-mini", now, 400_000), entry("gpt-5-mini", now, 250_000), // one of the two was booked too high
		entry("o3", time.Date(2025, 6, 9, 0, 0, 0, 0, time.UTC), 10_000_000), // before its price fell, and still right
		entry("unheard-of", now, 7), {Action: sentinel.Deny, Reason: "unpriced"}, // no price now; a refusal
	} {
		if err := r.add(e); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{"openai gpt-5-mini - 2 $0.00065 $0.0005 -$0.00015", "unheard-of - 1", "no price now", "total 5 $0.011900007 $0.011750007 -$0.00015"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "o3") {
		t.Errorf("o3 did not change:\n%s", out.String())
	}
}

// TestRerateBooksWhatDiffersOnce prices a ledger again whose figures are wrong, books, and says it all again.
func TestRerateBooksWhatDiffersOnce(t *testing.T) {
	m, dir, dsn := miniredis.RunT(t), t.TempDir(), ledger(t)
	config := filepath.Join(dir, "sentinel.yaml")
	site(t, dir, dsn, map[string]string{
		"sentinel.yaml": "policies: policies.yaml\nredis: {address: \"" + m.Addr() + "\"}\n",
		"policies.yaml": "org: acme\nteams: {a: {}, b: {}}\nservices: {s: {team: a, identity: {token: abcdefgh}}, u: {team: b, identity: {token: abcdefgi}}}\n" +
			"providers: {openai: {preset: openai, credential: secret/a#b}, claude: {preset: anthropic, credential: secret/a#c}}\n",
	})
	st, err := store.Open(t.Context(), store.Options{DSN: sentinel.NewSecret(dsn)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	day := time.Now().UTC().AddDate(0, 0, -3).Truncate(24 * time.Hour)
	payers := map[string]sentinel.Caller{"a": {Org: "acme", Team: "a", Service: "s"}, "b": {Org: "acme", Team: "b", Service: "u", Tags: "env=prod"}}
	write := func(entries ...sentinel.Entry) {
		t.Helper()
		rows := make([]sentinel.Record, len(entries))
		for i := range entries {
			rows[i].Entry = &entries[i]
		}
		if err := st.Write(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
	}
	entry := func(team, provider, model string, at time.Time, cost sentinel.NanoUSD) sentinel.Entry {
		return sentinel.Entry{
			Call:  sentinel.Call{ID: sentinel.NewCallID(at), At: at, Caller: payers[team], Provider: provider, Endpoint: map[string]string{"openai": "responses", "claude": "batches.create"}[provider], Model: model},
			Usage: sentinel.Usage{sentinel.InputTokens: 1000}, Cost: cost, PriceVersion: "as booked", Source: sentinel.SourceMeter, Action: sentinel.Allow,
		}
	}
	free := entry("a", "openai", "gpt-5", day.Add(time.Hour), 0)
	free.PriceVersion = sentinel.VersionUnpriced
	begun := entry("a", "claude", "claude-haiku-4-5", day.Add(4*time.Hour), 900_000)
	begun.Tier = "batch"
	reported := reconcile.Drift{
		Cell: reconcile.Cell{Day: day.AddDate(0, 0, 1), Model: "gpt-5"}, Booked: reconcile.Booked{Sum: reconcile.Sum{Cost: 9}}, Reported: reconcile.Sum{Cost: 8},
	}.TrueUp("acme", "openai")
	write(
		free, // 1,000 × 1.25 dollars a million: 0.00125 dollars were let through
		entry("a", "openai", "gpt-5", day.Add(24*time.Hour-time.Microsecond), 1_250_000), // as it is priced now
		entry("a", "openai", "gpt-5-mini", day.Add(2*time.Hour), 400_000),                // 250,000: 150,000 too much
		entry("b", "openai", "gpt-5-mini", day.Add(3*time.Hour), 50_000),                 // 200,000 too little
		entry("b", "openai", "unheard-of", day.Add(3*time.Hour), 7),                      // no price: as it is
		begun, reconcile.OfBatch(begun, "claude-haiku-4-5", sentinel.Usage{sentinel.InputTokens: 2000}, 950_000), // as its results say
		entry("a", "openai", "gpt-5-2025-08-07", day.AddDate(0, 0, 1), 9), reported, // as the report says
		entry("a", "openai", "gpt-5", day.AddDate(0, 0, 3).Add(time.Minute), 0), // today
	)
	to := day.AddDate(0, 0, 4).Format(time.DateOnly)
	rerate := []string{"prices", "rerate", "--from", day.Format(time.DateOnly), "--to", to, "--config", config}
	late := entry("b", "openai", "gpt-5-mini", day.Add(5*time.Hour), 0)
	for i, step := range []struct {
		args  []string
		first func()
		want  []string
		sums  map[string]sentinel.NanoUSD // of the first day by team; Claude's batch is a's: 950,000
	}{
		{append(rerate, "--dry-run"), nil, []string{"total", "2 calls more are left as they are"}, map[string]sentinel.NanoUSD{"a": 2_600_000, "b": 50_007}},
		{rerate, nil, []string{"booked 3 true-up entries, $0.0013", "1 lines are of a day that is not over"}, map[string]sentinel.NanoUSD{"a": 3_700_000, "b": 250_007}},
		{rerate, nil, []string{"nothing to book", "$0.0013 of the difference is booked already, by 3 true-up entries"}, map[string]sentinel.NanoUSD{"a": 3_700_000, "b": 250_007}},
		// A call that a spool brings later, and the same day alone: what is new is booked, and once.
		{append(rerate, "--to", day.AddDate(0, 0, 1).Format(time.DateOnly)), func() { write(late) }, []string{"booked 1 true-up entries, $0.00025"}, map[string]sentinel.NanoUSD{"a": 3_700_000, "b": 500_007}},
		{rerate, nil, []string{"nothing to book"}, map[string]sentinel.NanoUSD{"a": 3_700_000, "b": 500_007}},
		{[]string{"audit", "show", "--config", config}, nil, []string{"ledger.rerate", day.Format(time.DateOnly) + " to " + to, "3 entries, $0.0013", "1 entries, $0.00025", operator()}, nil},
	} {
		if step.first != nil {
			step.first()
		}
		out, err := command(t, step.args...)
		if err != nil {
			t.Errorf("step %d: sentinel %q: %v", i, step.args, err)
		}
		for _, want := range step.want {
			if !strings.Contains(out, want) {
				t.Errorf("step %d: %q is missing in\n%s", i, want, out)
			}
		}
		if step.args[0] == "audit" && strings.Count(out, "ledger.rerate") != 2 {
			t.Errorf("a booking has another number of rows in the chain than one:\n%s", out)
		}
		for team, want := range step.sums {
			list, err := st.Usage(t.Context(), store.UsageQuery{From: day, To: day.AddDate(0, 0, 1), Filter: map[string]string{"team": team}})
			if err != nil || len(list) != 1 || list[0].Cost != want || list[0].InputTokens != map[string]int64{"a": 5000, "b": 2000 + 1000*int64(min(max(i-2, 0), 1))}[team] {
				t.Errorf("step %d: team %s has %+v, %v; want %s", i, team, list, err, want)
			}
		}
	}
}
