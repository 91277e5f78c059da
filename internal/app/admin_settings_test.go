package app

import (
	"fmt"
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestSettingsShowTheConfigurationWithoutItsSecrets(t *testing.T) {
	c := DefaultConfig()
	c.Database.URL, c.Redis.Password, c.Vault.Token, c.Admin.OIDC.Secret = sentinel.NewSecret("hidden-db"), sentinel.NewSecret("hidden-redis"), sentinel.NewSecret("hidden-vault"), sentinel.NewSecret("hidden-oidc")
	c.Vault.RoleID, c.TokenKey, c.Telemetry.Headers = "hidden-role", sentinel.NewSecret("hidden-key"), sentinel.NewSecret("hidden-headers")
	c.Telemetry.OTLP = "http://me:hidden-url@collector:4318"
	c.Envoy.TLS = &TLSConfig{Cert: "/tls/tls.crt"}
	values := map[string]string{}
	for _, s := range settings(c) {
		values[s.Key] = fmt.Sprintf("%s %v", s.Value, s.Changed)
		if strings.Contains(s.Value, "hidden") {
			t.Errorf("%s shows %s", s.Key, s.Value)
		}
	}
	for key, want := range map[string]string{"envoy.tls.cert": "/tls/tls.crt true", "telemetry.otlp": "http://me:xxxxx@collector:4318 true", "database.max_conns": "8 false", "database.compress_after": "168h0m0s false", "proxy.tls": " false"} {
		if got, ok := values[key]; !ok || got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}
