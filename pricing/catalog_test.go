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
		tier  string
		usage sentinel.Usage
		want  sentinel.NanoUSD
	}{
		// 1,000 × 0.25 + 200 × 0.025 + 500 × 2 dollars a million = 0.00025 + 0.000005 + 0.001
		"gpt-5-mini with cache": {Key{Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5-mini"}, now, "",
			sentinel.Usage{sentinel.InputTokens: 1000, sentinel.CachedInputTokens: 200, sentinel.OutputTokens: 300, sentinel.ReasoningTokens: 200}, 1_255_000},
		// A dated snapshot costs what its model does: 1 × 1.25 dollars a million = 1,250 nano-dollars.
		"snapshot": {Key{Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5-2025-08-07"}, now, "", sentinel.Usage{sentinel.InputTokens: 1}, 1250},
		// o3 cost 10 dollars a million until 2025-06-10, and 2 since.
		"before a price change": {Key{Provider: "openai", Endpoint: "responses", Model: "o3"}, time.Date(2025, 6, 9, 23, 59, 0, 0, time.UTC), "", sentinel.Usage{sentinel.InputTokens: 100}, 1_000_000},
		"after a price change":  {Key{Provider: "openai", Endpoint: "responses", Model: "o3"}, time.Date(2025, 6, 10, 0, 0, 0, 0, time.UTC), "", sentinel.Usage{sentinel.InputTokens: 100}, 200_000},
		// One cached token at 0.00875 dollars a million is 8.75 nano-dollars: 9.
		"half a nano up": {Key{Provider: "aws-bedrock", Endpoint: "converse", Model: "amazon.nova-micro-v1:0"}, now, "", sentinel.Usage{sentinel.CachedInputTokens: 1}, 9},
		// 20.00 dollars: 2.9 % = 0.58, and 0.30.
		"stripe charge": {Key{Provider: "stripe", Endpoint: "charges.create", Model: ""}, now, "", sentinel.Usage{sentinel.Requests: 1, sentinel.AmountCents: 2000, sentinel.Messages: 1}, 880_000_000},
		"s3 put":        {Key{Provider: "aws-s3", Endpoint: "object.put", Region: "us-east-1"}, now, "", sentinel.Usage{sentinel.Requests: 1}, 5000},
		"regional alias": {Key{Provider: "aws-bedrock", Endpoint: "converse", Model: "us.anthropic.claude-haiku-4-5-20251001-v1:0"}, now, "",
			sentinel.Usage{sentinel.InputTokens: 10}, 11_000},
		// 272,000 tokens are the last at the short rates: 0.68 and 0.015 dollars.
		"at the threshold": {Key{Provider: "openai", Model: "gpt-5.4"}, now, "",
			sentinel.Usage{sentinel.InputTokens: 200_000, sentinel.CachedInputTokens: 72_000, sentinel.OutputTokens: 1000}, 533_000_000},
		// One more, and every token has the long rates: 200,001 × 5 + 72,000 × 0.5 + 1,000 × 22.5 dollars a million.
		"past the threshold": {Key{Provider: "openai", Model: "gpt-5.4"}, now, "",
			sentinel.Usage{sentinel.InputTokens: 200_001, sentinel.CachedInputTokens: 72_000, sentinel.OutputTokens: 1000}, 1_058_505_000},
		// Flex has its own steps: 272,001 × 2.5 dollars a million.
		"flex, long": {Key{Provider: "openai", Model: "gpt-5.4"}, now, "flex", sentinel.Usage{sentinel.InputTokens: 272_001}, 680_002_500},
		// Priority: 1,000 × 2.5 + 100 × 20 dollars a million.
		"priority":                     {Key{Provider: "openai", Model: "gpt-5"}, now, "priority", sentinel.Usage{sentinel.InputTokens: 1000, sentinel.OutputTokens: 100}, 4_500_000},
		"default is the standard list": {Key{Provider: "openai", Model: "gpt-5"}, now, "default", sentinel.Usage{sentinel.InputTokens: 1}, 1250},
		// Claude Haiku 4.5 on Bedrock: an hour's cache write costs 2.20 dollars a million, five minutes' 1.375.
		"cache writes by lifetime": {Key{Provider: "aws-bedrock", Model: "us.anthropic.claude-haiku-4-5-20251001-v1:0"}, now, "",
			sentinel.Usage{sentinel.CacheWriteTokens: 1000, sentinel.CacheWriteLongTokens: 1000}, 3_575_000},
		"a day's dear hours":   {Key{Provider: "deepseek", Model: "deepseek-v4-pro"}, time.Date(2026, 11, 23, 3, 59, 59, 0, time.UTC), "", sentinel.Usage{sentinel.InputTokens: 100}, 132_000},
		"a day's cheap hours":  {Key{Provider: "deepseek", Model: "deepseek-v4-pro"}, time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC), "", sentinel.Usage{sentinel.InputTokens: 100}, 66_000},
		"audio by the hour":    {Key{Provider: "groq", Model: "whisper-large-v3"}, now, "", sentinel.Usage{sentinel.Seconds: 100}, 3_083_333},
		"audio by the token":   {Key{Provider: "openai", Model: "gpt-realtime"}, now, "", sentinel.Usage{sentinel.AudioInputTokens: 10, sentinel.CachedAudioTokens: 10, sentinel.AudioOutputTokens: 1}, 388_000},
		"searches by the call": {Key{Provider: "openai", Model: "gpt-5"}, now, "", sentinel.Usage{sentinel.WebSearches: 3, sentinel.FileSearches: 2}, 35_000_000},
		"pages, annotated":     {Key{Provider: "mistral", Model: "mistral-ocr-2505"}, now, "annotated", sentinel.Usage{sentinel.Pages: 3}, 9_000_000},
		"Anthropic's snapshot": {Key{Provider: "anthropic", Model: "claude-haiku-4-5-20251001"}, now, "batch", sentinel.Usage{sentinel.InputTokens: 1000}, 500_000},
		"the same by Vertex":   {Key{Provider: "vertex", Model: "gemini-2.5-flash"}, now, "", sentinel.Usage{sentinel.InputTokens: 1000}, 300_000},
		"published as free":    {Key{Provider: "openrouter", Model: "openai/gpt-oss-20b:free"}, now, "", sentinel.Usage{sentinel.InputTokens: 1000}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p, ok := embedded(t).Find(tt.key, tt.at)
			if !ok {
				t.Fatalf("Find(%+v): no price", tt.key)
			}
			list, ok := p.For(tt.tier, tt.at)
			if !ok {
				t.Fatalf("%s has no price list %q", p.Version, tt.tier)
			}
			if got, err := list.Cost(tt.usage); err != nil || got != tt.want {
				t.Errorf("cost of %v under %s = %d, %v; want %d", tt.usage, p.Version, got, err, tt.want)
			}
		})
	}
}

func TestNothingIsGuessed(t *testing.T) {
	for _, k := range []Key{
		{Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5-minimal"}, {Provider: "openai", Endpoint: "chat.completions", Model: "GPT-5-mini"},
		{Provider: "openai", Endpoint: "chat.completions", Model: ""}, {Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5-mini-2025-13-99x"}, {Provider: "nobody", Endpoint: "x", Model: "gpt-5"},
		{Provider: "stripe", Endpoint: "payouts.create", Model: ""},
		{Provider: "aws-s3", Endpoint: "object.put", Region: "eu-isoe-west-1"}, {Provider: "aws-s3", Endpoint: "object.put"},
	} {
		if p, ok := embedded(t).Find(k, now); ok {
			t.Errorf("Find(%+v) = %s, want none", k, p.Version)
		}
	}
}

func TestEveryRateIsSourced(t *testing.T) {
	c := embedded(t)
	for _, m := range []map[filed][]*Price{c.models, c.endpoints} {
		for k, list := range m {
			for _, p := range list {
				if read, err := time.Parse(time.DateOnly, p.Read); err != nil || read.After(time.Now()) || p.Source == "" || p.Version == "" {
					t.Errorf("%q has no source, version or day on which it was read: %+v", k, p)
				}
			}
		}
	}
	if n := len(c.Listing("openai", "", time.Now())); n < 40 {
		t.Errorf("%d OpenAI models, want at least 40", n)
	}
}

func TestFaultsOfACatalogFile(t *testing.T) {
	const head = "provider: x\nsource: s\nread: 2026-01-01\n"
	for name, tt := range map[string]struct{ body, want string }{
		"a tenth of a pico-dollar":   {"models:\n  - {model: m, rates: {input: \"0.0000001\"}}\n", "not a whole number of pico-dollars"},
		"no rate":                    {"models:\n  - {model: m}\n", "say free: true"},
		"below nothing":              {"models:\n  - {model: m, rates: {input: \"-1\"}}\n", "is not an amount"},
		"ends before it begins":      {"models:\n  - {model: m, rates: {input: \"1\"}, from: 2026-02-02, until: 2026-02-01}\n", "the last day comes after the first"},
		"a list of the standard":     {"models:\n  - {model: m, rates: {input: \"1\"}, lists: [{tier: standard, rates: {input: \"2\"}}]}\n", "write its rates in rates"},
		"a list twice":               {"models:\n  - {model: m, rates: {input: \"1\"}, lists: [{tier: flex, rates: {input: \"2\"}}, {tier: flex}]}\n", "list flex: flex stands twice"},
		"an endpoint's end":          {"endpoints:\n  - {endpoint: e, rates: {request: \"1\"}, until: never}\n", "until: \"never\" is not a date"},
		"not a date":                 {"models:\n  - {model: m, rates: {input: \"1\"}, from: soon}\n", "is not a date"},
		"not hours":                  {"models:\n  - {model: m, rates: {input: \"1\"}, hours: noon}\n", "01:00-04:00"},
		"a model twice":              {"models:\n  - {model: m, rates: {input: \"1\"}}\n  - {model: m, rates: {input: \"2\"}}\n", "another price"},
		"an alias of another":        {"models:\n  - {model: m, aliases: [n], rates: {input: \"1\"}}\n  - {model: n, rates: {input: \"2\"}}\n", "another price"},
		"an endpoint twice":          {"endpoints:\n  - {endpoint: e, rates: {request: \"1\"}}\n  - {endpoint: e, free: true}\n", "another price"},
		"an endpoint without a rate": {"endpoints:\n  - {endpoint: e}\n", "say free: true"},
		"free, with a rate":          {"endpoints:\n  - {endpoint: e, free: true, rates: {request: \"0\"}}\n", "say free: true"},
		"an unknown key":             {"models:\n  - {model: m, rates: {input: \"1\"}, contxt: 1}\n", "contxt"},
		"an unknown rate":            {"models:\n  - {model: m, rates: {inptu: \"1\"}}\n", "inptu"},
		"steps that fall":            {"models:\n  - {model: m, rates: {input: \"1\"}, steps: [{above: 2, rates: {input: \"2\"}}, {above: 1, rates: {input: \"3\"}}]}\n", "is not above"},
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
	c, err := base.With([]Override{
		{Key{Provider: "openai", Model: "gpt-5"}, Price{Version: "own"}},
		{Key{Provider: "weather", Endpoint: "forecast"}, Price{Version: "flat"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[Key]string{
		{Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5"}:            "own",
		{Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5-2025-08-07"}: "own",
		{Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5-mini"}:       "openai/gpt-5-mini@2026-11-23",
		{Provider: "weather", Endpoint: "forecast", Model: ""}:                        "flat",
	} {
		if p, ok := c.Find(k, now); !ok || p.Version != want {
			t.Errorf("Find(%+v) = %q, %v; want %q", k, p.Version, ok, want)
		}
	}
	if p, _ := base.Find(Key{Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5"}, now); p.Version == "own" {
		t.Error("an override changed the catalog that it was made from")
	}
	if !c.Known("openai", "gpt-5", "") || c.Known("openai", "gpt-9", "") || c.Known("weather", "gpt-5", "") {
		t.Error("Known does not follow Find")
	}
}

// Every class of tokens that an answer can report has a rate where its direction has one, so that nothing is free by omission.
func TestNoTokenIsFreeByOmission(t *testing.T) {
	for k, prices := range embedded(t).models {
		for _, p := range prices {
			for _, l := range append([]List{p.List}, p.Others...) {
				for _, r := range append([]sentinel.Rates{l.Rates}, stepRates(l)...) {
					for _, class := range [][]sentinel.Unit{sentinel.InputTokenUnits[:], sentinel.OutputTokenUnits[:]} {
						for _, u := range class {
							if r[class[0]] > 0 && r[u] == 0 && u != sentinel.CachedInputTokens && u != sentinel.CachedAudioTokens && u != sentinel.CachedImageTokens {
								t.Errorf("%v %s: %s are free", k, l.Tier, u)
							}
						}
					}
				}
			}
		}
	}
}

func stepRates(l List) (out []sentinel.Rates) {
	for _, s := range l.Steps {
		out = append(out, s.Rates)
	}
	return out
}

func TestBoundsCostAtLeastWhatFollows(t *testing.T) {
	rates := func(in, cached, out sentinel.PicoUSD) sentinel.Rates {
		return sentinel.Rates{sentinel.InputTokens: in, sentinel.CachedInputTokens: cached, sentinel.CacheWriteTokens: 2 * in, sentinel.OutputTokens: out, sentinel.ReasoningTokens: out, sentinel.AudioOutputTokens: 3 * out}
	}
	l := List{Rates: rates(100, 10, 400), Steps: []Step{{Above: 1000, Rates: rates(200, 20, 300)}, {Above: 5000, Rates: rates(150, 30, 900)}}}
	for _, in := range []int64{0, 1, 1000, 1001, 5000, 5001, 1 << 30} {
		bound, err := l.Bound(sentinel.Usage{sentinel.InputTokens: in, sentinel.OutputTokens: 500})
		if err != nil {
			t.Fatal(err)
		}
		for _, input := range []int64{0, in / 2, in} {
			for _, class := range []sentinel.Unit{sentinel.InputTokens, sentinel.CachedInputTokens, sentinel.CacheWriteTokens} {
				u := sentinel.Usage{sentinel.AudioOutputTokens: 500}
				u[class] = input
				cost, err := l.Cost(u)
				if err != nil || cost > bound {
					t.Errorf("%d %s cost %d, %v: above the bound of %d for %d tokens", input, class, cost, err, bound, in)
				}
			}
		}
	}
}

// A contract's factor is applied to the exact sum, which is rounded once: 15 % off of 3 nano-dollars are 2.55.
func TestFactorsRoundOnce(t *testing.T) {
	l := List{Rates: sentinel.Rates{sentinel.InputTokens: 1500}, Factor: 850_000}
	if got, err := l.Cost(sentinel.Usage{sentinel.InputTokens: 2}); err != nil || got != 3 {
		t.Errorf("2 tokens cost %d, %v; want 3 nano-dollars", got, err)
	}
	if got, err := l.Cost(sentinel.Usage{sentinel.InputTokens: 2_000_000}); err != nil || got != 2_550_000 {
		t.Errorf("2,000,000 tokens cost %d, %v; want 2,550,000 nano-dollars", got, err)
	}
}

func TestPriceListsApplyFromTheirDate(t *testing.T) {
	p, ok := embedded(t).Find(Key{Provider: "openai", Model: "gpt-5"}, now)
	if !ok {
		t.Fatal("gpt-5 has no price")
	}
	if _, ok := p.For("flex", time.Date(2026, 10, 11, 23, 59, 59, 0, time.UTC)); ok {
		t.Error("flex is priced before its date")
	}
	if _, ok := p.For("scale", now); ok {
		t.Error("an unknown tier has a price")
	}
}

// A price ends with its last day, and an older one that has no end holds again; of a tier's lists the newest holds, whatever their order.
func TestPricesEndWithTheirLastDay(t *testing.T) {
	c := newCatalog()
	err := c.load("x.yaml", []byte(`{provider: x, source: s, read: 2026-01-01, endpoints: [{endpoint: e, rates: {request: "1"}, until: 2026-02-28}], models: [
  {model: m, rates: {input: "1"}},
  {model: m, from: 2026-03-01, until: 2026-03-01, rates: {input: "2"}, lists: [
    {tier: flex, rates: {input: "3"}}, {tier: flex, from: 2026-03-01, until: 2026-03-01, rates: {input: "4"}}, {tier: flex, from: 2025-01-01, rates: {input: "5"}}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		at, tier string
		want     sentinel.PicoUSD
	}{
		{"2026-02-28T23:59:59.999Z", "", 1_000_000}, {"2026-03-01T00:00:00Z", "", 2_000_000}, {"2026-03-01T23:59:59.999Z", "", 2_000_000}, {"2026-03-02T00:00:00Z", "", 1_000_000},
		{"2026-03-01T12:00:00Z", "flex", 4_000_000}, {"2026-03-02T00:00:00Z", "flex", 0},
	} {
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		p, ok := c.Find(Key{Provider: "x", Model: "m"}, at)
		if !ok {
			t.Fatalf("%s: no price", tt.at)
		}
		l, ok := p.For(tt.tier, at)
		if ok != (tt.want > 0) || ok && l.Rates[sentinel.InputTokens] != tt.want {
			t.Errorf("%s, list %q: %+v, %t; want %d a token", tt.at, tt.tier, l, ok, tt.want)
		}
		if _, ok := c.Find(Key{Provider: "x", Endpoint: "e"}, at); ok != at.Before(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: the endpoint has a price: %t", tt.at, ok)
		}
	}
	if !c.Known("x", "m", "") || !c.Known("x", "m-2026-03-01", "") || c.Known("x", "n", "") {
		t.Error("Known does not follow what is filed")
	}
}

func TestRegionsStandBeforeTheWorld(t *testing.T) {
	c := newCatalog()
	err := c.load("x.yaml", []byte("provider: x\nsource: s\nread: 2026-01-01\nendpoints:\n  - {endpoint: e, rates: {request: \"1\"}}\n  - {endpoint: e, region: [eu-central-1, eu-west-1], rates: {request: \"2\"}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for region, want := range map[string]string{"": "x/e@2026-01-01", "us-east-1": "x/e@2026-01-01", "eu-west-1": "x/e.eu-west-1@2026-01-01"} {
		if p, ok := c.Find(Key{Provider: "x", Endpoint: "e", Region: region}, now); !ok || p.Version != want {
			t.Errorf("in %q the price is %v, %v; want %s", region, p, ok, want)
		}
	}
}

// Models cost what their region's figure says, or what holds everywhere where it has none. A data zone of Azure is another model's name: where a zone
// has no figure, nothing is priced by another's.
func TestModelsHavePricesByRegion(t *testing.T) {
	const minimax, sonnet = "minimax.minimax-m2.5", "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0"
	for _, tt := range []struct {
		provider, model, region, version string
		input                            sentinel.PicoUSD
	}{
		{"aws-bedrock", minimax, "us-east-1", "aws-bedrock/minimax.minimax-m2.5.us-east-1@2026-11-29", 300_000},
		{"aws-bedrock", minimax, "eu-west-2", "aws-bedrock/minimax.minimax-m2.5.eu-west-2@2026-11-29", 470_000},
		{"aws-bedrock", minimax, "af-south-1", "", 0},
		{"aws-bedrock", "amazon.nova-lite-v1:0", "us-gov-west-1", "aws-bedrock/amazon.nova-lite-v1:0.us-gov-west-1@2026-11-29", 72_000},
		{"aws-bedrock", "amazon.nova-lite-v1:0", "eu-west-1", "aws-bedrock/amazon.nova-lite-v1:0@2026-11-23", 60_000},
		{"aws-bedrock", sonnet, "us-gov-west-1", "aws-bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0.us-gov-west-1@2026-11-29", 3_600_000},
		{"azure-openai", "eu/gpt-5-mini", "", "azure-openai/eu/gpt-5-mini@2026-11-29", 275_000},
		{"azure-openai", "eu/gpt-5-mini-2025-08-07", "", "azure-openai/eu/gpt-5-mini@2026-11-29", 275_000},
		{"azure-openai", "apac/gpt-5-mini", "", "", 0},
	} {
		c, at := embedded(t), now.AddDate(0, 0, 7)
		p, ok := c.Find(Key{Provider: tt.provider, Model: tt.model, Region: tt.region}, at)
		if ok != (tt.version != "") || ok && (p.Version != tt.version || p.Rates[sentinel.InputTokens] != tt.input) || c.Known(tt.provider, tt.model, tt.region) != ok {
			t.Errorf("%s in %q: %+v, %t; want %d a token by %q", tt.model, tt.region, p, ok, tt.input, tt.version)
		}
	}
}

// BenchmarkPriceAnEntry finds the price of one call after the other, by model, snapshot, region, price list and length of context, and prices it.
func BenchmarkPriceAnEntry(b *testing.B) {
	c := embedded(b)
	type call struct {
		key   Key
		tier  string
		usage sentinel.Usage
	}
	var calls []call
	for i, k := range []Key{
		{Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5-mini"}, {Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5-mini-2025-08-07"},
		{Provider: "openai", Endpoint: "responses", Model: "gpt-5.4"}, {Provider: "anthropic", Endpoint: "messages", Model: "claude-haiku-4-5-20251001"},
		{Provider: "aws-bedrock", Endpoint: "converse", Model: "us.anthropic.claude-haiku-4-5-20251001-v1:0", Region: "us-east-1"},
		{Provider: "aws-bedrock", Endpoint: "converse", Model: "minimax.minimax-m2.5", Region: "eu-west-2"},
		{Provider: "azure-openai", Endpoint: "chat.completions", Model: "eu/gpt-5-mini"}, {Provider: "gemini", Endpoint: "generateContent", Model: "gemini-2.5-pro"},
		{Provider: "deepseek", Endpoint: "chat.completions", Model: "deepseek-v4-pro"}, {Provider: "aws-s3", Endpoint: "object.put", Region: "eu-west-1"},
	} {
		u := sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: int64(1000 << i), sentinel.CachedInputTokens: 200, sentinel.OutputTokens: 300}
		calls = append(calls, call{k, "", u})
	}
	calls = append(calls, call{calls[2].key, "flex", calls[9].usage}, call{calls[3].key, "batch", calls[3].usage})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e := &calls[i%len(calls)]
		p, ok := c.Find(e.key, now)
		if !ok {
			b.Fatalf("%v has no price", e.key)
		}
		l, ok := p.For(e.tier, now)
		if !ok {
			b.Fatalf("%s has no list %q", p.Version, e.tier)
		}
		if _, err := l.Cost(e.usage); err != nil {
			b.Fatal(err)
		}
	}
}
