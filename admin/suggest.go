package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Suggestion is a budget or limit that fits what was used, as a rule of its own, with what it alone would have done to the same calls.
type Suggestion struct {
	Name    string `json:"name"`
	Team    string `json:"team" doc:"Empty, without a service: the organisation's."`
	Service string `json:"service"`
	Measure string `json:"measure"`
	Span    string `json:"span" enum:"minute,day,month"`
	Amount  string `json:"amount" doc:"Dollars of a budget, else a count."`
	Basis   string `json:"basis" doc:"Where the amount is from."`
	Calls   int64  `json:"calls" doc:"Of the period."`
	Refused int64  `json:"refused" doc:"That it would have refused beside the policy in force."`
	Worst   int64  `json:"worst_refused" doc:"In the worst five minutes."`
	Avoided Money  `json:"avoided"`
	Rule    string `json:"rule" doc:"YAML to paste under policies."`
}

// SuggestWanted is what suggestions are made of.
type SuggestWanted struct {
	From, To time.Time
	HeadRoom float64 // 0.2 is a fifth
	Most     int
	Shadow   bool
}

type suggestInput struct {
	Days     int     `query:"days" minimum:"1" maximum:"31" default:"28" doc:"Of history, until now."`
	HeadRoom float64 `query:"head_room" minimum:"0" maximum:"1000" default:"20" doc:"Percent above what was used or is expected."`
	Limit    int     `query:"limit" minimum:"1" maximum:"60" default:"20"`
	Shadow   bool    `query:"shadow" doc:"Rules are tried in shadow first."`
}

func (s *Server) suggest(ctx context.Context, in *suggestInput) (*answer[[]Suggestion], error) {
	ctx, end, err := s.simulation(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	to := s.Now().Truncate(time.Minute)
	list, err := s.Backend.SuggestPolicies(ctx, SuggestWanted{to.AddDate(0, 0, -in.Days), to, in.HeadRoom / 100, in.Limit, in.Shadow})
	if ctx.Err() != nil {
		return nil, huma.Error422UnprocessableEntity("the period has more calls than can be judged in 45 s: take fewer days or suggestions, or sentinel policy suggest")
	}
	if err != nil {
		return nil, s.fault("suggest", err)
	}
	return &answer[[]Suggestion]{append([]Suggestion{}, list...)}, nil
}

func (s *Server) suggestRoutes() {
	register(s, operation{id: "suggest-policies", method: http.MethodGet, path: "/policy/suggestions", tag: "policy", summary: "Budgets and limits that fit what was used", role: sentinel.RoleViewer}, s.suggest)
}
