package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// ErrRefused is an error of the backend whose sentence is for the client, who can correct the cause.
var ErrRefused = errors.New("refused")

// ServiceTokens issues and ends the tokens of services. It records every change in the audit chain itself. An error that
// wraps ErrRefused is shown.
type ServiceTokens interface {
	// ListServiceTokens lists those of a service, or all where it is empty, the newest first.
	ListServiceTokens(ctx context.Context, service string, after sentinel.Cursor, limit int) ([]sentinel.ServiceToken, error)
	IssueServiceToken(ctx context.Context, by, service, label string, life time.Duration) (id, token string, err error)
	ReissueServiceToken(ctx context.Context, by, id string, grace time.Duration) (token string, err error)
	EndServiceToken(ctx context.Context, by, id string) error
}

// ServiceToken is an issued token without the token itself.
type ServiceToken struct {
	ID            string     `json:"id" doc:"Public; it outlives rotations."`
	Service       string     `json:"service"`
	Label         string     `json:"label"`
	State         string     `json:"state" enum:"active,rotating,expired,revoked"`
	By            string     `json:"by"`
	Created       time.Time  `json:"created"`
	Expires       *time.Time `json:"expires,omitempty"`
	Rotated       *time.Time `json:"rotated,omitempty"`
	PreviousUntil *time.Time `json:"previous_until,omitempty" doc:"When the token before the last rotation ends."`
	Revoked       *time.Time `json:"revoked,omitempty"`
}

// ServiceTokenPage is a part of the tokens, the newest first.
type ServiceTokenPage struct {
	Tokens []ServiceToken `json:"tokens" nullable:"false"`
	Next   string         `json:"next" doc:"Cursor of the next page; empty on the last."`
}

// NewServiceToken is a token that was just made. It is shown this once.
type NewServiceToken struct {
	ID    string `json:"id"`
	Token string `json:"token"`
}

// TokenID names a token in a path. It is exported because an embedded struct that is not has no part in the document.
type TokenID struct {
	ID string `path:"id" minLength:"1" maxLength:"40" pattern:"^[a-z0-9]+$"`
}

func (s *Server) tokenRoutes() {
	register(s, operation{id: "list-service-tokens", method: http.MethodGet, path: "/service-tokens", tag: "service tokens", summary: "Tokens that were issued to services", role: sentinel.RoleOperator}, s.listTokens)
	register(s, operation{id: "issue-service-token", method: http.MethodPost, path: "/service-tokens", tag: "service tokens", summary: "Issue a token to a service; it is shown this once", role: sentinel.RoleAdmin, status: http.StatusCreated},
		func(ctx context.Context, in *struct {
			Body struct {
				Service string `json:"service" minLength:"1" maxLength:"100"`
				Label   string `json:"label,omitempty" maxLength:"100" doc:"What it is for."`
				Days    int    `json:"days,omitempty" minimum:"0" maximum:"3660" doc:"How long it is good; 0 is until it is revoked."`
			}
		}) (*answer[NewServiceToken], error) {
			id, token, err := s.Backend.IssueServiceToken(ctx, who(ctx).Name, in.Body.Service, in.Body.Label, time.Duration(in.Body.Days)*24*time.Hour)
			return &answer[NewServiceToken]{NewServiceToken{id, token}}, s.shown(err)
		})
	register(s, operation{id: "rotate-service-token", method: http.MethodPost, path: "/service-tokens/{id}/rotate", tag: "service tokens", summary: "Make another token under the same id", role: sentinel.RoleAdmin},
		func(ctx context.Context, in *struct {
			TokenID
			Body struct {
				GraceSeconds int64 `json:"grace_seconds" minimum:"0" maximum:"2592000" doc:"How long the one before stays good."`
			}
		}) (*answer[NewServiceToken], error) {
			token, err := s.Backend.ReissueServiceToken(ctx, who(ctx).Name, in.ID, time.Duration(in.Body.GraceSeconds)*time.Second)
			return &answer[NewServiceToken]{NewServiceToken{in.ID, token}}, s.shown(err)
		})
	register(s, operation{id: "revoke-service-token", method: http.MethodDelete, path: "/service-tokens/{id}", tag: "service tokens", summary: "End a token everywhere, within 5 seconds", role: sentinel.RoleAdmin, status: http.StatusNoContent},
		func(ctx context.Context, in *TokenID) (*struct{}, error) {
			return nil, s.shown(s.Backend.EndServiceToken(ctx, who(ctx).Name, in.ID))
		})
}

func (s *Server) listTokens(ctx context.Context, in *struct {
	PageQuery
	Service string `query:"service" maxLength:"100" doc:"Only those of a service."`
}) (*answer[ServiceTokenPage], error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	list, err := s.Backend.ListServiceTokens(ctx, in.Service, after, in.Limit)
	if err != nil {
		return nil, s.fault("service tokens", err)
	}
	show := func(t sentinel.ServiceToken) ServiceToken {
		return ServiceToken{t.ID, t.Service, t.Label, t.State(s.Now()), t.By, t.Created, set(t.Expires), set(t.Rotated), set(t.PreviousUntil), set(t.Revoked)}
	}
	return &answer[ServiceTokenPage]{ServiceTokenPage{each(list, show), next(list, in.Limit, tokenCursor)}}, nil
}

func tokenCursor(t sentinel.ServiceToken) sentinel.Cursor {
	return sentinel.Cursor{At: t.Created, Row: t.ID}
}

// shown answers with an error that the client can correct, and hides others.
func (s *Server) shown(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrRefused):
		return huma.Error400BadRequest(err.Error())
	}
	return s.fault("service tokens", err)
}

// set is a time for JSON, nil for none.
func set(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
