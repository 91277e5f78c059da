package admin

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// LimitUse is a limit with what it counts now.
type LimitUse struct {
	Limit                        sentinel.Limit // with the amount of its override
	Used, Posted, Held, Orphaned int64
	Override                     *Override
}

// Override is a limit's other amount for a time.
type Override struct {
	Cell  string    `json:"cell"`
	Max   Count     `json:"max"`
	Until time.Time `json:"until"`
	By    string    `json:"by"`
	Why   string    `json:"why"`
}

// Limits are the limits of the policy.
type Limits interface {
	// Limits lists them with their use, all at one moment.
	Limits(ctx context.Context) ([]LimitUse, error)
	// ChangeOverride puts an override in the place of the one that a limit has, or ends that where to is nil. allowed is asked about the one that is
	// there, nil for none, and nobody changes that meanwhile.
	ChangeOverride(ctx context.Context, cell string, to *Override, allowed func(*Override) error) error
	// ResetLimit forgives what a limit has counted, and says how much that was.
	ResetLimit(ctx context.Context, l sentinel.Limit) (forgiven string, err error)
}

// Limit is a limit for people.
type Limit struct {
	Name         string     `json:"name"`
	Cell         string     `json:"cell" doc:"Identity of the counter."`
	Scope        string     `json:"scope" doc:"org, team, service, provider or rule."`
	Subject      string     `json:"subject" doc:"Whose limit it is."`
	Kind         string     `json:"kind" enum:"rate,window,concurrent"`
	Measure      string     `json:"measure"`
	Max          Count      `json:"max"`
	Used         Count      `json:"used"`
	Held         Count      `json:"held" doc:"By calls in flight."`
	Unreconciled Count      `json:"unreconciled" doc:"Holds of calls that nobody settled; they stay counted until the reconciler books them."`
	Left         Count      `json:"left"`
	Share        float64    `json:"share" doc:"Used of max."`
	Soft         bool       `json:"soft" doc:"Reported, and refuses nothing."`
	Start        *time.Time `json:"start,omitempty" doc:"Of the window."`
	End          *time.Time `json:"end,omitempty"`
	Seconds      float64    `json:"seconds,omitempty" doc:"Period of a rate."`
	Override     *Override  `json:"override,omitempty"`
	ETag         string     `json:"etag" doc:"For If-Match, of the limit's override."`
}

type overrideInput struct {
	IfMatch string `header:"If-Match" maxLength:"1000" doc:"A limit's etag: another override than that one's is left as it is (412)."`
	Body    struct {
		Cell  string    `json:"cell" minLength:"1" maxLength:"500"`
		Max   Count     `json:"max"`
		Until time.Time `json:"until" doc:"When the override ends by itself; at most 13 months ahead."`
		Why   string    `json:"why" minLength:"1" maxLength:"500" doc:"For those who find it."`
	}
}

type cellInput struct {
	IfMatch string `header:"If-Match" maxLength:"1000" doc:"A limit's etag: another override than that one's is left as it is (412)."`
	Cell    string `query:"cell" required:"true" minLength:"1" maxLength:"500"`
}

// etag names what a limit's override is, nil for none.
func (o *Override) etag() string {
	if o == nil {
		return etag("none")
	}
	return etag(fmt.Sprint(o.Max), o.Until.Format(time.RFC3339Nano), o.By, o.Why)
}

// unless asks for an override that is still what a client saw.
func unless(ifMatch string) func(*Override) error {
	return func(there *Override) error { return match(ifMatch, there.etag(), "the limit's override") }
}

var kinds = map[sentinel.LimitKind]string{sentinel.Rate: "rate", sentinel.Window: "window", sentinel.Concurrent: "concurrent"}

func (s *Server) limitRoutes() {
	register(s, operation{id: "list-limits", method: http.MethodGet, path: "/limits", tag: "limits", summary: "Every limit and budget with its live use", role: sentinel.RoleViewer},
		func(ctx context.Context, _ *struct{}) (*answer[[]Limit], error) {
			list, err := s.Backend.Limits(ctx)
			if err != nil {
				return nil, s.fault("limits", err)
			}
			out := make([]Limit, len(list))
			for i, u := range list {
				out[i] = limitOf(u)
			}
			return &answer[[]Limit]{out}, nil
		})
	register(s, operation{id: "forecast-budgets", method: http.MethodGet, path: "/limits/forecast", tag: "limits", summary: "How each budget's window is expected to end, and when it is used up", role: sentinel.RoleViewer}, s.budgetForecasts)
	register(s, operation{id: "set-override", method: http.MethodPut, path: "/limits/override", tag: "limits", summary: "Give a limit another amount for a time", role: sentinel.RoleTeamAdmin}, s.override)
	register(s, operation{id: "end-override", method: http.MethodDelete, path: "/limits/override", tag: "limits", summary: "Take an override back", role: sentinel.RoleTeamAdmin, status: http.StatusNoContent},
		func(ctx context.Context, in *cellInput) (*struct{}, error) {
			u, err := s.limit(ctx, in.Cell)
			if err != nil {
				return nil, err
			}
			row := sentinel.AuditRow{Action: "limit.override_end", Object: in.Cell, Before: amount(u.Limit, u.Limit.Max)}
			return nil, s.changeElsewhere(ctx, row, func(ctx context.Context) error {
				return s.Backend.ChangeOverride(ctx, in.Cell, nil, unless(in.IfMatch))
			})
		})
	register(s, operation{id: "reset-limit", method: http.MethodPost, path: "/limits/reset", tag: "limits", summary: "Forgive what a limit has counted in its window", role: sentinel.RoleOperator}, s.reset)
}

func limitOf(u LimitUse) Limit {
	l := u.Limit
	scope, rest, _ := strings.Cut(l.Cell, "/")
	subject, _, _ := strings.Cut(rest, "/")
	if scope == "org" {
		subject = ""
	}
	out := Limit{Name: l.Name, Cell: l.Cell, Scope: scope, Subject: subject, Kind: kinds[l.Kind], Measure: l.Measure.String(), Max: Count(l.Max), Used: Count(u.Used), Held: Count(u.Held),
		Unreconciled: Count(u.Orphaned), Left: Count(max(0, l.Max-u.Used)), Share: float64(u.Used) / float64(max(1, l.Max)), Soft: l.Soft, Seconds: l.Period.Seconds(), Override: u.Override}
	out.ETag = u.Override.etag()
	if l.Kind == sentinel.Window {
		out.Start, out.End = &l.Start, &l.End
	}
	return out
}

// amount shows an amount of a limit to people.
func amount(l sentinel.Limit, n int64) string {
	if l.Measure == sentinel.MeasureCost {
		return sentinel.NanoUSD(n).String()
	}
	return fmt.Sprint(n)
}

// limit finds a limit that the caller may change: a team admin those of the own team and its rules' cells named after it.
func (s *Server) limit(ctx context.Context, cell string) (LimitUse, error) {
	list, err := s.Backend.Limits(ctx)
	if err != nil {
		return LimitUse{}, s.fault("limits", err)
	}
	for _, u := range list {
		if u.Limit.Cell != cell {
			continue
		}
		if p := who(ctx); p.Role == sentinel.RoleTeamAdmin && !strings.HasPrefix(cell, "team/"+p.Team+"/") {
			return LimitUse{}, huma.Error403Forbidden("you change the limits of team " + p.Team + " only")
		}
		return u, nil
	}
	return LimitUse{}, huma.Error404NotFound("the policy has no limit " + cell)
}

func (s *Server) override(ctx context.Context, in *overrideInput) (*answer[Limit], error) {
	u, err := s.limit(ctx, in.Body.Cell)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	if in.Body.Max <= 0 || !in.Body.Until.After(now) || in.Body.Until.After(now.AddDate(0, 13, 0)) {
		return nil, huma.Error400BadRequest("max must be above 0, and until in the future, at most 13 months ahead")
	}
	o := Override{Cell: in.Body.Cell, Max: in.Body.Max, Until: in.Body.Until.UTC(), By: who(ctx).Name, Why: in.Body.Why}
	row := sentinel.AuditRow{Action: "limit.override", Object: o.Cell, Before: amount(u.Limit, u.Limit.Max),
		After: fmt.Sprintf("%s until %s: %s", amount(u.Limit, int64(o.Max)), o.Until.Format(time.RFC3339), o.Why)}
	if err := s.changeElsewhere(ctx, row, func(ctx context.Context) error { return s.Backend.ChangeOverride(ctx, o.Cell, &o, unless(in.IfMatch)) }); err != nil {
		return nil, err
	}
	u.Override, u.Limit.Max = &o, int64(o.Max)
	return &answer[Limit]{limitOf(u)}, nil
}

// Forgiven is what a reset took off.
type Forgiven struct {
	Forgiven string `json:"forgiven" doc:"In the limit's measure."`
}

func (s *Server) reset(ctx context.Context, in *struct {
	Body struct {
		Cell string `json:"cell" minLength:"1" maxLength:"500"`
	}
}) (*answer[Forgiven], error) {
	u, err := s.limit(ctx, in.Body.Cell)
	if err != nil {
		return nil, err
	}
	if u.Limit.Kind == sentinel.Concurrent {
		return nil, huma.Error400BadRequest("it counts calls in flight: it falls by itself when they end")
	}
	out := &answer[Forgiven]{}
	row := sentinel.AuditRow{Action: "limit.reset", Object: u.Limit.Cell, Before: amount(u.Limit, u.Used)}
	return out, s.changeElsewhere(ctx, row, func(ctx context.Context) (err error) {
		out.Body.Forgiven, err = s.Backend.ResetLimit(ctx, u.Limit)
		return err
	})
}
