package app

import (
	"context"
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/extproc"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// Bounds of what is looked for in the ledger.
const (
	maxKnown     = 10_000 // providers and models; one past that is not looked for
	firstsOf     = 90 * 24 * time.Hour
	firstsEvery  = 5 * time.Second // a look into the ledger, where there is something to look for
	firstsStay   = 15 * time.Minute
	maxFirstName = 120 // bytes of a model's name
)

// firsts finds providers and models that answered for the first time in 90 days. The ledger is asked, and not this process:
// it may have started a minute ago.
type firsts struct {
	mu     sync.Mutex
	known  map[string]bool
	asked  map[string]first // seen here, and not looked for yet
	looked time.Time
	open   map[string]first // new ones, until their incident ends
}

// first is a call by whoever was first.
type first struct {
	caller   sentinel.Caller
	provider string
	at       time.Time
}

// observe notes what a provider answered. Only what it accepted counts: names that callers make up must not open incidents.
func (f *firsts) observe(o extproc.Observation) {
	e := o.Entry
	if e == nil || e.Action.Refused() || e.Status < 200 || e.Status >= 400 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range firstNames(e.Provider, e.Model) {
		if f.known[name] || len(f.known)+len(f.asked) >= maxKnown {
			continue
		}
		if f.asked == nil {
			f.asked = map[string]first{}
		}
		if _, ok := f.asked[name]; !ok {
			f.asked[name] = first{caller: e.Caller, provider: e.Provider, at: e.At}
		}
	}
}

func firstNames(provider, model string) []string {
	if model == "" {
		return []string{provider}
	}
	return []string{provider, provider + "/" + clipName(model)}
}

func clipName(s string) string { return s[:min(len(s), maxFirstName)] }

// look asks the ledger about what was seen. A ledger that was empty before is a gateway that is new itself: nothing is told.
func (f *firsts) look(ctx context.Context, now time.Time, usage func(context.Context, store.UsageQuery) ([]store.UsageRow, error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.asked) == 0 || now.Sub(f.looked) < firstsEvery {
		return nil
	}
	f.looked = now
	before := now
	for _, a := range f.asked {
		if a.at.Before(before) {
			before = a.at
		}
	}
	asked := f.asked
	f.asked = nil // calls go on while the ledger is asked
	f.mu.Unlock()
	rows, err := usage(ctx, store.UsageQuery{From: before.Add(-firstsOf).Truncate(time.Minute), To: before.Truncate(time.Minute), By: []string{"provider", "model"}, Rolled: true, Limit: maxKnown})
	f.mu.Lock()
	if err != nil {
		f.asked = asked
		return err
	}
	if f.known == nil {
		f.known, f.open = map[string]bool{}, map[string]first{}
	}
	for _, r := range rows {
		for _, name := range firstNames(r.Keys[0], r.Keys[1]) {
			f.known[name] = true
		}
	}
	for name, a := range asked {
		if !f.known[name] && len(rows) > 0 {
			a.at = now
			f.open[name] = a
		}
		f.known[name] = true
	}
	return nil
}

// seen gives what is new now.
func (f *firsts) seen(now time.Time) (out []seen) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, a := range f.open {
		if now.Sub(a.at) > firstsStay {
			delete(f.open, name)
			continue
		}
		out = append(out, seen{factKey{kind: "first_seen", name: name}, policy.AlertFact{
			Kind: "first_seen", Team: a.caller.Team, Service: a.caller.Service, Provider: a.provider, Name: name, Count: 1,
		}})
	}
	return out
}
