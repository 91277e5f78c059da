package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Org is whose gateway it is.
type Org struct {
	Name string
	Zone *time.Location
}

// PolicyFile is the policy as it is in force.
type PolicyFile struct {
	Version string
	Text    string // of the file, which may be newer than what is in force
	Name    string
}

// Policies is the policy file.
type Policies interface {
	Org() Org
	// Policy is the policy in force. The tokens of services in its text are masked unless secrets are asked for.
	Policy(secrets bool) (PolicyFile, error)
	// CheckPolicy compiles a candidate: its version, or its faults, each a sentence with line and column.
	CheckPolicy(text string) (version string, faults []string)
	// PublishPolicy replaces the file of the version that it was made from. ok is false where that is not in force any longer.
	PublishPolicy(ctx context.Context, was, text string) (ok bool, err error)
}

// Policy is the policy for people.
type Policy struct {
	Version string `json:"version" doc:"In force now."`
	File    string `json:"file" doc:"Where it is."`
	Text    string `json:"text"`
	Masked  bool   `json:"masked" doc:"The tokens of services are masked: only admins see them."`
}

// Checked is what a candidate's compilation said.
type Checked struct {
	Version string   `json:"version,omitempty" doc:"Where it compiles."`
	Faults  []string `json:"faults" nullable:"false" doc:"Every fault, with file, line and column."`
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

type publishInput struct {
	IfMatch string `header:"If-Match" required:"true" doc:"Version that the text was made from."`
	Body    struct {
		Text   string `json:"text" maxLength:"1000000"`
		Reason string `json:"reason" minLength:"1" maxLength:"500"`
	}
}

func (s *Server) policyRoutes() {
	register(s, operation{id: "get-policy", method: http.MethodGet, path: "/policy", tag: "policy", summary: "The policy in force", role: sentinel.RoleViewer},
		func(ctx context.Context, _ *struct{}) (*policyAnswer, error) {
			secrets := who(ctx).Role >= sentinel.RoleAdmin
			p, err := s.Backend.Policy(secrets)
			if err != nil {
				return nil, s.fault("policy", err)
			}
			return &policyAnswer{`"` + p.Version + `"`, Policy{p.Version, p.Name, p.Text, !secrets}}, nil
		})
	register(s, operation{id: "check-policy", method: http.MethodPost, path: "/policy/check", tag: "policy", summary: "Compile a candidate", role: sentinel.RoleViewer},
		func(_ context.Context, in *policyText) (*answer[Checked], error) {
			version, faults := s.Backend.CheckPolicy(in.Body.Text)
			return &answer[Checked]{Checked{version, append([]string{}, faults...)}}, nil
		})
	register(s, operation{id: "publish-policy", method: http.MethodPut, path: "/policy", tag: "policy", summary: "Put another policy in force", role: sentinel.RoleAdmin}, s.publish)
}

func (s *Server) publish(ctx context.Context, in *publishInput) (*policyAnswer, error) {
	version, faults := s.Backend.CheckPolicy(in.Body.Text)
	if len(faults) > 0 {
		details := make([]error, len(faults))
		for i, f := range faults {
			details[i] = &huma.ErrorDetail{Message: f, Location: "body.text"}
		}
		return nil, huma.Error422UnprocessableEntity("the policy does not compile", details...)
	}
	was := trimETag(in.IfMatch)
	row := sentinel.AuditRow{Action: "policy.publish", Object: "policy", Before: was, After: version + ": " + in.Body.Reason}
	err := s.change(ctx, row, func() error {
		ok, err := s.Backend.PublishPolicy(ctx, was, in.Body.Text)
		if err == nil && !ok {
			return huma.Error412PreconditionFailed("the policy has changed since: version " + was + " is not in force")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &policyAnswer{`"` + version + `"`, Policy{Version: version, Text: in.Body.Text}}, nil
}

func trimETag(s string) string {
	if len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}
