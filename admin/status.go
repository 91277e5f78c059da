package admin

import (
	"context"
	"net/http"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// The states of a component.
const (
	StateOK       = "ok"
	StateDegraded = "degraded"
	StateDown     = "down"
)

// Component is a part that the gateway depends on.
type Component struct {
	Name   string `json:"name"`
	State  string `json:"state" enum:"ok,degraded,down"`
	Detail string `json:"detail"`
}

// Provider is an API that may be called. Its credential is named, never shown.
type Provider struct {
	Name       string    `json:"name"`
	Preset     string    `json:"preset" doc:"Empty for an API of the policy's own."`
	Host       string    `json:"host"`
	Endpoints  []string  `json:"endpoints" nullable:"false"`
	Credential string    `json:"credential" doc:"Where the credential is in Vault."`
	Fresh      bool      `json:"fresh" doc:"The credential is held now."`
	PricesRead time.Time `json:"prices_read" doc:"Date of the oldest source of its prices."`
	Models     int       `json:"models" doc:"Models with a price."`
}

// Credential is one of a provider's. It is named, never shown.
type Credential struct {
	Provider      string     `json:"provider"`
	Number        int        `json:"number" doc:"0 is the first."`
	Place         string     `json:"place" doc:"Where it lies in Vault or another source."`
	Weight        int        `json:"weight" doc:"Share of the calls beside the provider's others."`
	Teams         []string   `json:"teams" nullable:"false" doc:"Whose calls alone use it; empty: all that no other names."`
	Fresh         bool       `json:"fresh" doc:"It is held now."`
	Confirmed     *time.Time `json:"confirmed,omitempty" doc:"When its source last confirmed it to this process."`
	Rotation      string     `json:"rotation" doc:"Who makes the next one (rotate.make); empty: nobody by the policy."`
	RotateSeconds int64      `json:"rotate_seconds" doc:"How often it is rotated; 0: when an operator asks."`
	Rotated       *time.Time `json:"rotated,omitempty" doc:"When it was rotated last, by the audit chain."`
	RotationState string     `json:"rotation_state" enum:"never,running,done,failed,lost" doc:"Of the last one, by the audit chain; lost: its process said nothing of its end."`
	Takes         string     `json:"takes" enum:"key,aws_key,nothing,elsewhere" doc:"What a rotation has to be given; nothing: the key is made, or Vault lends it; elsewhere: it does not lie in Vault, and is changed at its source."`
	Tested        bool       `json:"tested" doc:"A call is known that tests a new key; else a rotation has to be given its path."`
	Quarantined   *time.Time `json:"quarantined,omitempty" doc:"Until when it is left out, because its provider refused it."`
}

// Service is a caller that the policy knows.
type Service struct {
	Name string `json:"name"`
	Team string `json:"team"`
}

// Status is how the gateway is.
type Status interface {
	Health(ctx context.Context) []Component
	Providers() []Provider
	Credentials(ctx context.Context) ([]Credential, error)
	Services() []Service
	Version() string
	Gateway() string // URL at which clients reach it
	// Wrote counts what this process has put on the ledger.
	Wrote() int64
	// Reprice is what an entry's usage costs at the price of its model; ok is false without one.
	Reprice(e sentinel.Entry) (cost sentinel.NanoUSD, ok bool)
}

// Settings is what is the same on every page.
type Settings struct {
	Org      string    `json:"org"`
	Zone     string    `json:"zone"`
	Version  string    `json:"version"`
	Gateway  string    `json:"gateway" doc:"Base URL for clients."`
	Teams    []string  `json:"teams" nullable:"false"`
	Services []Service `json:"services" nullable:"false"`
}

func (s *Server) statusRoutes() {
	register(s, operation{id: "get-health", method: http.MethodGet, path: "/health", tag: "status", summary: "The gateway's parts, and what is degraded", role: sentinel.RoleViewer},
		func(ctx context.Context, _ *struct{}) (*answer[[]Component], error) {
			return &answer[[]Component]{s.Backend.Health(ctx)}, nil
		})
	register(s, operation{id: "list-providers", method: http.MethodGet, path: "/providers", tag: "status", summary: "The APIs that may be called", role: sentinel.RoleViewer},
		func(context.Context, *struct{}) (*answer[[]Provider], error) {
			return &answer[[]Provider]{s.Backend.Providers()}, nil
		})
	register(s, operation{id: "list-credentials", method: http.MethodGet, path: "/credentials", tag: "status", summary: "The providers' credentials: their age, rotation and quarantine, never the keys", role: sentinel.RoleViewer},
		func(ctx context.Context, _ *struct{}) (*answer[[]Credential], error) {
			list, err := s.Backend.Credentials(ctx)
			if err != nil {
				return nil, s.fault("credentials", err)
			}
			return &answer[[]Credential]{list}, nil
		})
	register(s, operation{id: "get-settings", method: http.MethodGet, path: "/settings", tag: "status", summary: "The organisation, its teams and services", role: sentinel.RoleViewer},
		func(context.Context, *struct{}) (*answer[Settings], error) {
			org := s.Backend.Org()
			out := Settings{Org: org.Name, Zone: org.Zone.String(), Version: s.Backend.Version(), Gateway: s.Backend.Gateway(), Teams: []string{}, Services: s.Backend.Services()}
			seen := map[string]bool{}
			for _, one := range out.Services {
				if !seen[one.Team] {
					seen[one.Team] = true
					out.Teams = append(out.Teams, one.Team)
				}
			}
			return &answer[Settings]{out}, nil
		})
}
