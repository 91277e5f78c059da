package governor

import (
	"errors"
	"fmt"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/pricing"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// ErrNoPrice says that an entry's call has no price in this state.
var ErrNoPrice = errors.New("no price")

// Reprice gives what an entry's usage costs by this state's rules and prices, as they stand for the time of the
// call, and the version of the price. The entry stays as it is booked.
func (s *State) Reprice(e sentinel.Entry) (sentinel.NanoUSD, string, error) {
	route, ok := s.Routes[e.Provider+"/"+e.Endpoint]
	if !ok {
		return 0, "", fmt.Errorf("%w: %s/%s is not in the policy", ErrNoPrice, e.Provider, e.Endpoint)
	}
	p, list, ok := s.price(&route, e.Model, &e.Call)
	if !ok {
		return 0, "", fmt.Errorf("%w: %s", ErrNoPrice, unpriced(e.Call))
	}
	cost, err := list.Cost(e.Usage)
	return cost, p.Version, err
}

// Models lists the models that a provider's endpoint has prices of at a time, sorted.
func (s *State) Models(provider, endpoint string, at time.Time) []string {
	r, ok := s.Routes[provider+"/"+endpoint]
	if !ok {
		return nil
	}
	var out []string
	for _, name := range []string{r.Catalog, r.Preset.PricedAs, r.Agreed} {
		if name == "" {
			continue
		}
		for _, l := range s.Prices.Listing(name, "", at) {
			if l.Model != "" {
				out = append(out, l.Model)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Priced tells how many prices a route has at a time, and when the oldest of them was read at its source; zero
// where the policy itself sets it.
func (s *State) Priced(r Route, at time.Time) (n int, oldest time.Time) {
	for _, name := range []string{r.Catalog, r.Preset.PricedAs, r.Agreed} {
		if name == "" {
			continue
		}
		if p, ok := s.Prices.Find(pricing.Key{Provider: name, Endpoint: r.Endpoint.Name, Region: r.Provider.Region}, at); ok {
			n, oldest = n+1, older(oldest, p.Read)
			continue
		}
		if r.Endpoint.Body == provider.BodyNone || r.Endpoint.Flat {
			continue
		}
		for _, l := range s.Prices.Listing(name, "", at) {
			if l.Model != "" {
				n, oldest = n+1, older(oldest, l.Price.Read)
			}
		}
	}
	return n, oldest
}

func older(t time.Time, day string) time.Time {
	read, err := time.Parse(time.DateOnly, day)
	if err != nil || !t.IsZero() && t.Before(read) {
		return t
	}
	return read
}
