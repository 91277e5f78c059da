package admin

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Latency is how long calls took, and how they ended.
type Latency struct {
	Calls int       `json:"calls" doc:"Calls that are counted: the newest of the period, at most 10,000."`
	Since time.Time `json:"since" doc:"When the oldest of them began; the period's begin where all are counted."`
	Total Took      `json:"total"`
	Rows  []Took    `json:"rows" doc:"By the dimension, the most calls first." nullable:"false"`
}

// Took is one group's part. Times are of calls that went to a provider.
type Took struct {
	Key       string  `json:"key"`
	Calls     int     `json:"calls"`
	Refused   int     `json:"refused" doc:"By the gateway."`
	Limited   int     `json:"limited" doc:"Answered 429 by the provider."`
	Failed    int     `json:"failed" doc:"Answered 5xx by the provider, or not at all."`
	FirstByte Spread  `json:"first_byte_ms"`
	Duration  Spread  `json:"duration_ms"`
	Priced    float64 `json:"priced" doc:"Share of the calls that went out that have a price, from 0 to 1."`

	firsts, durations []time.Duration
	unpriced          int
}

// Spread are quantiles, in milliseconds; by the nearest rank.
type Spread struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
}

type latencyInput struct {
	Period
	By     string   `query:"by" enum:"team,service,provider,endpoint,model" default:"model"`
	Filter []string `query:"filter,explode" maxItems:"10" doc:"dimension:value pairs that must hold."`
}

// grouped reads a dimension of an entry.
var grouped = map[string]func(*sentinel.Entry) string{
	"team":     func(e *sentinel.Entry) string { return e.Caller.Team },
	"service":  func(e *sentinel.Entry) string { return e.Caller.Service },
	"provider": func(e *sentinel.Entry) string { return e.Provider },
	"endpoint": func(e *sentinel.Entry) string { return e.Endpoint },
	"model":    func(e *sentinel.Entry) string { return e.Model },
}

func (s *Server) latencyRoutes() {
	register(s, operation{id: "get-latency", method: http.MethodGet, path: "/usage/latency", tag: "usage", summary: "How long the newest calls took, and how they ended", role: sentinel.RoleViewer}, s.latency)
}

func (s *Server) latency(ctx context.Context, in *latencyInput) (*answer[Latency], error) {
	if err := in.resolve(s); err != nil {
		return nil, err
	}
	filter, err := s.dimensions(nil, in.Filter)
	if err != nil {
		return nil, err
	}
	list, err := s.Backend.Entries(ctx, EntryQuery{From: in.From, To: in.To, Filter: filter, Limit: maxRows})
	if err != nil {
		return nil, s.fault("latency", err)
	}
	out := Latency{Calls: len(list), Since: in.From, Rows: []Took{}}
	if len(list) == maxRows {
		out.Since = list[len(list)-1].At
	}
	groups := map[string]*Took{}
	for i := range list {
		key := grouped[in.By](&list[i])
		if groups[key] == nil {
			groups[key] = &Took{Key: key}
		}
		groups[key].add(&list[i])
		out.Total.add(&list[i])
	}
	out.Total.sum()
	for _, g := range groups {
		g.sum()
		out.Rows = append(out.Rows, *g)
	}
	slices.SortFunc(out.Rows, func(x, y Took) int {
		return cmp.Or(cmp.Compare(y.Calls, x.Calls), cmp.Compare(x.Key, y.Key))
	})
	return &answer[Latency]{out}, nil
}

func (t *Took) add(e *sentinel.Entry) {
	t.Calls++
	switch {
	case e.Action.Refused():
		t.Refused++
		return
	case e.Status == http.StatusTooManyRequests:
		t.Limited++
	case e.Status >= http.StatusInternalServerError || e.Status == 0:
		t.Failed++
	}
	if e.Unpriced() {
		t.unpriced++
	}
	t.durations = append(t.durations, e.Duration)
	if e.FirstByte > 0 {
		t.firsts = append(t.firsts, e.FirstByte)
	}
}

func (t *Took) sum() {
	t.Duration, t.FirstByte, t.Priced = spreadOf(t.durations), spreadOf(t.firsts), 1
	if out := t.Calls - t.Refused; out > 0 {
		t.Priced = float64(out-t.unpriced) / float64(out)
	}
}

// spreadOf sorts what it is given.
func spreadOf(list []time.Duration) Spread {
	if len(list) == 0 {
		return Spread{}
	}
	slices.Sort(list)
	rank := func(p float64) float64 {
		return milliseconds(list[max(0, int(math.Ceil(p*float64(len(list))))-1)])
	}
	return Spread{rank(0.5), rank(0.95), rank(0.99)}
}
