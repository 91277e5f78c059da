package export

import (
	"bytes"
	"encoding/json"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestOpenCostHasEveryChargeInItsWindow(t *testing.T) {
	var b bytes.Buffer
	w, err := NewOpenCost(&b)
	if err != nil {
		t.Fatal(err)
	}
	written(t, w)
	var windows []CustomCosts
	if err := json.Unmarshal(b.Bytes(), &windows); err != nil {
		t.Fatalf("%v:\n%s", err, &b)
	}
	ids := map[string]bool{}
	lines := 0
	for _, c := range windows {
		if c.Currency != "USD" || !c.Start.Before(c.End) {
			t.Errorf("window %+v", c)
		}
		for _, line := range c.Costs {
			lines++
			if ids[line.ID] || line.BilledCost != line.ListCost || line.UsageUnit == "" || line.Extended.Provider == "" || !line.Extended.BillingPeriodStart.Before(line.Extended.BillingPeriodEnd) {
				t.Errorf("line %+v", line)
			}
			ids[line.ID] = true
		}
	}
	list := charges()
	if lines != len(list) {
		t.Errorf("%d lines, want %d", lines, len(list))
	}
	if got, want := windows[0].Costs[0].BilledCost, float64(list[0].Cost)/float64(sentinel.USD); got != want {
		t.Errorf("the first line costs %g, want %g", got, want)
	}
}

func TestOpenCostOfNothingIsAnEmptyArray(t *testing.T) {
	var b bytes.Buffer
	w, err := NewOpenCost(&b)
	if err != nil || w.Close() != nil || b.String() != "[]\n" {
		t.Errorf("got %q, %v", b.String(), err)
	}
}
