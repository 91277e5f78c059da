package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Incidents is what is wrong, and what people did about it.
type Incidents interface {
	// Incidents lists those of a scope, or all where it is empty, the newest first.
	Incidents(ctx context.Context, q sentinel.IncidentQuery) ([]sentinel.Incident, error)
	History(ctx context.Context, incident string, limit int) ([]sentinel.IncidentChange, error)
	// AnswerIncidents applies an act (acknowledge, snooze, plan, resolve, confirm, dismiss) to a group's open incidents. It is
	// sentinel.ErrNoAlert without such a group, and sentinel.ErrIncidentOver where that changed nothing.
	AnswerIncidents(ctx context.Context, group, act, by string, snooze time.Duration) error
}

// Incident is an incident for people.
type Incident struct {
	ID           string     `json:"id"`
	Group        string     `json:"group" doc:"Incidents of one group are answered together."`
	Rule         string     `json:"rule"`
	Scope        string     `json:"scope"`
	Severity     string     `json:"severity" enum:"info,warning,critical"`
	State        string     `json:"state" enum:"open,acknowledged,snoozed,resolved"`
	Firing       bool       `json:"firing" doc:"What caused it holds now."`
	Title        string     `json:"title"`
	Detail       string     `json:"detail"`
	Opened       time.Time  `json:"opened"`
	Seen         time.Time  `json:"seen"`
	SnoozedUntil *time.Time `json:"snoozed_until,omitempty"`
	Resolved     *time.Time `json:"resolved,omitempty"`
	By           string     `json:"by" doc:"Who answered it."`
	Planned      bool       `json:"planned"`
	Fired        int64      `json:"fired"`
	Held         string     `json:"held" doc:"Why people are not told: inhibited, silenced or empty."`
}

// IncidentPage is a part of the incidents, the newest first.
type IncidentPage struct {
	Incidents []Incident `json:"incidents" nullable:"false"`
	Next      string     `json:"next" doc:"Cursor of the next page; empty on the last."`
}

// Change is one line of an incident's history.
type Change struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
	By   string    `json:"by"`
}

func (s *Server) incidentRoutes() {
	register(s, operation{id: "list-incidents", method: http.MethodGet, path: "/incidents", tag: "incidents", summary: "Incidents, the newest first", role: sentinel.RoleViewer},
		func(ctx context.Context, in *struct {
			PageQuery
			Open  bool   `query:"open" doc:"Leave out those that are resolved."`
			Scope string `query:"scope" maxLength:"500" doc:"Only those of a scope, such as the cell of a limit."`
		}) (*answer[IncidentPage], error) {
			after, err := in.after()
			if err != nil {
				return nil, err
			}
			list, err := s.Backend.Incidents(ctx, sentinel.IncidentQuery{Open: in.Open, Scope: in.Scope, After: after, Limit: in.Limit})
			if err != nil {
				return nil, s.fault("incidents", err)
			}
			at := func(i sentinel.Incident) sentinel.Cursor { return sentinel.Cursor{At: i.Opened, Row: i.ID} }
			return &answer[IncidentPage]{IncidentPage{each(list, incidentOf), next(list, in.Limit, at)}}, nil
		})
	register(s, operation{id: "get-incident-history", method: http.MethodGet, path: "/incidents/{id}/history", tag: "incidents", summary: "What happened to an incident", role: sentinel.RoleViewer},
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"100"`
		}) (*answer[[]Change], error) {
			list, err := s.Backend.History(ctx, in.ID, maxRows)
			if err != nil {
				return nil, s.fault("incidents", err)
			}
			out := make([]Change, len(list))
			for i, c := range list {
				out[i] = Change{c.At, c.What, c.By}
			}
			return &answer[[]Change]{out}, nil
		})
	register(s, operation{id: "answer-incidents", method: http.MethodPost, path: "/incidents/answer", tag: "incidents", summary: "Acknowledge, snooze, plan or resolve a group's incidents",
		role: sentinel.RoleOperator, status: http.StatusNoContent}, s.answerIncidents)
}

func (s *Server) answerIncidents(ctx context.Context, in *struct {
	Body struct {
		Group   string `json:"group" minLength:"1" maxLength:"500"`
		Act     string `json:"act" enum:"acknowledge,snooze,plan,resolve,confirm,dismiss" doc:"Of an anomaly, plan, confirm and dismiss change how the service is judged from then on; where no incident of the group is open, they count for the last one, for 30 days. What changes nothing is answered 409."`
		Minutes int    `json:"minutes,omitempty" minimum:"1" maximum:"10080" doc:"Of a snooze; 60 where it is left out."`
	}
}) (*struct{}, error) {
	snooze := time.Duration(in.Body.Minutes) * time.Minute
	if snooze == 0 {
		snooze = time.Hour
	}
	return nil, s.change(ctx, sentinel.AuditRow{Action: "alert." + in.Body.Act, Object: in.Body.Group}, func(ctx context.Context) error {
		err := s.Backend.AnswerIncidents(ctx, in.Body.Group, in.Body.Act, who(ctx).Name, snooze)
		switch {
		case errors.Is(err, sentinel.ErrNoAlert):
			return huma.Error404NotFound(err.Error())
		case errors.Is(err, sentinel.ErrIncidentOver):
			return huma.Error409Conflict(err.Error())
		}
		return err
	})
}

func incidentOf(n sentinel.Incident) Incident {
	return Incident{ID: n.ID, Group: n.Group, Rule: n.Rule, Scope: n.Scope, Severity: n.Severity.String(), State: n.State.String(), Firing: n.Firing, Title: n.Title,
		Detail: n.Detail, Opened: n.Opened, Seen: n.Seen, SnoozedUntil: orNone(n.SnoozedUntil), Resolved: orNone(n.Resolved), By: n.By, Planned: n.Planned, Fired: n.Fired, Held: n.Held}
}

func orNone(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
