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
	p, list, err := s.priceOf(e)
	if err != nil {
		return 0, "", err
	}
	amount, err := cost(list, &e)
	return amount, p.Version, err
}

// At gives what an entry's usage would have cost at another model: by the price list that it was booked by, or by the standard one where that model has no such list
// and the request asked for none.
func (s *State) At(e sentinel.Entry, model string) (sentinel.NanoUSD, error) {
	e.Model = model
	route, ok := s.Routes[e.Provider+"/"+e.Endpoint]
	wanted, _ := e.Demand.Read()
	if open := wanted.List == sentinel.ListUnnamed || wanted.List == sentinel.ListAuto; ok && open {
		if _, _, known := s.catalogPrice(&route, model, &e.Call); !known {
			e.Tier = ""
		}
	}
	amount, _, err := s.Reprice(e)
	return amount, err
}

// cost prices an entry's usage or, where nobody metered the answer, its bound: from above, as at admission.
func cost(list *pricing.List, e *sentinel.Entry) (sentinel.NanoUSD, error) {
	if e.Source == sentinel.SourceReconciler || e.Method == methodBound {
		return list.Bound(e.Usage)
	}
	return list.Cost(e.Usage)
}

// Rerate gives what an entry would have been booked for by this state's rules and prices, as they stand for the time of the call: its usage or,
// where nobody metered the answer, its bound. ErrNoPrice says that what is booked is the best that is known: where its price is gone, and of an answer
// by another model whose price was the dearer one, because the ledger has not that model's name.
func (s *State) Rerate(e sentinel.Entry) (sentinel.NanoUSD, string, error) {
	p, list, err := s.priceOf(e)
	if err != nil {
		return 0, "", err
	}
	now := sentinel.Entry{PriceVersion: p.Version}
	if now.Unpriced() && !e.Unpriced() || e.Method == methodOtherModel && p.Version != e.PriceVersion {
		return 0, "", fmt.Errorf("%w: it was booked by %s", ErrNoPrice, e.PriceVersion)
	}
	amount, err := cost(list, &e)
	return amount, p.Version, err
}

// priceOf finds the price of an entry's call.
func (s *State) priceOf(e sentinel.Entry) (*pricing.Price, *pricing.List, error) {
	route, ok := s.Routes[e.Provider+"/"+e.Endpoint]
	if !ok {
		return nil, nil, fmt.Errorf("%w: %s/%s is not in the policy", ErrNoPrice, e.Provider, e.Endpoint)
	}
	p, list, ok := s.price(&route, e.Model, &e.Call)
	if !ok {
		return nil, nil, fmt.Errorf("%w: %s", ErrNoPrice, unpriced(e.Call))
	}
	return p, list, nil
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
			if l.Model != "" && (l.Region == "" || l.Region == r.Provider.Region) {
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
			if l.Model != "" && (l.Region == "" || l.Region == r.Provider.Region) {
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
