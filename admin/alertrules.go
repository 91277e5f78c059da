package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// AlertRules is what opens incidents, and what became of their messages.
type AlertRules interface {
	AlertRules() []AlertRule
	// Turns are the times at which a cause began, rose or ended, whichever process noticed it: those below a number, 0 for all, the newest first.
	Turns(ctx context.Context, before int64, limit int) ([]sentinel.IncidentTurn, error)
	// SampleAlert sends a marked sample to every channel of a rule; ok is false without such a rule.
	SampleAlert(ctx context.Context, rule string) (answers []Sampled, ok bool)
	// AlertMessages lists those below a number, 0 for all, the newest first.
	AlertMessages(ctx context.Context, before int64, limit int) ([]sentinel.AlertMessage, error)
}

// AlertRule is a rule of the policy and how this process judges it now.
type AlertRule struct {
	Name      string      `json:"name"`
	On        string      `json:"on" doc:"Kind of fact."`
	When      string      `json:"when" doc:"Condition in CEL."`
	Severity  string      `json:"severity" enum:"info,warning,critical"`
	To        []string    `json:"to" doc:"Channels." nullable:"false"`
	Escalates []AlertStep `json:"escalates" nullable:"false"`
	Judged    *time.Time  `json:"judged,omitempty" doc:"When this process looked last."`
	Facts     int         `json:"facts" doc:"Facts of its kind that were looked at then."`
	Firing    []string    `json:"firing" doc:"Scopes for which it fires." nullable:"false"`
}

// AlertStep is one more try when nobody reacted.
type AlertStep struct {
	AfterSeconds int64    `json:"after_seconds"`
	To           []string `json:"to" nullable:"false"`
}

// Evaluation is a cause that began, rose or ended.
type Evaluation struct {
	At     time.Time `json:"at"`
	Rule   string    `json:"rule"`
	Scope  string    `json:"scope"`
	Firing bool      `json:"firing" doc:"It began, or rose; else it ended."`
	Again  bool      `json:"again" doc:"It had ended, and began again before its incident was resolved."`
	Title  string    `json:"title" doc:"Of its incident, at its highest level."`
}

// EvaluationPage is a part of them, the newest first.
type EvaluationPage struct {
	Evaluations []Evaluation `json:"evaluations" nullable:"false"`
	Next        string       `json:"next" doc:"Cursor of the next page; empty on the last."`
}

// Sampled is what a channel said to a sample.
type Sampled struct {
	Channel    string  `json:"channel"`
	Fault      string  `json:"fault" doc:"Empty where it was taken whole."`
	DurationMs float64 `json:"duration_ms"`
}

// AlertMessage is one message to one channel.
type AlertMessage struct {
	ID       string     `json:"id"`
	Group    string     `json:"group"`
	Channel  string     `json:"channel"`
	Kind     string     `json:"kind" enum:"message,edit,page"`
	State    string     `json:"state" enum:"waiting,sent,dead" doc:"dead: the channel will never take it."`
	Created  time.Time  `json:"created"`
	Ended    *time.Time `json:"ended,omitempty"`
	Attempts int        `json:"attempts"`
	Fault    string     `json:"fault" doc:"Of the last attempt; empty where it was taken."`
}

// AlertMessagePage is a part of the messages, the newest first.
type AlertMessagePage struct {
	Messages []AlertMessage `json:"messages" nullable:"false"`
	Next     string         `json:"next" doc:"Cursor of the next page; empty on the last."`
}

func (s *Server) alertRuleRoutes() {
	register(s, operation{id: "list-alert-rules", method: http.MethodGet, path: "/alerts/rules", tag: "incidents", summary: "What opens incidents, and whom it tells", role: sentinel.RoleViewer},
		func(context.Context, *struct{}) (*answer[[]AlertRule], error) {
			return &answer[[]AlertRule]{s.Backend.AlertRules()}, nil
		})
	register(s, operation{id: "list-evaluations", method: http.MethodGet, path: "/alerts/evaluations", tag: "incidents", summary: "Causes that began, rose or ended, whichever process noticed it, the newest first", role: sentinel.RoleViewer},
		func(ctx context.Context, in *PageQuery) (*answer[EvaluationPage], error) {
			before, err := in.number()
			if err != nil {
				return nil, err
			}
			list, err := s.Backend.Turns(ctx, before, in.Limit)
			if err != nil {
				return nil, s.fault("evaluations", err)
			}
			at := func(t sentinel.IncidentTurn) sentinel.Cursor { return numbered(t.At, t.Seq) }
			return &answer[EvaluationPage]{EvaluationPage{each(list, evaluationOf), next(list, in.Limit, at)}}, nil
		})
	register(s, operation{id: "list-alert-messages", method: http.MethodGet, path: "/alerts/messages", tag: "incidents", summary: "What was sent to channels, and what they did not take, the newest first", role: sentinel.RoleViewer},
		func(ctx context.Context, in *PageQuery) (*answer[AlertMessagePage], error) {
			before, err := in.number()
			if err != nil {
				return nil, err
			}
			list, err := s.Backend.AlertMessages(ctx, before, in.Limit)
			if err != nil {
				return nil, s.fault("alert messages", err)
			}
			at := func(m sentinel.AlertMessage) sentinel.Cursor { return numbered(m.Created, m.Seq) }
			return &answer[AlertMessagePage]{AlertMessagePage{each(list, messageOf), next(list, in.Limit, at)}}, nil
		})
	register(s, operation{id: "test-alert-rule", method: http.MethodPost, path: "/alerts/rules/{name}/test", tag: "incidents", summary: "Send a marked sample to every channel of a rule, past silences and quiet hours",
		role: sentinel.RoleOperator}, s.testAlertRule)
}

func evaluationOf(t sentinel.IncidentTurn) Evaluation {
	return Evaluation{At: t.At, Rule: t.Rule, Scope: t.Scope, Firing: !t.Ended, Again: t.Again, Title: t.Title}
}

func messageOf(m sentinel.AlertMessage) AlertMessage {
	return AlertMessage{ID: m.ID, Group: m.Group, Channel: m.Channel, Kind: string(m.Kind), State: m.State, Created: m.Created, Ended: orNone(m.Ended), Attempts: m.Attempts, Fault: m.Fault}
}

func (s *Server) testAlertRule(ctx context.Context, in *struct {
	Name string `path:"name" maxLength:"100"`
}) (*answer[[]Sampled], error) {
	var out []Sampled
	err := s.changeElsewhere(ctx, sentinel.AuditRow{Action: "alert.test", Object: in.Name}, func(ctx context.Context) error {
		var known bool
		if out, known = s.Backend.SampleAlert(ctx, in.Name); !known {
			return huma.Error404NotFound("the policy has no alert rule of this name")
		}
		return nil
	})
	return &answer[[]Sampled]{out}, err
}
