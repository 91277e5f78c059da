package admin

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/saas-sentinel/saas-sentinel/ml/whatif"
)

// Optimiser finds where recorded calls could have cost less.
type Optimiser interface {
	Savings(ctx context.Context, from, to time.Time, maxInput, maxOutput int64) ([]whatif.Saving, error)
}

// Saving is something that could be done otherwise, and what it would save.
type Saving struct {
	Kind     string `json:"kind" enum:"cheaper model,prompt cache"`
	Team     string `json:"team"`
	Service  string `json:"service"`
	Provider string `json:"provider"`
	Model    string `json:"model"`
	To       string `json:"to" doc:"The cheaper model; empty for the cache."`
	Calls    int64  `json:"calls" doc:"That could have gone there."`
	OfCalls  int64  `json:"of_calls" doc:"That the service made to the model."`
	Spent    Money  `json:"spent" doc:"On the model, within the period."`
	Saved    Money  `json:"saved" doc:"That it would have saved within the period."`
	Month    Money  `json:"month" doc:"Saved in 30 days like these."`
	Lo80     Money  `json:"lo80" doc:"Bounds of the month."`
	Hi80     Money  `json:"hi80"`
	Lo95     Money  `json:"lo95"`
	Hi95     Money  `json:"hi95"`
	Assumes  string `json:"assumes" doc:"What has to hold for it."`
}

// maxOptimised bounds the period through the API; the command line takes 400 days.
const maxOptimised = 31 * 24 * time.Hour

type savingsInput struct {
	Period
	MaxInput  int64 `query:"max_input" minimum:"1" maximum:"10000000" default:"4000" doc:"Tokens that a call may send to count as short."`
	MaxOutput int64 `query:"max_output" minimum:"1" maximum:"10000000" default:"500" doc:"Tokens that it may get."`
	Limit     int   `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

func (s *Server) savings(ctx context.Context, in *savingsInput) (*answer[[]Saving], error) {
	if err := in.resolve(s); err != nil {
		return nil, err
	}
	if in.To.Sub(in.From) > maxOptimised {
		return nil, huma.Error400BadRequest("from: at most 31 days at once; sentinel ml whatif takes 400")
	}
	ctx, end, err := s.simulation(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	found, err := s.Backend.Savings(ctx, in.From, in.To, in.MaxInput, in.MaxOutput)
	if ctx.Err() != nil {
		return nil, huma.Error422UnprocessableEntity("the period has more calls than can be read in 45 s: take a shorter one, or sentinel ml whatif")
	}
	if err != nil {
		return nil, s.fault("savings", err)
	}
	out := []Saving{}
	for _, f := range found[:min(len(found), in.Limit)] {
		out = append(out, Saving{Kind: string(f.Kind), Team: f.Team, Service: f.Service, Provider: f.Provider, Model: f.Model, To: f.To, Calls: f.Calls, OfCalls: f.OfCalls,
			Spent: Money(f.Spent), Saved: Money(f.Saved), Month: Money(f.Month.Mean), Lo80: Money(f.Month.Lo80), Hi80: Money(f.Month.Hi80),
			Lo95: Money(f.Month.Lo95), Hi95: Money(f.Month.Hi95), Assumes: f.Assumes})
	}
	return &answer[[]Saving]{out}, nil
}
