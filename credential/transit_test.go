package credential

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestTransitWrapsKeysThatNeverLeaveVault(t *testing.T) {
	b := startBao(t)
	b.do(t, http.MethodPost, "sys/mounts/transit", map[string]any{"type": "transit"})
	b.do(t, http.MethodPost, "transit/keys/bodies", map[string]any{})
	v := vaultOf(t, b, sentinel.NewSecret(b.root))
	transit, err := v.Transit("transit/bodies")
	if err != nil {
		t.Fatal(err)
	}
	key := bytes.Repeat([]byte{7}, 32)
	wrapped, err := transit.Wrap(t.Context(), key)
	if err != nil || strings.Contains(wrapped, string(key)) {
		t.Fatalf("Wrap() = %q, %v", wrapped, err)
	}
	b.do(t, http.MethodPost, "transit/keys/bodies/rotate", map[string]any{})
	if got, err := transit.Unwrap(t.Context(), wrapped); err != nil || !bytes.Equal(got, key) {
		t.Errorf("Unwrap() after a rotation = %x, %v", got, err)
	}
	if _, err := transit.Unwrap(t.Context(), wrapped[:len(wrapped)-6]+"AAAA=="); err == nil {
		t.Error("a changed key is unwrapped")
	}
	for path, want := range map[string]string{"transit": "MOUNT/KEY", "transit/a/b": "MOUNT/KEY", "transit/..": "MOUNT/KEY", "/x": "MOUNT/KEY"} {
		if _, err := v.Transit(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Transit(%q): %v", path, err)
		}
	}
	elsewhere, _ := v.Transit("elsewhere/bodies")
	if _, err := elsewhere.Wrap(t.Context(), key); err == nil || !strings.Contains(err.Error(), "vault secrets enable -path=elsewhere transit") {
		t.Errorf("a mount that is not there: %v", err)
	}
}

// An AppRole whose token has ended logs in again, and one that may not use the key is told so.
func TestTransitSaysWhatMayNotBeUsed(t *testing.T) {
	b := startBao(t)
	b.do(t, http.MethodPost, "sys/mounts/transit", map[string]any{"type": "transit"})
	role := b.appRole(t)
	v, err := NewVault(VaultOptions{Address: b.addr, Login: &role})
	if err != nil {
		t.Fatal(err)
	}
	defer v.conns.CloseIdleConnections()
	transit, _ := v.Transit("transit/bodies")
	if _, err := transit.Wrap(t.Context(), make([]byte, 32)); err == nil || !strings.Contains(err.Error(), "grant update on transit/encrypt/bodies") {
		t.Errorf("a role without the right: %v", err)
	}
}

func vaultOf(t *testing.T, b bao, token sentinel.Secret) *Vault {
	t.Helper()
	v, err := NewVault(VaultOptions{Address: b.addr, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.conns.CloseIdleConnections)
	return v
}
