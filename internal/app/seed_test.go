package app

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/store"
)

func TestCountersOfTheLedgerAreThoseOfTheLimiter(t *testing.T) {
	set, err := policy.Compile(policy.File{Name: "p", Data: []byte("org: acme\nbudget: {usd: 90/month}\nteams: {a: {budget: {usd: 5/day}}, b: }\n" +
		"services: {s: {team: a, identity: {token: abcdefgh}, limits: {requests: [5/day, 9/minute], concurrent: 4}}, u: {team: b, identity: {token: abcdefgi}}}\n" +
		"providers: {openai: {preset: openai, credential: secret/a#b}}\npolicies: [{name: r, match: {model: \"gpt*\"}, limits: {tokens: 5k/day, output_tokens: 9k/month}, per: [service, model]}]\n")},
		policy.Options{Presets: []string{"openai"}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	rows := map[time.Time][]store.UsageRow{
		time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC): {
			{Keys: []string{"a", "s", "openai", "chat.completions", "gpt-5"}, Calls: 7, Refused: 3, InputTokens: 100, OutputTokens: 10, Cost: 1000},
			{Keys: []string{"b", "u", "openai", "chat.completions", "gpt-5"}, Calls: 1, InputTokens: 5, OutputTokens: 2, Cost: 20},
		},
		time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC): {
			{Keys: []string{"a", "s", "openai", "chat.completions", "gpt-5"}, Calls: 70, InputTokens: 1000, OutputTokens: 100, Cost: 10_000},
			{Keys: []string{"a", "s", "openai", "chat.completions", "o9"}, Calls: 1, InputTokens: 1, OutputTokens: 1, Cost: 3},
		},
	}
	asked := 0
	seeds, err := posted(t.Context(), set, now, func(_ context.Context, q question) ([]store.UsageRow, error) {
		asked++
		return rows[q.from], nil
	})
	if err != nil || asked != 2 {
		t.Fatalf("the ledger was asked %d times, want once a window: %v", asked, err)
	}
	got := map[string]int64{}
	for _, s := range seeds {
		got[s.Limit.Cell] = s.Posted
	}
	want := map[string]int64{
		"org/cost/month": 10_003, "team/a/cost/day": 1000, "service/s/requests/day": 4,
		"rule/r/tokens/day/service/s/model/gpt-5": 110, "rule/r/tokens/day/service/u/model/gpt-5": 7, "rule/r/output_tokens/month/service/s/model/gpt-5": 100,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	full := make([]store.UsageRow, mostGroups)
	if _, err := posted(t.Context(), set, now, func(context.Context, question) ([]store.UsageRow, error) { return full, nil }); err == nil {
		t.Error("a ledger of more kinds of calls than one query gives was counted by half")
	}
}

func TestCountersOfSubjectsAndOfSeveralOrganisationsComeFromTheLedger(t *testing.T) {
	set, err := policy.Compile(policy.File{Name: "p", Data: []byte("org: acme\nteams: {a: }\nservices: {s: {team: a, identity: {token: abcdefgh}}}\n" +
		"providers: {openai: {preset: openai, credential: secret/a#b}}\npolicies: [{name: fair, budget: {usd: 1/day}, per: [user]}, {name: all, budget: {usd: 9/day}}, {name: key, across: true, budget: {usd: 50/day}}]\n")},
		policy.Options{Presets: []string{"openai"}})
	if err != nil {
		t.Fatal(err)
	}
	key := func(more ...string) []string {
		return append([]string{"a", "s", "openai", "chat.completions", "gpt-5"}, more...)
	}
	seeds, err := posted(t.Context(), set, time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), func(_ context.Context, q question) ([]store.UsageRow, error) {
		switch {
		case q.all && q.dimensions == withoutSubjects:
			return []store.UsageRow{{Keys: key(), Calls: 9, Cost: 900}, {Keys: []string{"x", "y", "openai", "chat.completions", "gpt-5"}, Calls: 1, Cost: 100}}, nil
		case q.all:
			return []store.UsageRow{{Keys: key("", "ada", "")}, {Keys: key("", "bob", "")}}, nil
		case q.dimensions == withoutSubjects:
			return []store.UsageRow{{Keys: key(), Calls: 9, Cost: 900}}, nil
		}
		return []store.UsageRow{{Keys: key("", "ada", "one"), Calls: 4, Cost: 400}, {Keys: key("", "ada", "two"), Calls: 1, Cost: 50}, {Keys: key("", "", ""), Calls: 4, Cost: 450}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, s := range seeds {
		got[s.Limit.Cell] = s.Posted
	}
	want := map[string]int64{"rule/fair/cost/day/user/ada": 450, "rule/fair/cost/day/user/": 450, "rule/all/cost/day": 900, "across/rule/key/cost/day": 1000}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}

func TestCountersOfCredentialsComeFromTheLedger(t *testing.T) {
	set, err := policy.Compile(policy.File{Name: "p", Data: []byte("org: acme\nteams: {a: }\nservices: {s: {team: a, identity: {token: abcdefgh}}}\n" +
		"providers: {openai: {preset: openai, credential: {vault: secret/a#b, also: [{vault: secret/a#c}]}}}\npolicies: [{name: key, budget: {usd: 1/day}, per: [credential]}]\n")},
		policy.Options{Presets: []string{"openai"}})
	if err != nil {
		t.Fatal(err)
	}
	seeds, err := posted(t.Context(), set, time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), func(_ context.Context, q question) ([]store.UsageRow, error) {
		key := []string{"a", "s", "openai", "chat.completions", "gpt-5"}
		if q.dimensions == withoutSubjects {
			return []store.UsageRow{{Keys: key, Cost: 900}}, nil
		}
		var rows []store.UsageRow
		for credential, cost := range map[string]sentinel.NanoUSD{sentinel.Fingerprint("secret/a#b"): 500, sentinel.Fingerprint("secret/a#c"): 300, "": 100} {
			rows = append(rows, store.UsageRow{Keys: append(slices.Clone(key), credential), Cost: cost})
		}
		return rows, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, s := range seeds {
		got[s.Limit.Cell] = s.Posted
	}
	want := map[string]int64{"rule/key/cost/day/credential/secret%2fa#b": 600, "rule/key/cost/day/credential/secret%2fa#c": 300}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}
