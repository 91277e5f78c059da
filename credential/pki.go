package credential

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
)

// PKI is a role of an authority that Vault's PKI engine keeps: its key never leaves Vault.
type PKI struct {
	v           *Vault
	mount, role string
	asking      sync.Mutex // of the session
}

// ParsePKI reads MOUNT#ROLE.
func ParsePKI(place string) (mount, role string, err error) {
	mount, role, ok := strings.Cut(place, "#")
	if !ok || role == "" || !canonical(mount) || strings.ContainsAny(role, "/?#") {
		return "", "", fmt.Errorf("%q is not an authority in Vault: write vault:MOUNT#ROLE, such as vault:pki#egress", clip(place))
	}
	return mount, role, nil
}

// PKI names a role by MOUNT#ROLE. It does no I/O. The role is then the one user of v.
func (v *Vault) PKI(place string) (*PKI, error) {
	mount, role, err := ParsePKI(place)
	if err != nil {
		return nil, err
	}
	return &PKI{v: v, mount: mount, role: role}, nil
}

// Authority reads the certificate of the authority and of those above it, in PEM. They are public.
func (p *PKI) Authority(ctx context.Context) (string, error) {
	return p.ask(ctx, p.mount+"/cert/ca_chain", p.v.client.Logical().ReadWithContext)
}

// Sign has the authority sign a request (PKCS #10, PEM) for one host. The certificate comes in PEM.
func (p *PKI) Sign(ctx context.Context, request, host string, life time.Duration) (string, error) {
	return p.ask(ctx, p.mount+"/sign/"+p.role, func(ctx context.Context, path string) (*api.Secret, error) {
		return p.v.client.Logical().WriteWithContext(ctx, path, map[string]any{
			"csr": request, "common_name": host, "ttl": fmt.Sprintf("%ds", max(1, int(life.Seconds()))), "format": "pem",
		})
	})
}

// ask does one operation of the engine, and gives the certificate in its answer.
func (p *PKI) ask(ctx context.Context, path string, operation func(context.Context, string) (*api.Secret, error)) (string, error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	got, err := p.v.ask(ctx, func() (*api.Secret, error) { return operation(ctx, path) })
	if err != nil {
		return "", p.explain(err, path)
	}
	if got != nil {
		if text, ok := got.Data["certificate"].(string); ok && text != "" {
			return text, nil
		}
	}
	return "", p.v.faultf(nil, "%s gave no certificate: vault secrets enable -path=%s pki, and make its authority and the role %s", path, p.mount, p.role)
}

// explain says what the operator can do.
func (p *PKI) explain(err error, path string) error {
	answer, ok := errors.AsType[*api.ResponseError](err)
	switch {
	case !ok || answer.StatusCode >= http.StatusInternalServerError:
		return p.v.explain(err, path)
	case answer.StatusCode == http.StatusForbidden:
		return p.v.faultf(errForbidden, "the gateway may not use %s: check that its token is valid and that its policy grants update there", path)
	default:
		return p.v.faultf(nil, "%s was answered with HTTP %d (%s): check the role's allowed_domains and allow_bare_domains", path, answer.StatusCode, clip(strings.Join(answer.Errors, "; ")))
	}
}
