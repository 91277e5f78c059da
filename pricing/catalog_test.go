package pricing

import (
	"strings"
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
	for _, m := range []map[filed][]Price{c.models, c.endpoints} {
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

func TestFaultsOfACatalogFile(t *testing.T) {
	const head = "provider: x\nsource: s\nread: 2026-01-01\n"
	for name, tt := range map[string]struct{ body, want string }{
		"a tenth of a pico-dollar":   {"models:\n  - {model: m, input: \"0.0000001\"}\n", "not a whole number of pico-dollars"},
		"no input rate":              {"models:\n  - {model: m, output: \"1\"}\n", "is not an amount"},
		"below nothing":              {"models:\n  - {model: m, input: \"-1\"}\n", "is not an amount"},
		"not a date":                 {"models:\n  - {model: m, input: \"1\", from: soon}\n", "is not a date"},
		"a model twice":              {"models:\n  - {model: m, input: \"1\"}\n  - {model: m, input: \"2\"}\n", "another price"},
		"an alias of another":        {"models:\n  - {model: m, aliases: [n], input: \"1\"}\n  - {model: n, input: \"2\"}\n", "another price"},
		"an endpoint twice":          {"endpoints:\n  - {endpoint: e, request: \"1\"}\n  - {endpoint: e, free: true}\n", "another price"},
		"an endpoint without a rate": {"endpoints:\n  - {endpoint: e}\n", "say free: true"},
		"free, with a rate":          {"endpoints:\n  - {endpoint: e, free: true, request: \"0\"}\n  - {endpoint: f, request: \"0\"}\n", "say free: true"},
		"an unknown key":             {"models:\n  - {model: m, input: \"1\", inptu: \"1\"}\n", "inptu"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := newCatalog().load("x.yaml", []byte(head+tt.body)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("load(%q) = %v, want a fault with %q", tt.body, err, tt.want)
			}
		})
	}
}

func TestOverridesStandBeforePublishedPrices(t *testing.T) {
	base := embedded(t)
	c := base.With([]Override{
		{Key: Key{"openai", "", "gpt-5"}, Rates: sentinel.Rates{sentinel.InputTokens: 1}, Version: "own"},
		{Key: Key{"weather", "forecast", ""}, Rates: sentinel.Rates{sentinel.Requests: 2}, Version: "flat"},
	})
	for k, want := range map[Key]string{
		{"openai", "chat.completions", "gpt-5"}:            "own",
		{"openai", "chat.completions", "gpt-5-2025-08-07"}: "own",
		{"openai", "chat.completions", "gpt-5-mini"}:       "openai/gpt-5-mini@2026-11-23",
		{"weather", "forecast", ""}:                        "flat",
	} {
		if p, ok := c.Find(k, now); !ok || p.Version != want {
			t.Errorf("Find(%+v) = %q, %v; want %q", k, p.Version, ok, want)
		}
	}
	if p, _ := base.Find(Key{"openai", "chat.completions", "gpt-5"}, now); p.Version == "own" {
		t.Error("an override changed the catalog that it was made from")
	}
	if !c.Known("openai", "gpt-5") || c.Known("openai", "gpt-9") || c.Known("weather", "gpt-5") {
		t.Error("Known does not follow Find")
	}
}

// Every class of tokens that an answer can report has a rate, so that nothing is free by omission.
func TestNoTokenIsFreeByOmission(t *testing.T) {
	for k, list := range embedded(t).models {
		for _, p := range list {
			for _, u := range []sentinel.Unit{sentinel.InputTokens, sentinel.CachedInputTokens, sentinel.CacheWriteTokens, sentinel.AudioInputTokens, sentinel.ImageInputTokens} {
				if p.Rates[u] <= 0 {
					t.Errorf("%v: %s are free", k, u)
				}
			}
			for _, u := range []sentinel.Unit{sentinel.ReasoningTokens, sentinel.AudioOutputTokens, sentinel.ImageOutputTokens} {
				if p.Rates[u] != p.Rates[sentinel.OutputTokens] {
					t.Errorf("%v: %s cost %d, output %d", k, u, p.Rates[u], p.Rates[sentinel.OutputTokens])
				}
			}
			if p.Rates[sentinel.CachedInputTokens] > p.Rates[sentinel.InputTokens] {
				t.Errorf("%v: cached input costs more than input", k)
			}
		}
	}
}

func BenchmarkPriceAnEntry(b *testing.B) {
	c := embedded(b)
	u := sentinel.Usage{sentinel.InputTokens: 1000, sentinel.CachedInputTokens: 200, sentinel.OutputTokens: 300}
	for name, k := range map[string]Key{
		"model":     {"openai", "chat.completions", "gpt-5-mini"},
		"snapshot":  {"openai", "chat.completions", "gpt-5-mini-2025-08-07"},
		"long name": {"aws-bedrock", "converse", "us.anthropic.claude-haiku-4-5-20251001-v1:0"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, ok := c.Find(k, now)
				if _, err := sentinel.Cost(u, p.Rates); err != nil || !ok {
					b.Fatal(ok, err)
				}
			}
		})
	}
}
