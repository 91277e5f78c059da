package governor

import (
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/pricing"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// The bounds of models that do not say their own must be above all that do.
func TestNoModelTakesOrGivesMoreThanTheLargest(t *testing.T) {
	catalog, err := pricing.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	models := 0
	for _, name := range provider.Names() {
		for _, l := range catalog.Listing(name, "", at) {
			if l.Model == "" {
				continue
			}
			if models++; l.Price.ContextWindow > largestContext || l.Price.MaxOutput > largestOutput {
				t.Errorf("%s/%s takes %d and gives %d tokens", name, l.Model, l.Price.ContextWindow, l.Price.MaxOutput)
			}
		}
	}
	if models < 50 {
		t.Errorf("%d models seen", models)
	}
}
