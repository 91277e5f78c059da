package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
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
		"not dry":     {[]string{"rerate", "--from", "2026-11-01", "--to", "2026-11-02"}, "--dry-run", true},
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
	r := rerated{}
	for _, e := range []sentinel.Entry{
		entry("gpt-5", now, 1_250_000),                                       // as it is priced now
		entry("gpt-5-mini", now, 400_000), entry("gpt-5-mini", now, 250_000), // one of the two was booked too high
		entry("o3", time.Date(2025, 6, 9, 0, 0, 0, 0, time.UTC), 10_000_000), // before its price fell, and still right
		entry("unheard-of", now, 7), {Action: sentinel.Deny, Reason: "unpriced"}, // no price now; a refusal
	} {
		if err := r.add(state, e); err != nil {
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
