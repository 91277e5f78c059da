package admin

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Key is a session or a token of an account, without the key itself.
type Key struct {
	ID      string    `json:"id" doc:"Names it for its end; it opens nothing."`
	Account string    `json:"account"`
	Kind    string    `json:"kind" enum:"session,token"`
	Label   string    `json:"label" doc:"What a token is for."`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Current bool      `json:"current" doc:"This request came with it."`
}

// Keys is a page of them, the newest first.
type Keys struct {
	Keys []Key  `json:"keys" nullable:"false"`
	Next string `json:"next" doc:"Cursor of the next page; empty on the last."`
}

func (s *Server) keyRoutes() {
	register(s, operation{id: "list-keys", method: http.MethodGet, path: "/keys", tag: "session", summary: "Sessions and admin tokens that are good: one's own, those of others for admins", role: sentinel.RoleViewer}, s.keys)
	register(s, operation{id: "end-key", method: http.MethodDelete, path: "/keys/{id}", tag: "session", summary: "End a session or an admin token: one's own, any for admins", role: sentinel.RoleViewer, status: http.StatusNoContent},
		func(ctx context.Context, in *struct {
			ID string `path:"id" pattern:"^[0-9a-f]{64}$"`
		}) (*struct{}, error) {
			k := sentinel.AccountKey{}
			_, _ = hex.Decode(k.Hash[:], []byte(in.ID)) // the pattern holds
			k, _, ok, err := s.Backend.FindKey(ctx, k.Hash)
			if err != nil {
				return nil, s.fault("keys", err)
			}
			if p := who(ctx); !ok || k.Account != p.Name && p.Role < sentinel.RoleAdmin {
				return nil, huma.Error404NotFound("there is no such session or token, or it is not yours")
			}
			return nil, s.change(ctx, sentinel.AuditRow{Action: "account." + string(k.Kind) + "_end", Object: k.Account, Before: k.Label}, func(ctx context.Context) error {
				return s.Backend.RemoveKey(ctx, k.Hash)
			})
		})
}

func (s *Server) keys(ctx context.Context, in *struct {
	PageQuery
	Account string `query:"account" maxLength:"100" doc:"Whose, for admins; * is everybody's. Default: one's own."`
}) (*answer[Keys], error) {
	me := who(ctx)
	account := in.Account
	switch {
	case account == "":
		account = me.Name
	case account != me.Name && me.Role < sentinel.RoleAdmin:
		return nil, huma.Error403Forbidden("account: admins alone see the keys of others")
	case account == "*":
		account = ""
	}
	var after sentinel.AccountKey
	c, err := in.afterRow(after.Hash[:])
	if err != nil {
		return nil, err
	}
	after.Created = c.At
	list, err := s.Backend.AccountKeys(ctx, account, after, in.Limit)
	if err != nil {
		return nil, s.fault("keys", err)
	}
	out := Keys{Keys: make([]Key, len(list))}
	for i, k := range list {
		out.Keys[i] = Key{hex.EncodeToString(k.Hash[:]), k.Account, string(k.Kind), k.Label, k.Created, k.Expires, k.Hash == me.key.Hash}
	}
	out.Next = next(list, in.Limit, func(k sentinel.AccountKey) sentinel.Cursor {
		return sentinel.Cursor{At: k.Created, Row: string(k.Hash[:])}
	})
	return &answer[Keys]{out}, nil
}
