package pricing

import (
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func embedded(t testing.TB) *Catalog {
	t.Helper()
	c, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var now = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func TestExactCosts(t *testing.T) {
	for name, tt := range map[string]struct {
		key   Key
		at    time.Time
		usage sentinel.Usage
		want  sentinel.NanoUSD
	}{
		// 1,000 × 0.25 + 200 × 0.025 + 500 × 2 dollars a million = 0.00025 + 0.000005 + 0.001
		"gpt-5-mini with cache": {Key{"openai", "chat.completions", "gpt-5-mini"}, now,
			sentinel.Usage{sentinel.InputTokens: 1000, sentinel.CachedInputTokens: 200, sentinel.OutputTokens: 300, sentinel.ReasoningTokens: 200}, 1_255_000},
		// A dated snapshot costs what its model does: 1 × 1.25 dollars a million = 1,250 nano-dollars.
		"snapshot": {Key{"openai", "chat.completions", "gpt-5-2025-08-07"}, now, sentinel.Usage{sentinel.InputTokens: 1}, 1250},
		// o3 cost 10 dollars a million until 2025-06-10, and 2 since.
		"before a price change": {Key{"openai", "responses", "o3"}, time.Date(2025, 6, 9, 23, 59, 0, 0, time.UTC), sentinel.Usage{sentinel.InputTokens: 100}, 1_000_000},
		"after a price change":  {Key{"openai", "responses", "o3"}, time.Date(2025, 6, 10, 0, 0, 0, 0, time.UTC), sentinel.Usage{sentinel.InputTokens: 100}, 200_000},
		// One cached token at 0.00875 dollars a million is 8.75 nano-dollars: 9.
		"half a nano up": {Key{"aws-bedrock", "converse", "amazon.nova-micro-v1:0"}, now, sentinel.Usage{sentinel.CachedInputTokens: 1}, 9},
		// 20.00 dollars: 2.9 % = 0.58, and 0.30.
		"stripe charge": {Key{"stripe", "charges.create", ""}, now, sentinel.Usage{sentinel.Requests: 1, sentinel.AmountCents: 2000, sentinel.Messages: 1}, 880_000_000},
		"s3 put":        {Key{"aws-s3", "object.put", ""}, now, sentinel.Usage{sentinel.Requests: 1}, 5000},
		"regional alias": {Key{"aws-bedrock", "converse", "us.anthropic.claude-haiku-4-5-20251001-v1:0"}, now,
			sentinel.Usage{sentinel.InputTokens: 10}, 11_000},
	} {
		t.Run(name, func(t *testing.T) {
			p, ok := embedded(t).Find(tt.key, tt.at)
			if !ok {
				t.Fatalf("Find(%+v): no price", tt.key)
			}
			if got, err := sentinel.Cost(tt.usage, p.Rates); err != nil || got != tt.want {
				t.Errorf("cost of %v under %s = %d, %v; want %d", tt.usage, p.Version, got, err, tt.want)
			}
		})
	}
}

func TestNothingIsGuessed(t *testing.T) {
	for _, k := range []Key{
		{"openai", "chat.completions", "gpt-5-minimal"}, {"openai", "chat.completions", "GPT-5-mini"},
		{"openai", "chat.completions", ""}, {"openai", "chat.completions", "gpt-5-mini-2025-13-99x"}, {"nobody", "x", "gpt-5"},
		{"stripe", "payouts.create", ""},
	} {
		if p, ok := embedded(t).Find(k, now); ok {
			t.Errorf("Find(%+v) = %s, want none", k, p.Version)
		}
	}
}

func TestEveryRateIsSourced(t *testing.T) {
	c := embedded(t)
	for _, m := range []map[string][]Price{c.models, c.endpoints} {
		for k, list := range m {
			for _, p := range list {
				if p.Source == "" || p.Version == "" {
					t.Errorf("%q has no source or version: %+v", k, p)
				}
			}
		}
	}
	if n := len(c.Models("openai")); n < 40 {
		t.Errorf("%d OpenAI models, want at least 40", n)
	}
}

func TestInexactRatesAreRefused(t *testing.T) {
	c := &Catalog{models: map[string][]Price{}, endpoints: map[string][]Price{}}
	err := c.load("x.yaml", []byte("provider: x\nsource: s\nread: 2026-01-01\nmodels:\n  - {model: m, input: \"0.0000001\"}\n"))
	if err == nil {
		t.Error("a tenth of a pico-dollar a token was accepted")
	}
}

func BenchmarkPriceAnEntry(b *testing.B) {
	c := embedded(b)
	u := sentinel.Usage{sentinel.InputTokens: 1000, sentinel.CachedInputTokens: 200, sentinel.OutputTokens: 300}
	k := Key{"openai", "chat.completions", "gpt-5-mini"}
	b.ReportAllocs()
	for b.Loop() {
		p, _ := c.Find(k, now)
		if _, err := sentinel.Cost(u, p.Rates); err != nil {
			b.Fatal(err)
		}
	}
}
