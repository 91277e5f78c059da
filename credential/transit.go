package credential

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/hashicorp/vault/api"
)

// Transit is a key of Vault's transit engine: it encrypts and decrypts small secrets, and never leaves Vault.
type Transit struct {
	v          *Vault
	mount, key string
	asking     sync.Mutex // of the session
}

// Transit names a key by MOUNT/KEY. It does no I/O. The key is then the one user of v.
func (v *Vault) Transit(path string) (*Transit, error) {
	mount, key, ok := strings.Cut(path, "/")
	if !ok || !canonical(path) || strings.Contains(key, "/") {
		return nil, v.faultf(nil, "%q is not the place of a key: write MOUNT/KEY, such as transit/sentinel", clip(path))
	}
	return &Transit{v: v, mount: mount, key: key}, nil
}

// Wrap encrypts a key with the newest version of the key in Vault.
func (t *Transit) Wrap(ctx context.Context, key []byte) (string, error) {
	return t.ask(ctx, "encrypt", "plaintext", base64.StdEncoding.EncodeToString(key), "ciphertext")
}

// Unwrap decrypts what Wrap gave.
func (t *Transit) Unwrap(ctx context.Context, wrapped string) ([]byte, error) {
	text, err := t.ask(ctx, "decrypt", "ciphertext", wrapped, "plaintext")
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil { // its text would quote the key
		return nil, t.v.faultf(nil, "%s/%s gave something that is not base64", t.mount, t.key)
	}
	return key, nil
}

// ask does one operation of the engine.
func (t *Transit) ask(ctx context.Context, operation, field, value, answer string) (string, error) {
	t.asking.Lock()
	defer t.asking.Unlock()
	path := t.mount + "/" + operation + "/" + t.key
	got, err := t.v.ask(ctx, func() (*api.Secret, error) {
		return t.v.client.Logical().WriteWithContext(ctx, path, map[string]any{field: value})
	})
	if err != nil {
		return "", t.explain(err, path)
	}
	if got != nil {
		if text, ok := got.Data[answer].(string); ok && text != "" {
			return text, nil
		}
	}
	return "", t.v.faultf(nil, "%s gave no %s", path, answer)
}

func isForbidden(err error) bool {
	answer, ok := errors.AsType[*api.ResponseError](err)
	return ok && answer.StatusCode == http.StatusForbidden
}

// explain says what the operator can do. Vault's own text for a bad ciphertext or a missing key quotes neither.
func (t *Transit) explain(err error, path string) error {
	answer, ok := errors.AsType[*api.ResponseError](err)
	switch {
	case !ok || answer.StatusCode >= http.StatusInternalServerError:
		return t.v.explain(err, path)
	case answer.StatusCode == http.StatusForbidden:
		return t.v.faultf(errForbidden, "the gateway may not use the key: grant update on %s", path)
	default:
		return t.v.faultf(nil, "%s was answered with HTTP %d (%s): vault secrets enable -path=%s transit, vault write -f %s/keys/%s", path, answer.StatusCode,
			clip(strings.Join(answer.Errors, "; ")), t.mount, t.mount, t.key)
	}
}
