package credential

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/hashicorp/vault/api"
)

// Transit is a key of Vault's transit engine: it encrypts and decrypts small secrets, and never leaves Vault.
type Transit struct {
	v          *Vault
	mount, key string
}

// Transit names a key by MOUNT/KEY. It does no I/O. v is then for engines alone: it reads no secrets beside them.
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
	path := t.mount + "/" + operation + "/" + t.key
	return t.v.ask(ctx, path, answer, func() (*api.Secret, error) {
		return t.v.client.Logical().WriteWithContext(ctx, path, map[string]any{field: value})
	}, remedies{
		forbidden: "the gateway may not use the key: grant update on " + path,
		refused:   fmt.Sprintf("vault secrets enable -path=%s transit, vault write -f %s/keys/%s", t.mount, t.mount, t.key),
	})
}
