package app

import (
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/alerts"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// Each cause turns once when it begins and once when it ends, however often it is looked at.
func TestCausesTurnOnceWhenTheyBeginAndEnd(t *testing.T) {
	var v evaluated
	one := map[string]alerts.Event{"a": {Rule: "errors", Scope: "provider/openai", Firing: true, At: march}}
	list := []seen{{fact: policy.AlertFact{Kind: "errors"}}, {fact: policy.AlertFact{Kind: "latency"}}}
	if turned := v.judged(march, list, nil, one); len(turned) != 1 || !turned[0].Firing {
		t.Errorf("a cause that begins: %+v", turned)
	}
	if turned := v.judged(march.Add(time.Second), list, one, one); len(turned) != 0 {
		t.Errorf("a cause that lasts: %+v", turned)
	}
	if n := v.facts["errors"]; n != 1 || len(v.firing["errors"]) != 1 {
		t.Errorf("%d facts of errors, firing %v", n, v.firing)
	}
	turned := v.judged(march.Add(2*time.Second), nil, one, nil)
	if len(turned) != 1 || turned[0].Firing || !turned[0].At.Equal(march.Add(2*time.Second)) || len(v.firing["errors"]) != 0 {
		t.Errorf("a cause that ends: %+v, firing %v", turned, v.firing)
	}
}
