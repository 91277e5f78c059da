package governor

import (
	"errors"
	"fmt"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// fallback is a call in another provider's words.
type fallback struct {
	route Route
	provider.Translated
}

// addFallbacks lists the models of other providers that can serve the call, each under the limits of that provider.
// A recorded call has no body: its demand stands for the translated one.
func (g *Governor) addFallbacks(c *choice, r *Request, rq *provider.Request, targets []policy.Target) {
	for _, t := range targets {
		if len(c.options) == maxCandidates {
			return
		}
		if t.Provider == r.Call.Provider {
			continue
		}
		f, b, err := fallbackTo(r, rq, t)
		if err != nil {
			c.unusable = append(c.unusable, fmt.Sprintf("%s/%s: %s", t.Provider, t.Model, err))
			continue
		}
		there := f.call(r.Call)
		o, call := g.keyed(&f.route, &there, t.Model)
		o.bound, o.other = b, f
		plan := r.plan(len(c.options), nil, call, t.Model)
		c.add(sentinel.Candidate{Model: t.Model, Provider: t.Provider, Limits: plan.Limits}, o)
	}
}

// call is the call as it goes to the other provider.
func (f *fallback) call(c sentinel.Call) sentinel.Call {
	c.Provider, c.Endpoint, c.Model, c.Tier = f.route.Provider.Name, f.route.Endpoint.Name, f.Request.Model, f.Request.Tier
	return c
}

var (
	errNoPrice = errors.New("no price is known")
	errAhead   = errors.New("envoy does not have it yet")
)

// fallbackTo translates a call and prices the most that it can use there.
func fallbackTo(r *Request, rq *provider.Request, t policy.Target) (*fallback, bound, error) {
	route, ok := r.State.counterpart(r.Route, t.Provider)
	if !ok {
		return nil, bound{}, fmt.Errorf("it has no endpoint like %s", r.Route.Endpoint.Name)
	}
	if !r.State.leads(route.by("")) {
		return nil, bound{}, errAhead
	}
	f := &fallback{route: route}
	there := *r
	there.Route, there.Call.Provider, there.Call.Endpoint = route, route.Provider.Name, route.Endpoint.Name
	var most int64
	if price, _, ok := r.State.price(&route, t.Model, &there.Call); ok {
		most = price.MaxOutput
	}
	if r.Raw.Body == nil {
		f.Request = *rq
		f.Request.Model = t.Model
	} else {
		to := route.speech()
		to.Known = f.route.Provider.Known
		var err error
		if f.Translated, err = provider.Translate(r.Route.speech(), to, r.Raw, *rq, t.Model, most); err != nil {
			return nil, bound{}, err
		}
	}
	b, ok := boundOf(&there, &f.Request, t.Model)
	if !ok {
		return nil, bound{}, errNoPrice
	}
	return f, b, nil
}
