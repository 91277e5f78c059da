package governor

import (
	"testing"

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
