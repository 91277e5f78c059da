package admin

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// UsageQuery asks for sums of the ledger over [From, To), which are whole minutes.
type UsageQuery struct {
	From, To time.Time
	By       []string
	Filter   map[string]string
	Among    map[string][]string // dimension → values of which it must have one
	Zone     *time.Location      // of days and months
	Limit    int
}

// UsageRow is the sum of one group.
type UsageRow struct {
	Keys                                         []string
	Calls, Refused, Downgraded, Estimated        int64
	InputTokens, CachedInputTokens, OutputTokens int64
	Cost                                         sentinel.NanoUSD
}

// Add sums two parts of one group.
func (r *UsageRow) Add(o UsageRow) {
	r.Calls += o.Calls
	r.Refused += o.Refused
	r.Downgraded += o.Downgraded
	r.Estimated += o.Estimated
	r.InputTokens += o.InputTokens
	r.CachedInputTokens += o.CachedInputTokens
	r.OutputTokens += o.OutputTokens
	r.Cost += o.Cost
}

// sub takes a part away.
func (r *UsageRow) sub(o UsageRow) {
	r.Calls -= o.Calls
	r.Refused -= o.Refused
	r.Downgraded -= o.Downgraded
	r.Estimated -= o.Estimated
	r.InputTokens -= o.InputTokens
	r.CachedInputTokens -= o.CachedInputTokens
	r.OutputTokens -= o.OutputTokens
	r.Cost -= o.Cost
}

// EntryQuery chooses rows of the ledger, newest first.
type EntryQuery struct {
	From, To time.Time
	CallID   sentinel.CallID
	Filter   map[string]string
	Shadowed bool // only calls that a shadow judges otherwise
	Before   EntryKey
	Limit    int
}

// EntryKey is a row's place in the ledger.
type EntryKey struct {
	At      time.Time
	CallID  sentinel.CallID
	Attempt int16
}

// Ledger is what was used.
type Ledger interface {
	Usage(ctx context.Context, q UsageQuery) ([]UsageRow, error)
	Entries(ctx context.Context, q EntryQuery) ([]sentinel.Entry, error)
	Dimensions() []string
}

// Bounds of one question.
const (
	maxRows = 10_000
	maxSpan = 3 * 366 * 24 * time.Hour
	maxBy   = 4
)

// Period is the time that a question is about.
type Period struct {
	From time.Time `query:"from" doc:"Begin (RFC 3339), inclusive; rounded down to a minute. Default: the organisation's current month."`
	To   time.Time `query:"to" doc:"End (RFC 3339), exclusive; rounded up to a minute. Default: now."`
	Zone string    `query:"zone" doc:"IANA time zone of days and months. Default: the organisation's."`

	zone *time.Location
}

// resolve fills in what was left out.
func (p *Period) resolve(s *Server) error {
	p.zone = s.Backend.Org().Zone
	if p.Zone != "" {
		z, err := time.LoadLocation(p.Zone)
		if err != nil || p.Zone == "Local" {
			return huma.Error400BadRequest("zone: " + p.Zone + " is no IANA time zone such as Europe/Berlin")
		}
		p.zone = z
	}
	now := s.Now()
	if p.To.IsZero() {
		p.To = now
	}
	if p.From.IsZero() {
		in := p.To.In(p.zone)
		p.From = sentinel.DayStart(in.Year(), in.Month(), 1, p.zone)
	}
	if up := p.To.Truncate(time.Minute); !up.Equal(p.To) {
		p.To = up.Add(time.Minute)
	}
	p.From, p.To = p.From.UTC().Truncate(time.Minute), p.To.UTC()
	switch {
	case !p.From.Before(p.To):
		return huma.Error400BadRequest("from: it is not before to")
	case p.To.Sub(p.From) > maxSpan:
		return huma.Error400BadRequest("from: at most three years at once")
	}
	return nil
}

// filters reads name:value pairs.
func filters(list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, f := range list {
		name, value, ok := strings.Cut(f, ":")
		if _, twice := out[name]; !ok || twice {
			return nil, huma.Error400BadRequest("filter: " + f + " is not dimension:value, or names a dimension twice")
		}
		out[name] = value
	}
	return out, nil
}

type usageInput struct {
	Period
	By     []string `query:"by,explode" maxItems:"4" doc:"Dimensions to group by, such as team, model, day."`
	Filter []string `query:"filter,explode" maxItems:"10" doc:"dimension:value pairs that must hold."`
	Top    int      `query:"top" minimum:"1" maximum:"1000" default:"100" doc:"Groups that have rows of their own: those that cost most within the period. The rest is summed in other. By days, hours and the like an answer has at most 10,000 rows, where need be of fewer groups."`
}

// Sums is what a group of calls used and cost.
type Sums struct {
	Keys              []string `json:"keys" doc:"Values of the dimensions, in their order." nullable:"false"`
	Calls             int64    `json:"calls"`
	Refused           int64    `json:"refused" doc:"Throttled or denied."`
	Downgraded        int64    `json:"downgraded"`
	Estimated         int64    `json:"estimated" doc:"Not the provider's own word."`
	InputTokens       int64    `json:"input_tokens"`
	CachedInputTokens int64    `json:"cached_input_tokens"`
	OutputTokens      int64    `json:"output_tokens"`
	Cost              Money    `json:"cost"`
}

// Usage is an answer of the ledger.
type Usage struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Zone  string    `json:"zone"`
	By    []string  `json:"by" nullable:"false"`
	Rows  []Sums    `json:"rows" nullable:"false"`
	Other *Folded   `json:"other,omitempty" doc:"The groups without rows of their own."`
	Total Sums      `json:"total" doc:"Of all rows, the others' included."`
	More  bool      `json:"more" doc:"The period has more than 10,000 spans of time: the last ones were left out. The total has them."`
}

// Folded is the sum of the groups that cost least.
type Folded struct {
	Groups  int64  `json:"groups" doc:"How many they are."`
	AtLeast bool   `json:"at_least" doc:"They are so many or more: the ledger has over 10,000 groups."`
	Rows    []Sums `json:"rows" doc:"Their sums, one for each span of time that by names, else one. Keys are the spans' alone." nullable:"false"`
}

func (s *Server) usageRoutes() {
	register(s, operation{id: "get-usage", method: http.MethodGet, path: "/usage", tag: "usage", summary: "Sums of the ledger by any dimensions", role: sentinel.RoleViewer}, s.usage)
	register(s, operation{id: "list-dimensions", method: http.MethodGet, path: "/usage/dimensions", tag: "usage", summary: "What usage can be grouped and filtered by", role: sentinel.RoleViewer},
		func(context.Context, *struct{}) (*answer[[]string], error) {
			return &answer[[]string]{s.Backend.Dimensions()}, nil
		})
	register(s, operation{id: "list-savings", method: http.MethodGet, path: "/usage/savings", tag: "usage", summary: "Where recorded calls could have cost less, the largest first", role: sentinel.RoleViewer}, s.savings)
}

func (s *Server) usage(ctx context.Context, in *usageInput) (*answer[Usage], error) {
	if err := in.resolve(s); err != nil {
		return nil, err
	}
	filter, err := s.dimensions(in.By, in.Filter)
	if err != nil {
		return nil, err
	}
	out, err := s.folded(ctx, UsageQuery{From: in.From, To: in.To, By: in.By, Filter: filter, Zone: in.zone, Limit: maxRows}, in.Top)
	if err != nil {
		return nil, s.fault("usage", err)
	}
	out.From, out.To, out.Zone, out.By = in.From, in.To, in.zone.String(), append([]string{}, in.By...)
	return &answer[Usage]{out}, nil
}

func (s *Sums) add(r UsageRow) {
	s.Calls += r.Calls
	s.Refused += r.Refused
	s.Downgraded += r.Downgraded
	s.Estimated += r.Estimated
	s.InputTokens += r.InputTokens
	s.CachedInputTokens += r.CachedInputTokens
	s.OutputTokens += r.OutputTokens
	s.Cost += Money(r.Cost)
}

// dimensions refuses names that the ledger does not have.
func (s *Server) dimensions(by, filter []string) (map[string]string, error) {
	pairs, err := filters(filter)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, d := range s.Backend.Dimensions() {
		known[d] = true
	}
	seen := map[string]bool{}
	for _, name := range by {
		if !known[name] || seen[name] {
			return nil, huma.Error400BadRequest("by: " + name + " is unknown or named twice: choose from " + strings.Join(s.Backend.Dimensions(), ", "))
		}
		seen[name] = true
	}
	for name := range pairs {
		if !known[name] {
			return nil, huma.Error400BadRequest("filter: " + name + " is unknown: choose from " + strings.Join(s.Backend.Dimensions(), ", "))
		}
	}
	return pairs, nil
}
