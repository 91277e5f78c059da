package admin

import (
	"context"
	"net/http"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// ShadowSum counts the calls that one rule of a shadow would have made something else of.
type ShadowSum struct {
	Policy string `json:"policy" doc:"The candidate's version; empty for rules in shadow of the policy in force."`
	Rule   string `json:"rule" doc:"Rule or scope whose limit decides; empty where none does."`
	Live   string `json:"live" doc:"What became of the calls."`
	Shadow string `json:"shadow" doc:"What would have become of them."`
	Reason string `json:"reason"`
	Calls  int64  `json:"calls"`
}

// Shadow is what a shadow would have made of one call.
type Shadow struct {
	Policy string `json:"policy"`
	Action string `json:"action"`
	Reason string `json:"reason"`
	Limit  string `json:"limit"`
	Model  string `json:"model" doc:"Of a downgrade or fallback."`
}

// ShadowedCall is a call that a shadow judges otherwise.
type ShadowedCall struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Team    string    `json:"team"`
	Service string    `json:"service"`
	Asked   string    `json:"asked"`
	Action  string    `json:"action"`
	Reason  string    `json:"reason"`
	Cost    Money     `json:"cost"`
	Shadows []Shadow  `json:"shadows" nullable:"false"`
}

// Shadows is what rules in shadow, and the candidate, would have made of calls.
type Shadows struct {
	From      time.Time      `json:"from"`
	To        time.Time      `json:"to"`
	Candidate string         `json:"candidate" doc:"Version of the policy that judges calls beside the one in force; empty for none."`
	Sums      []ShadowSum    `json:"sums" nullable:"false"`
	Calls     []ShadowedCall `json:"calls" nullable:"false" doc:"The newest."`
}

type shadowsInput struct {
	Period
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

func (s *Server) shadows(ctx context.Context, in *shadowsInput) (*answer[Shadows], error) {
	if err := in.resolve(s); err != nil {
		return nil, err
	}
	sums, candidate, err := s.Backend.Shadows(ctx, in.From, in.To)
	if err != nil {
		return nil, s.fault("shadows", err)
	}
	list, err := s.Backend.Entries(ctx, EntryQuery{From: in.From, To: in.To, Shadowed: true, Limit: in.Limit})
	if err != nil {
		return nil, s.fault("shadows", err)
	}
	out := Shadows{From: in.From, To: in.To, Candidate: candidate, Sums: append([]ShadowSum{}, sums...), Calls: make([]ShadowedCall, len(list))}
	for i, e := range list {
		c := ShadowedCall{ID: e.ID.String(), At: e.At, Team: e.Caller.Team, Service: e.Caller.Service, Asked: e.Asked, Action: e.Action.String(), Reason: string(e.Reason),
			Cost: Money(e.Cost), Shadows: []Shadow{}}
		for _, d := range e.Shadow.Read() {
			c.Shadows = append(c.Shadows, Shadow{d.Policy, d.Action.String(), string(d.Reason), d.Limit, d.Model})
		}
		out.Calls[i] = c
	}
	return &answer[Shadows]{out}, nil
}

func (s *Server) shadowRoutes() {
	register(s, operation{id: "list-shadows", method: http.MethodGet, path: "/policy/shadow", tag: "policy", summary: "What rules in shadow, or a candidate, would have made of calls", role: sentinel.RoleViewer}, s.shadows)
}
