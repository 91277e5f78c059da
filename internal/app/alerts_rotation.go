package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/saas-sentinel/saas-sentinel/alerts"
	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// rotationOpen is how long a failed rotation is an incident, unless one that works ends it.
const rotationOpen = 7 * 24 * time.Hour

// errNotBegun says that a schedule could not be kept: there was no rotation that could fail.
var errNotBegun = errors.New("the rotation was not begun")

// tellRotation opens an incident for a credential's rotation that failed, and ends it after one that worked. A command has no gateway at hand: it
// writes to the database, from which a gateway tells it. It has its own time, followTime: that of a rotation may be over.
func tellRotation(ctx context.Context, c Config, st *store.Store, state *governor.State, provider string, number int, fault error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), followTime)
	defer cancel()
	fact := policy.AlertFact{Kind: "rotation", Provider: provider, Count: 1}
	al := &alerting{app: &App{config: c}, client: alerts.NewClient()}
	b, err := al.newBook(state.Policy)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	e := alerts.Event{Scope: "provider/" + provider, Firing: fault != nil, At: now, Until: now.Add(rotationOpen), Title: "the key of " + credentialName(provider, number) + " was not rotated",
		Detail: "the rotation was broken off, and the key in use stays: the page Keys and callers, or sentinel keys rotate --continue, goes on"}
	if number > 0 { // one credential's rotation says nothing of another's
		e.Scope = fmt.Sprintf("provider/%s/credential/%d", provider, number)
	}
	switch {
	case errors.Is(fault, credential.ErrBadKey):
		e.Detail = "the provider refused the new key, and the one in use stays"
	case errors.Is(fault, errNotBegun):
		e.Detail = "its schedule cannot be kept, and the key in use stays: the log of the gateway's processes says why"
		e.Until = now.Add(2 * rotationRetry) // it is tried again before that, and what works then need not be a rotation
	}
	var faults []error
	for _, r := range b.rules {
		if r.On == fact.Kind && r.When.Holds(fact) {
			e.Rule = r.Name
			faults = append(faults, alerts.Record(ctx, st, b.machine, e))
		}
	}
	return errors.Join(faults...)
}
