package admin

import (
	"context"
	"net/http"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Setting is one key of sentinel.yaml as it holds in the process that answers.
type Setting struct {
	Key     string `json:"key"`
	Value   string `json:"value" doc:"Empty for none."`
	Doc     string `json:"doc" doc:"What it does."`
	Changed bool   `json:"changed" doc:"It is not the default."`
}

// Channel is a way to reach people, of the policy. Its secrets are not shown.
type Channel struct {
	Name   string   `json:"name"`
	Kind   string   `json:"kind"`
	To     []string `json:"to" nullable:"false" doc:"Whom or where it reaches, as far as the policy says."`
	Secret string   `json:"secret" doc:"Where its secret lies."`
}

// Configuration is what the gateway was started with, and whom its policy tells.
type Configuration struct {
	Settings []Setting `json:"settings" nullable:"false" doc:"Changed in sentinel.yaml, and in force after a restart. Secrets come from the environment, and are none of them."`
	Channels []Channel `json:"channels" nullable:"false" doc:"Changed in the policy, under alerts.channels."`
}

// Configured tells what the gateway was started with.
type Configured interface {
	Configuration() Configuration
}

func (s *Server) settingRoutes() {
	register(s, operation{id: "get-configuration", method: http.MethodGet, path: "/settings/configuration", tag: "status", summary: "The configuration in force, and the channels of the policy; no secrets", role: sentinel.RoleOperator},
		func(context.Context, *struct{}) (*answer[Configuration], error) {
			return &answer[Configuration]{s.Backend.Configuration()}, nil
		})
}
