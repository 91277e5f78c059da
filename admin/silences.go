package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Silences is what people asked to be kept quiet while the gateway runs. Those of the policy file are in the file.
type Silences interface {
	// Silences lists those that have not ended, the next to end first.
	Silences(ctx context.Context, after sentinel.Cursor, limit int) ([]sentinel.AlertSilence, error)
	AddSilence(ctx context.Context, q sentinel.AlertSilence) (id string, err error)
	EndSilence(ctx context.Context, id string) (ok bool, err error)
}

// Silence is maintenance: what is not told for a time.
type Silence struct {
	ID    string    `json:"id"`
	Rule  string    `json:"rule" doc:"Pattern of rules; * stands for any text. Empty: all."`
	Scope string    `json:"scope" doc:"Pattern of scopes, such as provider/*. Empty: all."`
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	By    string    `json:"by"`
	Why   string    `json:"why"`
}

// SilencePage is a part of the silences, the next to end first.
type SilencePage struct {
	Silences []Silence `json:"silences" nullable:"false"`
	Next     string    `json:"next" doc:"Cursor of the next page; empty on the last."`
}

func (s *Server) silenceRoutes() {
	register(s, operation{id: "list-silences", method: http.MethodGet, path: "/silences", tag: "incidents", summary: "Silences that have not ended, without those of the policy", role: sentinel.RoleViewer},
		func(ctx context.Context, in *PageQuery) (*answer[SilencePage], error) {
			after, err := in.after()
			if err != nil {
				return nil, err
			}
			list, err := s.Backend.Silences(ctx, after, in.Limit)
			if err != nil {
				return nil, s.fault("silences", err)
			}
			at := func(q sentinel.AlertSilence) sentinel.Cursor { return sentinel.Cursor{At: q.Until, Row: q.ID} }
			return &answer[SilencePage]{SilencePage{each(list, func(q sentinel.AlertSilence) Silence { return Silence(q) }), next(list, in.Limit, at)}}, nil
		})
	register(s, operation{id: "add-silence", method: http.MethodPost, path: "/silences", tag: "incidents", summary: "Keep incidents quiet for a time, on all processes within seconds",
		role: sentinel.RoleOperator, status: http.StatusCreated}, s.addSilence)
	register(s, operation{id: "end-silence", method: http.MethodDelete, path: "/silences/{id}", tag: "incidents", summary: "End a silence", role: sentinel.RoleOperator, status: http.StatusNoContent},
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"40"`
		}) (*struct{}, error) {
			return nil, s.change(ctx, sentinel.AuditRow{Action: "silence.end", Object: in.ID}, func(ctx context.Context) error {
				ok, err := s.Backend.EndSilence(ctx, in.ID)
				if err == nil && !ok {
					return huma.Error404NotFound("no silence of this id is under way or to come")
				}
				return err
			})
		})
}

func (s *Server) addSilence(ctx context.Context, in *struct {
	Body struct {
		Rule    string     `json:"rule,omitempty" maxLength:"300"`
		Scope   string     `json:"scope,omitempty" maxLength:"300"`
		From    *time.Time `json:"from,omitempty" doc:"Now where it is left out."`
		Minutes int        `json:"minutes" minimum:"1" maximum:"129600" doc:"How long it holds."`
		Why     string     `json:"why,omitempty" maxLength:"300"`
	}
}) (*answer[Silence], error) {
	q := sentinel.AlertSilence{Rule: in.Body.Rule, Scope: in.Body.Scope, From: s.Now(), By: who(ctx).Name, Why: in.Body.Why}
	if in.Body.From != nil {
		q.From = in.Body.From.UTC()
	}
	q.Until = q.From.Add(time.Duration(in.Body.Minutes) * time.Minute)
	if err := q.Validate(s.Now()); err != nil {
		return nil, huma.Error400BadRequest(err.Error())
	}
	row := sentinel.AuditRow{Action: "silence.add", Object: "rule " + q.Rule + ", scope " + q.Scope,
		After: fmt.Sprintf("%s until %s: %s", q.From.Format(time.RFC3339), q.Until.Format(time.RFC3339), q.Why)}
	err := s.change(ctx, row, func(ctx context.Context) (err error) {
		q.ID, err = s.Backend.AddSilence(ctx, q)
		return err
	})
	return &answer[Silence]{Silence(q)}, err
}
