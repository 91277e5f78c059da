package credential

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// PKI is a role of an authority that Vault's PKI engine keeps: its key never leaves Vault.
type PKI struct {
	v           *Vault
	mount, role string
}

// ParsePKI reads MOUNT#ROLE.
func ParsePKI(place string) (mount, role string, err error) {
	mount, role, ok := strings.Cut(place, "#")
	if !ok || role == "" || !canonical(mount) || strings.ContainsAny(role, "/?#") {
		return "", "", fmt.Errorf("%q is not an authority in Vault: write vault:MOUNT#ROLE, such as vault:pki#egress", clip(place))
	}
	return mount, role, nil
}

// PKI names a role by MOUNT#ROLE. It does no I/O. v is then for engines alone: it reads no secrets beside them.
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
	return p.v.ask(ctx, path, "certificate", func() (*api.Secret, error) { return operation(ctx, path) }, remedies{
		forbidden: "the gateway may not use " + path + ": check that its token is valid and that its policy grants update there",
		refused:   "check the role's allowed_domains and allow_bare_domains",
		nothing:   fmt.Sprintf(": vault secrets enable -path=%s pki, and make its authority and the role %s", p.mount, p.role),
	})
}
