package governor

import (
	"slices"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

func TestContractsPriceCalls(t *testing.T) {
	s := state(t, `
  plain: {preset: openai, credential: vault:secret/a#key}
  agreed:
    preset: openai
    credential: vault:secret/b#key
    contract: {discount: 12%, margin: 5%, prices: {gpt-5: {input: "1.00", output: "8"}}}
`)
	usage := sentinel.Usage{sentinel.InputTokens: 1000, sentinel.CachedInputTokens: 1000, sentinel.OutputTokens: 100}
	for name, tt := range map[string]struct {
		provider, model string
		want            sentinel.NanoUSD
	}{
		"published":        {"plain", "gpt-5", 2_375_000},  // 1.25, 0.125 and 10 dollars a million
		"its own":          {"agreed", "gpt-5", 2_800_000}, // 1, 1 and 8: a class without a rate is billed as input
		"its own snapshot": {"agreed", "gpt-5-2025-08-07", 2_800_000},
		"with both shares": {"agreed", "gpt-5-mini", 438_900}, // 475,000 × 0.88 × 1.05
	} {
		call := sentinel.Call{At: day, Provider: tt.provider, Endpoint: "chat.completions", Model: tt.model}
		route := s.Routes[tt.provider+"/chat.completions"]
		_, list, ok := s.price(&route, tt.model, &call)
		if !ok {
			t.Errorf("%s: no price", name)
			continue
		}
		if got, err := list.Cost(usage); err != nil || got != tt.want {
			t.Errorf("%s: %d, %v; want %d", name, got, err, tt.want)
		}
	}
}

// What costs nothing whatever model it names stays free where that model has a price, agreed or published.
func TestFreeCallsHaveNoModelsPrice(t *testing.T) {
	s := state(t, `
  openai:
    preset: openai
    credential: vault:secret/a#key
    contract: {prices: {omni-moderation-latest: {input: "1.00", output: "8"}}}
  anthropic: {preset: anthropic, credential: vault:secret/b#key}
  gemini: {preset: gemini, credential: vault:secret/c#key}
  bedrock: {preset: aws-bedrock, region: us-east-1, credential: vault:secret/d}
`)
	for route, raw := range map[string]provider.RawRequest{
		"openai/moderations":              {Path: "/v1/moderations", Body: []byte(`{"model":"omni-moderation-latest","input":"x"}`)},
		"anthropic/messages.count_tokens": {Path: "/v1/messages/count_tokens", Body: []byte(`{"model":"claude-sonnet-4-5","messages":[]}`)},
		"gemini/countTokens":              {Path: "/v1beta/models/gemini-2.5-flash:countTokens", Body: []byte(`{"contents":[]}`)},
		"bedrock/count-tokens":            {Path: "/model/amazon.nova-pro-v1:0/count-tokens", Body: []byte(`{"input":{"converse":{}}}`)},
	} {
		t.Run(route, func(t *testing.T) {
			pricedCall{route, raw, 200, nil, `{}`, 0, 0, "", "", ""}.run(t, s)
			r := s.Routes[route]
			free, _, _ := s.price(&r, "", &sentinel.Call{At: day})
			for _, model := range []string{"omni-moderation-latest", "gpt-99"} {
				if p, _, ok := s.price(&r, model, &sentinel.Call{At: day}); !ok || p != free {
					t.Errorf("for %s it has the price %+v, want %+v", model, p, free)
				}
			}
		})
	}
}

// TestTheExamplesContractHoldsFromItsDates: the bill is that of the price list, the length of context and the day, to the last second of each.
func TestTheExamplesContractHoldsFromItsDates(t *testing.T) {
	s := example(t, "contract.yaml")
	at := func(text string) time.Time {
		t.Helper()
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	short := sentinel.Usage{sentinel.InputTokens: 100_000, sentinel.CachedInputTokens: 100_000, sentinel.OutputTokens: 1000}
	edge := sentinel.Usage{sentinel.InputTokens: 172_000, sentinel.CachedInputTokens: 100_000, sentinel.OutputTokens: 1000}
	long := sentinel.Usage{sentinel.InputTokens: 172_001, sentinel.CachedInputTokens: 100_000, sentinel.OutputTokens: 1000}
	for name, tt := range map[string]struct {
		at, tier string
		usage    sentinel.Usage
		want     sentinel.NanoUSD
		version  string
	}{
		// As published: 0.25 + 0.025 + 0.015 dollars, less 10 %, plus 2 %: 0.29 × 0.918.
		"the last second before": {"2026-12-31T23:59:59Z", "", short, 266_220_000, "openai/gpt-5.4@2026-11-23"},
		// 0.2 + 0.02 + 0.012.
		"the first second":       {"2027-01-01T00:00:00Z", "", short, 232_000_000, "openai/gpt-5.4@2027-01-01"},
		"by the standard's name": {"2027-01-01T00:00:00Z", "default", short, 232_000_000, "openai/gpt-5.4@2027-01-01"},
		// 0.344 + 0.02 + 0.012, and with one token more 172,001 × 4 dollars a million + 0.04 + 0.018.
		"the longest short context": {"2027-06-30T23:59:59Z", "", edge, 376_000_000, "openai/gpt-5.4@2027-01-01"},
		"a long context":            {"2027-06-30T23:59:59Z", "", long, 746_004_000, "openai/gpt-5.4@2027-01-01"},
		// 0.09 + 0.02 (cached tokens as in the standard list) + 0.0054; long 172,001 × 1.8 + 0.02 + 0.0081.
		"a batch":      {"2027-03-01T00:00:00Z", "batch", short, 115_400_000, "openai/gpt-5.4@2027-01-01"},
		"a long batch": {"2027-03-01T00:00:00Z", "batch", long, 337_701_800, "openai/gpt-5.4@2027-01-01"},
		// 0.4 + 0.04 + 0.024.
		"priority": {"2027-06-30T23:59:59Z", "priority", short, 464_000_000, "openai/gpt-5.4@2027-01-01"},
		// No list of flex was agreed: 0.125 + 0.013 + 0.0075 dollars × 0.918.
		"a list that was not agreed": {"2027-03-01T00:00:00Z", "flex", short, 133_569_000, "openai/gpt-5.4@2026-11-23"},
		// The newer price, and its own lists: 0.18 + 0.018 + 0.011; 0.09 + 0.018 + 0.0054; 0.36 + 0.036 + 0.0216, and from October 0.34 + 0.034 + 0.0204.
		"the newer price":           {"2027-07-01T00:00:00Z", "", short, 209_000_000, "openai/gpt-5.4@2027-07-01"},
		"a batch, newer price":      {"2027-07-01T00:00:00Z", "batch", short, 113_400_000, "openai/gpt-5.4@2027-07-01"},
		"priority, newer price":     {"2027-09-30T23:59:59Z", "priority", short, 417_600_000, "openai/gpt-5.4@2027-07-01"},
		"priority from October":     {"2027-10-01T00:00:00Z", "priority", short, 394_400_000, "openai/gpt-5.4@2027-07-01"},
		"priority, the last second": {"2027-12-31T23:59:59Z", "priority", short, 394_400_000, "openai/gpt-5.4@2027-07-01"},
		"the last second":           {"2027-12-31T23:59:59Z", "", short, 209_000_000, "openai/gpt-5.4@2027-07-01"},
		"the first second past":     {"2028-01-01T00:00:00Z", "", short, 266_220_000, "openai/gpt-5.4@2026-11-23"},
		// Searches cost what is published, 10 dollars a thousand: the contract does not speak of them.
		"searches": {"2027-01-01T00:00:00Z", "", sentinel.Usage{sentinel.WebSearches: 3}, 30_000_000, "openai/gpt-5.4@2027-01-01"},
	} {
		t.Run(name, func(t *testing.T) {
			route := s.Routes["openai/responses"]
			p, list, ok := s.price(&route, "gpt-5.4", &sentinel.Call{At: at(tt.at), Tier: tt.tier})
			if !ok {
				t.Fatal("no price")
			}
			version := strings.TrimSuffix(p.Version, "/policy-"+s.Policy.Version)
			if got, err := list.Cost(tt.usage); err != nil || got != tt.want || version != tt.version {
				t.Errorf("%v cost %d under %s, %v; want %d under %s", tt.usage, got, version, err, tt.want, tt.version)
			}
		})
	}
}

// A contract's price does not make the bound of an answer longer: its lengths are as published where it does not say them.
func TestAContractsModelIsAsLongAsPublished(t *testing.T) {
	s := state(t, `
  plain: {preset: openai, credential: vault:secret/a#key}
  agreed:
    preset: openai
    credential: vault:secret/b#key
    contract:
      prices: {gpt-4: {input: 2, output: 10}}
      models: [{model: gpt-5, aliases: [our-five], context: 1000, max_output: 100, rates: {input: 1, output: 5}}]
`)
	for _, tt := range []struct {
		provider, model string
		context, output int64
	}{{"plain", "gpt-4", 8192, 8192}, {"agreed", "gpt-4", 8192, 8192}, {"agreed", "our-five", 1000, 100}} {
		route := s.Routes[tt.provider+"/responses"]
		p, _, ok := s.price(&route, tt.model, &sentinel.Call{At: day})
		if !ok || p.ContextWindow != tt.context || p.MaxOutput != tt.output {
			t.Errorf("%s at %s: %+v, %t; want %d tokens of context and %d of an answer", tt.model, tt.provider, p, ok, tt.context, tt.output)
		}
	}
	if models := s.Models("agreed", "responses", day); !slices.Contains(models, "our-five") {
		t.Errorf("a contract's own model is not among the priced ones: %v", models)
	}
}

// What a contract does not speak of is as published also where the catalog has it under another provider's name, or for the model that a deployment is.
func TestAContractsDeploymentIsAsPublished(t *testing.T) {
	s := state(t, `
  az:
    preset: azure-openai
    host: acme.openai.azure.com
    models: {our-chat: gpt-5}
    credential: vault:secret/az#key
    contract: {models: [{model: gpt-5, rates: {input: 1, output: 5}}]}
  named:
    preset: azure-openai
    host: acme.openai.azure.com
    models: {"gpt-4": gpt-5}
    credential: vault:secret/az#key
    contract: {models: [{model: gpt-4, aliases: [gpt-5], rates: {input: 1, output: 5}}]}
  own:
    preset: openai-compatible
    host: llm.acme.example
    priced_as: openai
    credential: vault:secret/own#key
    contract: {prices: {gpt-5: {input: 1, output: 5}}}
`)
	for _, tt := range []struct{ route, model string }{{"az/chat.completions", "our-chat"}, {"az/chat.completions", "gpt-5"}, {"named/chat.completions", "gpt-4"}, {"own/chat.completions", "gpt-5"}} {
		route := s.Routes[tt.route]
		p, list, ok := s.price(&route, tt.model, &sentinel.Call{At: day})
		if !ok || p.ContextWindow != 400_000 || p.MaxOutput != 128_000 {
			t.Errorf("%s of %s: %+v, %t; want 400,000 tokens of context and 128,000 of an answer", tt.model, tt.route, p, ok)
			continue
		}
		// 1,000 tokens at 1 dollar a million, and 2 searches at 10 dollars a thousand.
		if cost, err := list.Cost(sentinel.Usage{sentinel.InputTokens: 1000, sentinel.WebSearches: 2}); err != nil || cost != 21_000_000 {
			t.Errorf("%s of %s costs %d, %v; want 21000000", tt.model, tt.route, cost, err)
		}
	}
}
