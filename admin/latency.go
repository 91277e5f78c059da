package admin

import (
	"context"
	"net/http"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// LatencyQuery asks how long the newest calls of [From, To) took, at most Limit of them.
type LatencyQuery struct {
	From, To time.Time
	By       string
	Filter   map[string]string
	Limit    int
}

// LatencyRow is one group's part, or that of all. Times are of calls that were not refused.
type LatencyRow struct {
	Key                                       string
	All                                       bool
	Calls, Refused, Limited, Failed, Unpriced int64
	Oldest                                    time.Time
	FirstByte, Duration                       [3]time.Duration // of 50, 95 and 99 of 100
}

// Latencies are how long calls took: the groups with the most calls first, the row of all last.
type Latencies interface {
	Latency(ctx context.Context, q LatencyQuery) ([]LatencyRow, error)
	// LatencyTrend gives the spans of [from, to) that have a call, in their order.
	LatencyTrend(ctx context.Context, from, to time.Time, span time.Duration) ([]LatencySpan, error)
}

// LatencySpan is how long the newest calls of a span took that were not refused.
type LatencySpan struct {
	At                  time.Time
	Calls               int64
	FirstByte, Duration [3]time.Duration // of 50, 95 and 99 of 100
}

// Trend is how long calls took over time.
type Trend struct {
	From    time.Time   `json:"from"`
	To      time.Time   `json:"to"`
	Seconds int64       `json:"seconds" doc:"Length of a span."`
	Spans   []TrendSpan `json:"spans" nullable:"false" doc:"Those that have a call."`
}

// TrendSpan is a part of a trend.
type TrendSpan struct {
	At        time.Time `json:"at"`
	Calls     int64     `json:"calls" doc:"That are counted: the newest of the span that went to a provider, at most 200."`
	FirstByte Spread    `json:"first_byte_ms"`
	Duration  Spread    `json:"duration_ms"`
}

// trendSpans is in how many parts a trend is cut.
const trendSpans = 48

// Latency is how long calls took, and how they ended.
type Latency struct {
	Calls int64     `json:"calls" doc:"Calls that are counted: the newest of the period, at most 10,000."`
	Since time.Time `json:"since" doc:"When the oldest of them began; the period's begin where all are counted."`
	Total Took      `json:"total"`
	Rows  []Took    `json:"rows" doc:"By the dimension, the most calls first." nullable:"false"`
}

// Took is one group's part. Times are of calls that went to a provider.
type Took struct {
	Key       string  `json:"key"`
	Calls     int64   `json:"calls"`
	Refused   int64   `json:"refused" doc:"By the gateway."`
	Limited   int64   `json:"limited" doc:"Answered 429 by the provider."`
	Failed    int64   `json:"failed" doc:"Answered 5xx by the provider, or not at all."`
	FirstByte Spread  `json:"first_byte_ms"`
	Duration  Spread  `json:"duration_ms"`
	Priced    float64 `json:"priced" doc:"Share of the calls that went out that have a price, from 0 to 1."`
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

func (s *Server) latencyRoutes() {
	register(s, operation{id: "get-latency", method: http.MethodGet, path: "/usage/latency", tag: "usage", summary: "How long the newest calls took, and how they ended", role: sentinel.RoleViewer}, s.latency)
	register(s, operation{id: "get-latency-trend", method: http.MethodGet, path: "/usage/latency/trend", tag: "usage", summary: "How long calls took over time, in 48 spans", role: sentinel.RoleViewer}, s.trend)
}

func (s *Server) trend(ctx context.Context, in *struct{ Period }) (*answer[Trend], error) {
	if err := in.resolve(s); err != nil {
		return nil, err
	}
	minutes := int64(in.To.Sub(in.From) / time.Minute)
	span := time.Duration((minutes+trendSpans-1)/trendSpans) * time.Minute
	list, err := s.Backend.LatencyTrend(ctx, in.From, in.To, span)
	if err != nil {
		return nil, s.fault("latency", err)
	}
	out := Trend{From: in.From, To: in.To, Seconds: int64(span / time.Second), Spans: make([]TrendSpan, len(list))}
	for i, l := range list {
		out.Spans[i] = TrendSpan{l.At, l.Calls, spread(l.FirstByte), spread(l.Duration)}
	}
	return &answer[Trend]{out}, nil
}

func (s *Server) latency(ctx context.Context, in *latencyInput) (*answer[Latency], error) {
	if err := in.resolve(s); err != nil {
		return nil, err
	}
	filter, err := s.dimensions(nil, in.Filter)
	if err != nil {
		return nil, err
	}
	list, err := s.Backend.Latency(ctx, LatencyQuery{From: in.From, To: in.To, By: in.By, Filter: filter, Limit: maxRows})
	if err != nil {
		return nil, s.fault("latency", err)
	}
	out := Latency{Since: in.From, Rows: []Took{}}
	for _, r := range list {
		if !r.All {
			out.Rows = append(out.Rows, took(r))
			continue
		}
		out.Total, out.Calls = took(r), r.Calls
		if r.Calls >= maxRows {
			out.Since = r.Oldest
		}
	}
	return &answer[Latency]{out}, nil
}

func took(r LatencyRow) Took {
	t := Took{Key: r.Key, Calls: r.Calls, Refused: r.Refused, Limited: r.Limited, Failed: r.Failed, FirstByte: spread(r.FirstByte), Duration: spread(r.Duration), Priced: 1}
	if out := r.Calls - r.Refused; out > 0 {
		t.Priced = float64(out-r.Unpriced) / float64(out)
	}
	return t
}

func spread(q [3]time.Duration) Spread {
	return Spread{milliseconds(q[0]), milliseconds(q[1]), milliseconds(q[2])}
}
