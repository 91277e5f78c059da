package app

import (
	"maps"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
)

// compiled is a policy in force, from its text.
func compiled(t *testing.T, text string) *governor.State {
	t.Helper()
	state, err := compile(policy.File{Name: "policies.yaml", Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// TestAnOutageOfRedisIsAMetricAndAFact stops Redis under a limiter and starts it again: sentinel_limiter_degraded is 1 for just that time, and so
// long there is a fact for the alert.
func TestAnOutageOfRedisIsAMetricAndAFact(t *testing.T) {
	state := compiled(t, `org: acme
defaults: {when_redis_is_down: {hard_budgets: closed, rates: open}}
`)
	secrets, err := credential.NewSecrets(credential.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := miniredis.RunT(t)
	limiter, err := ratelimit.Dial(t.Context(), ratelimit.Options{Addresses: []string{server.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = limiter.Close() }()
	a := &App{governor: governor.New(governor.Options{}, state), limiter: limiter, secrets: secrets}
	a.config.Vault.Refresh = time.Minute
	m := newMetrics(a)
	call := func() {
		_, _ = limiter.Reserve(t.Context(), sentinel.Ask{Org: "acme", Call: sentinel.NewCallID(time.Now()), TTL: time.Minute, Candidates: []sentinel.Candidate{{
			Bound: sentinel.Amounts{1}, Limits: []sentinel.Limit{{Cell: "c", Kind: sentinel.Concurrent, Measure: sentinel.MeasureConcurrent, Max: 9}},
		}}})
	}
	shown := func() (modes map[string]float64, told bool) {
		families, err := m.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		modes = map[string]float64{}
		for _, f := range families {
			if f.GetName() != "sentinel_limiter_degraded" {
				continue
			}
			for _, one := range f.GetMetric() {
				labels := map[string]string{}
				for _, l := range one.GetLabel() {
					labels[l.GetName()] = l.GetValue()
				}
				modes[labels["limits"]+" "+labels["mode"]] = one.GetGauge().GetValue()
			}
		}
		al := &alerting{app: a}
		al.missing()
		for _, s := range al.facts.take(time.Now()) {
			told = told || s.key == factKey{kind: "dependency", name: "redis"}
		}
		return modes, told
	}
	is := func(when string, degraded float64) {
		t.Helper()
		want := map[string]float64{"hard_budgets closed": degraded, "rates open": degraded}
		if modes, told := shown(); !maps.Equal(modes, want) || told != (degraded == 1) {
			t.Errorf("%s the metric is %v and the alert is told %v", when, modes, told)
		}
	}
	call()
	is("with Redis", 0)
	server.Close()
	for range 6 { // one more than the breaker waits for
		call()
	}
	is("without Redis", 1)
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); limiter.Away() && time.Since(began) < 30*time.Second; {
		call() // the breaker lets one through from time to time
	}
	is("with Redis again", 0)
}
