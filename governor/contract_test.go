package governor

import (
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
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
