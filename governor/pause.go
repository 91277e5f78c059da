package governor

import (
	"cmp"
	"net/http"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// Pauses remembers, for all processes, which providers want no calls for now. A place is a provider's host, a credential and a model.
type Pauses interface {
	Pause(place string, until time.Time)
	PausedUntil(place string) time.Time
}

// LongestPause bounds for how long one answer of a provider keeps calls away.
const LongestPause = 5 * time.Minute

// Heed reads from an answer for how long its provider wants no more such calls, and keeps them away for that time. Body is what is known of its body
// by then, nil for nothing.
func (g *Governor) Heed(t *Ticket, status int, header func(string) string, body []byte) time.Duration {
	if g.Pauses == nil {
		return 0
	}
	now, r := g.Now(), g.Route(t)
	d := provider.Pause(status, header, now)
	if d == 0 && r.Preset.PausesInBody(status) {
		d = provider.PauseIn(body)
	}
	d = min(d, LongestPause)
	if d == 0 && status == http.StatusTooManyRequests && len(r.Provider.Spares) > 0 {
		d = spent
	}
	return g.leave(r, t.Call.Model, d)
}

// HeedBody is Heed of what an answer's body says.
func (g *Governor) HeedBody(t *Ticket, body []byte) time.Duration {
	if g.Pauses == nil || len(body) == 0 {
		return 0
	}
	return g.leave(g.Route(t), t.Call.Model, min(provider.PauseIn(body), LongestPause))
}

// leave keeps calls away from a place for so long.
func (g *Governor) leave(r Route, model string, d time.Duration) time.Duration {
	if d > 0 {
		g.Pauses.Pause(placeOf(r, model), g.Now().Add(d))
	}
	return max(0, d)
}

// paused tells for how long calls of a team to a route for a model are kept away: until one of the credentials that it may use is free.
func (g *Governor) paused(r Route, team, model string) time.Duration {
	if len(r.Provider.Spares) == 0 {
		return g.left(r, model)
	}
	numbers, _ := r.Provider.KeysOf(team)
	shortest := LongestPause
	for _, n := range numbers {
		shortest = min(shortest, g.left(r.Keyed(n), model))
	}
	return shortest
}

// placeOf is what a provider counts calls by: the account that its credential stands for, and the model.
func placeOf(r Route, model string) string {
	return keyOf(r) + "|" + cmp.Or(model, r.Endpoint.Name)
}

// denial says that a provider wants no calls for an option.
func (c *choice) denial(i int) sentinel.Denial {
	return sentinel.Denial{Limit: &sentinel.Limit{Name: cmp.Or(c.asks[i].Model, "this endpoint")}, RetryAfter: c.options[i].pause, Reason: sentinel.ReasonProviderLimit}
}
