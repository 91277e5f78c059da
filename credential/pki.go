package credential

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// PKI is a role of an authority that Vault's PKI engine keeps, with its key.
type PKI struct{ Mount, Role string }

// String is how a configuration writes it.
func (p PKI) String() string { return "vault:" + p.Mount + "#" + p.Role }

// ParsePKI reads vault:MOUNT#ROLE.
func ParsePKI(text string) (PKI, error) {
	rest, _ := strings.CutPrefix(text, "vault:")
	mount, role, ok := strings.Cut(rest, "#")
	if !ok || role == "" || !canonical(mount) || strings.ContainsAny(role, "/?#") {
		return PKI{}, fmt.Errorf("%q is not an authority in Vault: write vault:MOUNT#ROLE, such as vault:pki#egress", clip(text))
	}
	return PKI{mount, role}, nil
}

// Authority reads the certificate of an authority and of those above it, in PEM. They are public.
func (v *Vault) Authority(ctx context.Context, p PKI) (string, error) {
	data, err := v.pki(ctx, p.Mount+"/cert/ca_chain", nil)
	if err != nil {
		return "", err
	}
	text, _ := data["certificate"].(string)
	if text == "" {
		return "", v.faultf(nil, "%s has no authority: vault write %s/root/generate/internal common_name=… permitted_dns_domains=…", p.Mount, p.Mount)
	}
	return text, nil
}

// Sign has an authority sign a request (PKCS #10, PEM) for one host. The certificate comes in PEM.
func (v *Vault) Sign(ctx context.Context, p PKI, request, host string, life time.Duration) (string, error) {
	data, err := v.pki(ctx, p.Mount+"/sign/"+p.Role, map[string]any{
		"csr": request, "common_name": host, "ttl": fmt.Sprintf("%ds", max(1, int(life.Seconds()))), "format": "pem",
	})
	if err != nil {
		return "", err
	}
	text, _ := data["certificate"].(string)
	if text == "" {
		return "", v.faultf(nil, "%s gave no certificate for %s", p, clip(host))
	}
	return text, nil
}

// pki reads from a path, or writes fields to it.
func (v *Vault) pki(ctx context.Context, path string, fields map[string]any) (map[string]any, error) {
	release, err := v.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := v.login(ctx); err != nil {
		return nil, err
	}
	var answer *api.Secret
	if fields == nil {
		answer, err = v.client.Logical().ReadWithContext(ctx, path)
	} else {
		answer, err = v.client.Logical().WriteWithContext(ctx, path, fields)
	}
	if err != nil {
		return nil, v.explainPKI(err, path)
	}
	if answer == nil {
		return nil, v.faultf(nil, "nothing is at %s: enable the PKI engine there, and make its authority and role", path)
	}
	return answer.Data, nil
}

// explainPKI turns an error of the API into a sentence.
func (v *Vault) explainPKI(err error, path string) error {
	var answer *api.ResponseError
	if !errors.As(err, &answer) {
		return v.explain(err, path)
	}
	switch answer.StatusCode {
	case http.StatusForbidden:
		return v.faultf(errForbidden, "the gateway may not use %s: check that its token is valid and that its policy grants read and update there", path)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
		return v.explain(err, path)
	}
	return v.faultf(nil, "%s was answered with HTTP %d (%s): check the role's allowed_domains and allow_bare_domains", path, answer.StatusCode, clip(strings.Join(answer.Errors, "; ")))
}
