package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Account is somebody who may sign in.
type Account struct {
	Name    string    `json:"name"`
	Role    string    `json:"role" enum:"viewer,team-admin,operator,admin"`
	Team    string    `json:"team,omitempty"`
	Created time.Time `json:"created"`
	ETag    string    `json:"etag" doc:"For If-Match."`
}

type accountInput struct {
	Name    string `path:"name" minLength:"1" maxLength:"100" pattern:"^[A-Za-z0-9._@+-]+$"`
	IfMatch string `header:"If-Match" maxLength:"1000" doc:"The account's etag: one that was changed since, or is not there, is left as it is (412)."`
	IfNone  string `header:"If-None-Match" enum:"*" doc:"An account that is there already is left as it is (412)."`
	Body    struct {
		Role     string `json:"role" enum:"viewer,team-admin,operator,admin"`
		Team     string `json:"team,omitempty" maxLength:"100" doc:"Of a team admin."`
		Password string `json:"password,omitempty" maxLength:"1000" doc:"At least 12 characters; left out, an account keeps its own."`
	}
}

// IssuedToken is a new admin token. It is shown this once.
type IssuedToken struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

func (s *Server) accountRoutes() {
	register(s, operation{id: "list-accounts", method: http.MethodGet, path: "/accounts", tag: "accounts", summary: "Who may sign in", role: sentinel.RoleAdmin},
		func(ctx context.Context, _ *struct{}) (*answer[[]Account], error) {
			list, err := s.Backend.Accounts(ctx)
			if err != nil {
				return nil, s.fault("accounts", err)
			}
			out := make([]Account, len(list))
			for i, a := range list {
				out[i] = Account{a.Name, a.Role.String(), a.Team, a.Created, accountETag(a)}
			}
			return &answer[[]Account]{out}, nil
		})
	register(s, operation{id: "put-account", method: http.MethodPut, path: "/accounts/{name}", tag: "accounts", summary: "Add an account, or change one; its sessions end", role: sentinel.RoleAdmin, status: http.StatusNoContent}, s.putAccount)
	register(s, operation{id: "remove-account", method: http.MethodDelete, path: "/accounts/{name}", tag: "accounts", summary: "Remove an account and end its sessions", role: sentinel.RoleAdmin, status: http.StatusNoContent},
		func(ctx context.Context, in *struct {
			Name    string `path:"name" maxLength:"100"`
			IfMatch string `header:"If-Match" maxLength:"1000" doc:"The account's etag: one that was changed since is left as it is (412)."`
		}) (*struct{}, error) {
			if in.Name == who(ctx).Name {
				return nil, huma.Error400BadRequest("nobody removes the own account: another admin can")
			}
			return nil, s.change(ctx, sentinel.AuditRow{Action: "account.remove", Object: in.Name}, func(ctx context.Context) error {
				if _, err := s.unchanged(ctx, in.Name, in.IfMatch); err != nil {
					return err
				}
				ok, err := s.Backend.RemoveAccount(ctx, in.Name)
				if err == nil && !ok {
					return huma.Error404NotFound("there is no account " + in.Name)
				}
				return err
			})
		})
	register(s, operation{id: "issue-token", method: http.MethodPost, path: "/session/tokens", tag: "session", summary: "Issue an admin token with the own role", role: sentinel.RoleViewer, status: http.StatusCreated}, s.issueToken)
}

const minPassword = 12

func (s *Server) putAccount(ctx context.Context, in *accountInput) (*struct{}, error) {
	role, _ := sentinel.RoleByName(in.Body.Role)
	a := sentinel.Account{Name: in.Name, Role: role, Team: in.Body.Team, Created: s.Now()}
	short := huma.Error400BadRequest("password: at least 12 characters")
	switch {
	case (a.Role == sentinel.RoleTeamAdmin) != (a.Team != ""):
		return nil, huma.Error400BadRequest("team: a team admin has one, nobody else does")
	case in.Name == who(ctx).Name && role < sentinel.RoleAdmin:
		return nil, huma.Error400BadRequest("nobody takes the own rights: another admin can")
	case in.Body.Password != "" && len(in.Body.Password) < minPassword:
		return nil, short
	}
	row := sentinel.AuditRow{Action: "account.put", Object: a.Name, After: a.Role.String() + " " + a.Team}
	if in.Body.Password != "" {
		var err error
		s.doors.hashing <- struct{}{}
		a.Password, err = HashPassword(in.Body.Password)
		<-s.doors.hashing
		if err != nil {
			return nil, s.fault("accounts", err)
		}
		row.After += " with a new password"
	}
	return nil, s.change(ctx, row, func(ctx context.Context) error {
		exists, err := s.unchanged(ctx, a.Name, in.IfMatch)
		switch {
		case err != nil:
			return err
		case exists && in.IfNone != "":
			return huma.NewError(http.StatusPreconditionFailed, "there is an account "+a.Name+" already")
		case !exists && in.Body.Password == "":
			return short
		}
		return s.Backend.PutAccount(ctx, a)
	})
}

// unchanged asks, within a change, for an account that is still what a client saw, and tells whether it is there.
func (s *Server) unchanged(ctx context.Context, name, ifMatch string) (exists bool, err error) {
	a, exists, err := s.Backend.HoldAccount(ctx, name)
	if err != nil {
		return false, err
	}
	now := ""
	if exists {
		now = accountETag(a)
	}
	return exists, match(ifMatch, now, "the account")
}

// accountETag names what an account is.
func accountETag(a sentinel.Account) string {
	return etag(a.Name, a.Role.String(), a.Team, a.Password.Reveal(), a.Created.UTC().Format(time.RFC3339Nano))
}

func (s *Server) issueToken(ctx context.Context, in *struct {
	Body struct {
		Label string `json:"label" minLength:"1" maxLength:"100" doc:"What it is for."`
		Days  int    `json:"days" minimum:"1" maximum:"366"`
	}
}) (*answer[IssuedToken], error) {
	if ofSignOn(who(ctx).Name) { // it would outlive what the provider says of its owner
		return nil, huma.Error403Forbidden("accounts of single sign-on have no tokens: use a local account for scripts")
	}
	key, hash := NewKey(TokenPrefix)
	now := s.Now()
	k := sentinel.AccountKey{Hash: hash, Account: who(ctx).Name, Kind: sentinel.KeyToken, Label: in.Body.Label, Created: now, Expires: now.AddDate(0, 0, in.Body.Days)}
	err := s.change(ctx, sentinel.AuditRow{Action: "account.token", Object: k.Account, After: k.Label}, func(ctx context.Context) error { return s.Backend.AddKey(ctx, k) })
	if err != nil {
		return nil, err
	}
	return &answer[IssuedToken]{IssuedToken{key, k.Expires}}, nil
}
