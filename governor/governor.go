// Package governor is the use case: Admit decides on a call and holds its budgets, Settle books
// what it used. It declares the small interfaces that it needs and knows no driver.
package governor

import (
	"context"
	"sync/atomic"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// Limiter is what admission needs from a rate limiter, and no more.
type Limiter interface {
	Reserve(ctx context.Context, a sentinel.Ask) (sentinel.Reservation, error)
	Settle(ctx context.Context, s sentinel.Settlement) (sentinel.Settled, error)
}

// Without decides on an ask while the limiter is away: limits that are local give the process' share, in hundredths of a percent, of what
// was left of them; others let pass. Its hold settles when the limiter is back.
type Without func(a sentinel.Ask, local func(sentinel.Limit) bool, share int64) sentinel.Reservation

// Journal makes a record durable before it returns.
type Journal interface {
	Append(ctx context.Context, r sentinel.Record) error
}

// keptStates bounds how many old policy sets stay for calls that they admitted.
const keptStates = 8

// Options are the parts that a Governor is made of.
type Options struct {
	Limiter  Limiter
	Without  Without // nil: calls that a limiter that is away lets pass are not held
	Journal  Journal
	Pauses   Pauses           // nil: providers' wishes are not heeded
	Instance string           // boot id of this process, written on every intent
	HoldTTL  time.Duration    // life of a hold that nobody settles
	Now      func() time.Time // UTC
	// Wait lets a call wait for a limit; false where its client has gone. nil waits in real time.
	Wait func(ctx context.Context, d time.Duration) bool
}

// Governor admits and settles calls. It is safe for concurrent use.
type Governor struct {
	Options
	states  atomic.Pointer[[]*State] // newest first
	queued  atomic.Int64             // calls that wait for a limit
	era     era
	retries retries
	// Scores say which services are unusual now: a snapshot that is swapped whole.
	Scores atomic.Pointer[policy.Scores]
	// ratios turn the length of a prompt into tokens where no answer says how many: a snapshot that is swapped whole.
	ratios  atomic.Pointer[provider.Ratios]
	outputs outputs
}

// New makes a Governor that starts with one state.
func New(o Options, s *State) *Governor {
	g := &Governor{Options: o}
	g.states.Store(&[]*State{s})
	return g
}

// State is the current set of rules and prices.
func (g *Governor) State() *State { return (*g.states.Load())[0] }

// Swap publishes a whole new state. Calls in flight keep the one that they were admitted under,
// as far as the last eight states reach. Only one goroutine may call it.
func (g *Governor) Swap(s *State) {
	old := *g.states.Load()
	next := append([]*State{s}, old[:min(len(old), keptStates-1)]...)
	g.states.Store(&next)
}

// stateOf finds the state that admitted a call; the current one when that is gone.
func (g *Governor) stateOf(policyVersion string) *State {
	states := *g.states.Load()
	for _, s := range states {
		if s.Policy.Version == policyVersion {
			return s
		}
	}
	return states[0]
}

// Calibrate publishes what the ledger's history says of the length of tokens.
func (g *Governor) Calibrate(r provider.Ratios) { g.ratios.Store(&r) }

// MilliTokens is what a model's prompts usually come to by their weight, in thousandths; 0 where that is not known.
func (g *Governor) MilliTokens(model string) int64 {
	if r := g.ratios.Load(); r != nil {
		return r.Of(model)
	}
	return 0
}

// Asked finds the route that the client of a fallback called.
func (g *Governor) Asked(t *Ticket) Route { return g.stateOf(t.PolicyVersion).Routes[t.From] }

// PlaceOf names where the policy that admitted a call has a provider; empty for one that it does not have.
func (g *Governor) PlaceOf(t *Ticket, provider string) string {
	return g.stateOf(t.PolicyVersion).places[provider]
}

// Route finds where a ticket's call went, under the state that admitted it.
func (g *Governor) Route(t *Ticket) Route {
	return g.stateOf(t.PolicyVersion).Routes[t.Call.Provider+"/"+t.Call.Endpoint].Keyed(t.Key)
}
