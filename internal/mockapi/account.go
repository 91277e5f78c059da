package mockapi

import (
	"cmp"
	"math/big"
	"slices"
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Stats is the stand-ins' own account.
type Stats struct {
	Calls       int64                    `json:"calls"`
	CostNanoUSD int64                    `json:"cost_nano_usd"`
	CanarySeen  bool                     `json:"canary_seen"`
	Providers   map[string]ProviderStats `json:"providers"`
	Rows        []RowStats               `json:"rows"`        // sorted by provider, endpoint, model
	Credentials []CredentialStats        `json:"credentials"` // sorted by provider, then hash
}

// ProviderStats sums one stand-in up.
type ProviderStats struct {
	Calls       int64 `json:"calls"`
	CostNanoUSD int64 `json:"cost_nano_usd"`
	Active      int64 `json:"active"`     // calls in flight now
	MaxActive   int64 `json:"max_active"` // the most at once
}

// RowStats is what was served for one endpoint and model. Calls counts all that arrived;
// Failed of them were refused, Aborted were cut by the client or by a fault and
// cost what had been produced.
type RowStats struct {
	Provider    string           `json:"provider"`
	Endpoint    string           `json:"endpoint"`
	Model       string           `json:"model,omitempty"`
	Calls       int64            `json:"calls"`
	Failed      int64            `json:"failed,omitempty"`
	Aborted     int64            `json:"aborted,omitempty"`
	Unpriced    int64            `json:"unpriced,omitempty"`
	Usage       map[string]int64 `json:"usage"` // by unit, without zeros
	CostNanoUSD int64            `json:"cost_nano_usd"`
}

// CredentialStats is one credential that arrived. The credential itself is not kept.
type CredentialStats struct {
	Provider string `json:"provider"`
	SHA256   string `json:"sha256"`
	Calls    int64  `json:"calls"`
	Canary   bool   `json:"canary"` // a canary was in the request's headers, URL or body
}

// Call is one call whose client named it by the header X-Client-Request-Id.
type Call struct {
	Name, Provider, Endpoint, Model string
	Usage                           sentinel.Usage
	CostNanoUSD                     int64
	Failed                          bool    // refused
	Aborted                         bool    // cut by the client or by a fault, and billed by what had been produced
	Sent                            []int64 // of each token of a stream, the bytes of the answer on its connection, headers and framing included, once it had left
}

type outcome uint8

const (
	outcomeServed outcome = iota
	outcomeFailed
	outcomeAborted
)

type row struct{ provider, endpoint, model string }

type tally struct {
	calls, failed, aborted, unpriced int64
	usage                            sentinel.Usage
	cost                             int64 // nano-dollars
}

// account is bounded: past maxRecords rows or credentials, new ones share one called "other", and past maxCalls named
// calls no more are kept one by one.
type account struct {
	mu          sync.Mutex
	rows        map[row]*tally
	credentials map[[2]string]*CredentialStats
	active      map[string]*[2]int64 // now, most
	days        map[dayRow]*tally
	fees        []fee
	calls       []Call
	now         func() time.Time
}

func newAccount() *account {
	a := &account{active: map[string]*[2]int64{}, now: time.Now}
	a.reset()
	return a
}

func (a *account) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rows = map[row]*tally{}
	a.days, a.fees, a.calls = map[dayRow]*tally{}, nil, nil
	a.credentials = map[[2]string]*CredentialStats{}
	for _, n := range a.active {
		n[1] = n[0]
	}
}

func (a *account) enter(provider string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.active[provider]
	if n == nil {
		n = new([2]int64)
		a.active[provider] = n
	}
	n[0]++
	n[1] = max(n[1], n[0])
}

func (a *account) leave(provider string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.active[provider][0]--
}

// add enters a call. It is kept by itself where its client named it and this is not nil.
func (a *account) add(r row, one *Call, u sentinel.Usage, prices []Price, o outcome) {
	cost, priced := bill(r, u, prices)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.report(r, u, cost)
	if one != nil && len(a.calls) < maxCalls {
		a.calls = append(a.calls, Call{one.Name, r.provider, r.endpoint, r.model, u, cost, o == outcomeFailed, o == outcomeAborted, one.Sent})
	}
	t := a.rows[r]
	if t == nil {
		if len(a.rows) >= maxRecords {
			r = row{provider: r.provider, endpoint: "other"}
			t = a.rows[r]
		}
		if t == nil {
			t = &tally{}
			a.rows[r] = t
		}
	}
	t.calls++
	t.cost += cost
	for i := range u {
		t.usage[i] += u[i]
	}
	switch o {
	case outcomeFailed:
		t.failed++
	case outcomeAborted:
		t.aborted++
	case outcomeServed:
	}
	if !priced {
		t.unpriced++
	}
}

func (a *account) saw(provider, hash string, canary bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := [2]string{provider, hash}
	c := a.credentials[key]
	if c == nil {
		if len(a.credentials) >= maxRecords {
			key[1] = "other"
			c = a.credentials[key]
		}
		if c == nil {
			c = &CredentialStats{Provider: provider, SHA256: key[1]}
			a.credentials[key] = c
		}
	}
	c.Calls++
	c.Canary = c.Canary || canary
}

func (a *account) named() []Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}

func (a *account) stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Stats{Providers: map[string]ProviderStats{}, Rows: []RowStats{}, Credentials: []CredentialStats{}}
	for name, n := range a.active {
		s.Providers[name] = ProviderStats{Active: n[0], MaxActive: n[1]}
	}
	for r, t := range a.rows {
		usage := map[string]int64{}
		for unit, n := range t.usage {
			if n != 0 {
				usage[sentinel.Unit(unit).String()] = n
			}
		}
		s.Rows = append(s.Rows, RowStats{
			Provider: r.provider, Endpoint: r.endpoint, Model: r.model, Calls: t.calls, Failed: t.failed,
			Aborted: t.aborted, Unpriced: t.unpriced, Usage: usage, CostNanoUSD: t.cost,
		})
		p := s.Providers[r.provider]
		p.Calls += t.calls
		p.CostNanoUSD += t.cost
		s.Providers[r.provider] = p
		s.Calls += t.calls
		s.CostNanoUSD += t.cost
	}
	for _, c := range a.credentials {
		s.Credentials = append(s.Credentials, *c)
		s.CanarySeen = s.CanarySeen || c.Canary
	}
	slices.SortFunc(s.Rows, func(x, y RowStats) int {
		return cmp.Or(cmp.Compare(x.Provider, y.Provider), cmp.Compare(x.Endpoint, y.Endpoint), cmp.Compare(x.Model, y.Model))
	})
	slices.SortFunc(s.Credentials, func(x, y CredentialStats) int {
		return cmp.Or(cmp.Compare(x.Provider, y.Provider), cmp.Compare(x.SHA256, y.SHA256))
	})
	return s
}

// bill is Σ usage × rate in exact arithmetic, rounded once to nano-dollars, half to even. It shares no
// code with the gateway's own pricing: two accounts that agree say more when they do not share a fault.
func bill(r row, u sentinel.Usage, prices []Price) (nano int64, priced bool) {
	for _, p := range prices {
		if !matches(p.Provider, p.Endpoint, p.Model, r.provider, r.endpoint, r.model) {
			continue
		}
		pico := new(big.Int)
		for unit, n := range u {
			rate := p.Rates[sentinel.Unit(unit).String()]
			pico.Add(pico, new(big.Int).Mul(big.NewInt(n), big.NewInt(rate)))
		}
		quo, rem := new(big.Int).QuoRem(pico, big.NewInt(1000), new(big.Int))
		if m := rem.Int64(); m > 500 || m == 500 && quo.Bit(0) == 1 {
			quo.Add(quo, big.NewInt(1))
		}
		return quo.Int64(), true
	}
	return 0, u == sentinel.Usage{}
}
