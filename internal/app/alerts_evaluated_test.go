package app

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saas-sentinel/saas-sentinel/admin"
	"github.com/saas-sentinel/saas-sentinel/alerts"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// Each cause is remembered once when it begins and once when it ends, however often it is looked at, and the oldest are forgotten.
func TestEvaluationsRememberWhatBeganAndEnded(t *testing.T) {
	var v evaluated
	one := map[string]alerts.Event{"a": {Rule: "errors", Scope: "provider/openai", Firing: true, At: march}}
	list := []seen{{fact: policy.AlertFact{Kind: "errors"}}, {fact: policy.AlertFact{Kind: "latency"}}}
	v.judged(march, list, nil, one)
	v.judged(march.Add(time.Second), list, one, one)
	if n := v.facts["errors"]; n != 1 || len(v.firing["errors"]) != 1 {
		t.Errorf("%d facts of errors, firing %v", n, v.firing)
	}
	v.judged(march.Add(2*time.Second), nil, one, nil)
	got := v.newest(0, 10)
	if len(got) != 2 || got[0].Firing || !got[0].At.Equal(march.Add(2*time.Second)) || !got[1].Firing || len(v.firing["errors"]) != 0 {
		t.Errorf("evaluations %+v, firing %v", got, v.firing)
	}
	for i := range maxEvaluations + 5 {
		v.note(alerts.Event{Rule: fmt.Sprint(i), Firing: true, At: march})
	}
	all := v.newest(0, 2*maxEvaluations)
	if len(all) != maxEvaluations || all[0].Rule != fmt.Sprint(maxEvaluations+4) || all[maxEvaluations-1].Rule != "5" {
		t.Errorf("%d evaluations from %s to %s", len(all), all[len(all)-1].Rule, all[0].Rule)
	}
	var paged []admin.Evaluation
	for before := int64(0); ; before = paged[len(paged)-1].Seq {
		page := v.newest(before, 300)
		paged = append(paged, page...)
		if len(page) < 300 {
			break
		}
	}
	if diff := cmp.Diff(all, paged); diff != "" {
		t.Errorf("in pages of 300 (-whole +pages):\n%s", diff)
	}
}
