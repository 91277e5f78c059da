package governor

import (
	"encoding/binary"
	"net/http"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// quarantine is how long a credential that its provider refuses is left out where there is another: then one call tries it again.
const quarantine = 5 * time.Minute

// spent is how long a credential is left out for a model whose quota is used up, where the provider does not say for how long and there is
// another credential.
const spent = 10 * time.Second

// Keyed is a route with a credential of its provider, by its number.
func (r Route) Keyed(n int) Route {
	r.Provider = r.Provider.Keyed(n)
	return r
}

// keyed begins an option with the credential of a call that goes to a route with a model, and gives the call whose limits count by it: the
// same where its demand says so already, as where the provider has one alone.
func (g *Governor) keyed(r *Route, c *sentinel.Call, model string) (option, *sentinel.Call) {
	o := option{}
	if len(r.Provider.Spares) > 0 {
		o.key = g.key(*r, c, model)
		o.by = r.Provider.Fingerprint(o.key)
	}
	if o.by == c.Demand.Credential() {
		return o, c
	}
	keyed := *c
	keyed.Demand = c.Demand.By(o.by)
	return o, &keyed
}

// key chooses the credential of a call: of those that its team may use and that are not left out, by weight, and by chance from the call's id.
// Where all are left out one is chosen all the same, as if there were one alone. The provider has several.
func (g *Governor) key(r Route, c *sentinel.Call, model string) int {
	numbers, weights := r.Provider.KeysOf(c.Caller.Team)
	free := 0
	for i, n := range numbers {
		if g.left(r.Keyed(n), model) > 0 {
			continue
		}
		numbers[free], weights[free] = n, weights[i]
		free++
	}
	if free > 0 {
		numbers, weights = numbers[:free], weights[:free]
	}
	sum := 0
	for i := range weights {
		weights[i] = max(1, weights[i])
		sum += weights[i]
	}
	at := int(binary.BigEndian.Uint64(c.ID[8:]) % uint64(sum)) // its last 62 bits are of chance
	for i, w := range weights {
		if at -= w; at < 0 {
			return numbers[i]
		}
	}
	return numbers[0]
}

// another tells whether a team has a credential beside one of a number that is not left out for a model.
func (g *Governor) another(r Route, team, model string, but int) bool {
	if g.Pauses == nil || len(r.Provider.Spares) == 0 {
		return false
	}
	numbers, _ := r.Provider.KeysOf(team)
	return slices.ContainsFunc(numbers, func(n int) bool { return n != but && g.left(r.Keyed(n), model) <= 0 })
}

// left tells for how long a route's own credential is left out for a model.
func (g *Governor) left(r Route, model string) time.Duration {
	if g.Pauses == nil {
		return 0
	}
	until := g.Pauses.PausedUntil(placeOf(r, model))
	if refused := g.QuarantinedUntil(r); refused.After(until) {
		until = refused
	}
	if until.IsZero() {
		return 0
	}
	return min(until.Sub(g.Now()), LongestPause)
}

// Quarantine leaves a credential out that its provider has refused, where there is another, and tells whether it did.
func (g *Governor) Quarantine(t *Ticket, status int) bool {
	r := g.Route(t)
	if g.Pauses == nil || status != http.StatusUnauthorized || len(r.Provider.Spares) == 0 {
		return false
	}
	g.Pauses.Pause(keyOf(r), g.Now().Add(quarantine))
	return true
}

// QuarantinedUntil tells until when a route's own credential is left out because its provider refused it; zero where it is not.
func (g *Governor) QuarantinedUntil(r Route) time.Time {
	if g.Pauses == nil || len(r.Provider.Spares) == 0 {
		return time.Time{}
	}
	return g.Pauses.PausedUntil(keyOf(r))
}

// keyOf names a credential for all that it is used for.
func keyOf(r Route) string {
	return r.Provider.Host + "|" + r.Provider.Credential.Path + "#" + r.Provider.Credential.Field
}
