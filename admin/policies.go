package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// Org is whose gateway it is.
type Org struct {
	Name string
	Zone *time.Location
	// Holiday tells whether a day is one; nil where none is known.
	Holiday func(year int, month time.Month, day int) bool
}

// PolicyFile is the policy as it is in force.
type PolicyFile struct {
	Version string
	Text    string // of the file, which may be newer than what is in force
	Name    string
	// Managed says that its files have a source of their own, at which it is changed.
	Managed bool
	// Reviewed says that a second person approves what is published.
	Reviewed bool
}

// Policies is the policy file.
type Policies interface {
	Org() Org
	// Policy is the policy in force. The tokens of services in its text are masked unless secrets are asked for.
	Policy(secrets bool) (PolicyFile, error)
	// CheckPolicy compiles a candidate.
	CheckPolicy(text string) Checked
	Publishing
	// SimulatePolicy judges the calls of [from, to) again, by the policy in force and by a candidate that compiles.
	SimulatePolicy(ctx context.Context, text string, from, to time.Time) (Simulation, error)
	// SuggestPolicies proposes budgets and limits from the calls of a period, beside the policy in force.
	SuggestPolicies(ctx context.Context, w SuggestWanted) ([]Suggestion, error)
	// Shadows counts the calls of [from, to) that shadows judge otherwise, and names the candidate's version.
	Shadows(ctx context.Context, from, to time.Time) (sums []ShadowSum, candidate string, err error)
}

// Simulation is what a candidate would have done to recorded calls.
type Simulation struct {
	From      time.Time        `json:"from"`
	To        time.Time        `json:"to"`
	Recorded  Simulated        `json:"recorded" doc:"What happened."`
	Now       Simulated        `json:"now" doc:"By the policy in force."`
	Then      Simulated        `json:"then" doc:"By the candidate."`
	Avoided   Money            `json:"avoided" doc:"Spend by the policy in force less that by the candidate."`
	Different int64            `json:"different" doc:"Calls that the candidate judges otherwise."`
	Estimated int64            `json:"estimated" doc:"Calls that were refused in truth and go out by the candidate: what they use is taken from their like."`
	Outside   int64            `json:"outside" doc:"Calls that no policy decides, or that were recorded without what they asked for."`
	Limits    map[string]int64 `json:"limits" doc:"Limits that decide by the candidate, with the calls." nullable:"false"`
	Teams     []SimulatedTeam  `json:"teams" nullable:"false"`
	Hours     []SimulatedHour  `json:"hours" nullable:"false" doc:"For charts; hours without calls are left out."`
}

// Simulated is one side of a simulation.
type Simulated struct {
	Calls      int64 `json:"calls"`
	Refused    int64 `json:"refused"`
	Downgraded int64 `json:"downgraded"`
	Delayed    int64 `json:"delayed" doc:"Calls that wait for a limit, and go out."`
	Cost       Money `json:"cost"`

	WorstFrom    time.Time `json:"worst_from" doc:"Begin of the five minutes with the most refusals; of a team not told."`
	WorstRefused int64     `json:"worst_refused"`
}

// SimulatedHour is one hour of a simulation.
type SimulatedHour struct {
	At          time.Time `json:"at"`
	NowCost     Money     `json:"now_cost"`
	ThenCost    Money     `json:"then_cost"`
	NowRefused  int64     `json:"now_refused"`
	ThenRefused int64     `json:"then_refused"`
}

// SimulatedTeam is a team's part.
type SimulatedTeam struct {
	Name string    `json:"name"`
	Now  Simulated `json:"now"`
	Then Simulated `json:"then"`
}

// Bounds of a simulation through the API; the command line has none.
const (
	maxSimulated    = 31 * 24 * time.Hour
	simulationTakes = 45 * time.Second
)

type simulateInput struct {
	Body struct {
		Text string    `json:"text" maxLength:"1000000"`
		From time.Time `json:"from"`
		To   time.Time `json:"to"`
	}
}

func (s *Server) simulate(ctx context.Context, in *simulateInput) (*answer[Simulation], error) {
	if !in.Body.From.Before(in.Body.To) || in.Body.To.Sub(in.Body.From) > maxSimulated {
		return nil, huma.Error400BadRequest("from: before to, and at most 31 days; sentinel policy simulate takes any period")
	}
	if checked := s.Backend.CheckPolicy(in.Body.Text); len(checked.Faults) > 0 {
		return nil, uncompiled(checked.Faults)
	}
	ctx, end, err := s.simulation(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	out, err := s.Backend.SimulatePolicy(ctx, in.Body.Text, in.Body.From.UTC(), in.Body.To.UTC())
	if ctx.Err() != nil {
		return nil, huma.Error422UnprocessableEntity("the period has more calls than can be judged in 45 s: take a shorter one, or sentinel policy simulate")
	}
	if err != nil {
		return nil, s.fault("simulate", err)
	}
	return &answer[Simulation]{out}, nil
}

// simulation begins a simulation, which takes a core: one runs at a time, and for at most simulationTakes.
func (s *Server) simulation(ctx context.Context) (limited context.Context, end func(), err error) {
	if !s.simulating.TryLock() {
		return nil, nil, huma.Error429TooManyRequests("a simulation runs: try again when it is done")
	}
	limited, cancel := context.WithTimeout(ctx, simulationTakes)
	return limited, func() { cancel(); s.simulating.Unlock() }, nil
}

func uncompiled(faults []string) error {
	details := make([]error, len(faults))
	for i, f := range faults {
		details[i] = &huma.ErrorDetail{Message: f, Location: "body.text"}
	}
	return huma.Error422UnprocessableEntity("the policy does not compile", details...)
}

// Policy is the policy for people.
type Policy struct {
	Version string `json:"version" doc:"In force now."`
	File    string `json:"file" doc:"Where it is."`
	Text    string `json:"text"`
	Masked  bool   `json:"masked" doc:"The tokens of services are masked: only admins see them."`
	Managed bool   `json:"managed" doc:"The policy's files have a source of their own, such as a Git checkout or a ConfigMap: it is changed there, and cannot be published here."`
	Review  bool   `json:"review" doc:"A second person approves what is published."`
}

// Checked is what a candidate's compilation said.
type Checked struct {
	Version  string   `json:"version,omitempty" doc:"Where it compiles."`
	Faults   []string `json:"faults" nullable:"false" doc:"Every fault, with file, line and column."`
	Warnings []string `json:"warnings" nullable:"false" doc:"What compiles and is hardly meant, such as a rule that no call can meet; at most 101."`
}

type policyText struct {
	Body struct {
		Text string `json:"text" maxLength:"1000000"`
	}
}

type policyAnswer struct {
	ETag string `header:"ETag"`
	Body Policy
}

func (s *Server) policyRoutes() {
	s.shadowRoutes()
	s.publishingRoutes()
	s.suggestRoutes()
	register(s, operation{id: "get-policy", method: http.MethodGet, path: "/policy", tag: "policy", summary: "The policy in force", role: sentinel.RoleViewer},
		func(ctx context.Context, _ *struct{}) (*policyAnswer, error) {
			secrets := who(ctx).Role >= sentinel.RoleAdmin
			p, err := s.Backend.Policy(secrets)
			if err != nil {
				return nil, s.fault("policy", err)
			}
			return &policyAnswer{`"` + p.Version + `"`, Policy{p.Version, p.Name, p.Text, !secrets, p.Managed, p.Reviewed}}, nil
		})
	register(s, operation{id: "check-policy", method: http.MethodPost, path: "/policy/check", tag: "policy", summary: "Compile a candidate", role: sentinel.RoleViewer, reads: true},
		func(_ context.Context, in *policyText) (*answer[Checked], error) {
			checked := s.Backend.CheckPolicy(in.Body.Text)
			checked.Faults, checked.Warnings = append([]string{}, checked.Faults...), append([]string{}, checked.Warnings...)
			return &answer[Checked]{checked}, nil
		})
	register(s, operation{id: "get-policy-schema", method: http.MethodGet, path: "/policy/schema", tag: "policy", summary: "The JSON Schema of policies, for editors", role: sentinel.RoleViewer},
		func(context.Context, *struct{}) (*answer[json.RawMessage], error) {
			schema, err := policySchema()
			return &answer[json.RawMessage]{schema}, err
		})
	register(s, operation{id: "simulate-policy", method: http.MethodPost, path: "/policy/simulate", tag: "policy", summary: "What a candidate would have done to recorded calls", role: sentinel.RoleViewer, reads: true}, s.simulate)
}

// policySchema is made once: it is the same for every policy.
var policySchema = sync.OnceValues(policy.Schema)
