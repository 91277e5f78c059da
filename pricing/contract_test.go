package pricing

import (
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/declare"
)

// What a contract does not say is as published, also of models whose last day is known, whose next price is announced, or that cost less at night.
func TestAContractIsFilledFromWhateverIsPublished(t *testing.T) {
	c := newCatalog()
	if err := c.load("acme.yaml", []byte(`
provider: acme
source: https://acme.example/prices
read: 2026-11-28
models:
  - {model: leaving, until: 2026-12-31, max_output: 100, rates: {input: 2, output: 8, kwebsearches: 10}}
  - {model: rising, until: 2026-12-31, max_output: 90, rates: {input: 2, output: 8, kwebsearches: 9}}
  - {model: rising, from: 2027-01-01, until: 2027-06-30, max_output: 100, rates: {input: 2, output: 8, kwebsearches: 10}}
  - {model: nightly, max_output: 100, rates: {input: 2, output: 8, kwebsearches: 10}}
  - {model: nightly, max_output: 100, hours: "22:00-06:00", rates: {input: 1, output: 4, kwebsearches: 5}}
`)); err != nil {
		t.Fatal(err)
	}
	for _, model := range []string{"leaving", "leaving-2026-05-01", "rising", "nightly"} {
		agreed, err := c.Agreed(Agreement{
			Name: "contract/acme", Published: []string{"acme"},
			Known:   func(model string) string { return model },
			Version: func(declare.ModelYAML) string { return "agreed" },
		}, []declare.ModelYAML{{Model: model, Rates: declare.RatesYAML{"input": "1", "output": "4"}}})
		if err != nil || len(agreed) != 1 {
			t.Fatalf("%s: %d prices, %v", model, len(agreed), err)
		}
		p := agreed[0].Price
		// 3 searches at 10 dollars a thousand.
		if cost, err := p.Cost(sentinel.Usage{sentinel.WebSearches: 3}); err != nil || cost != 30_000_000 || p.MaxOutput != 100 {
			t.Errorf("%s: searches cost %d, %v, and an answer has at most %d tokens; want 30000000 and 100, as published", model, cost, err, p.MaxOutput)
		}
	}
	if _, ok := c.Find(Key{Provider: "acme", Model: "leaving"}, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)); ok {
		t.Error("a model is priced past its last day")
	}
}
