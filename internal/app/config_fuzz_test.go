package app

import (
	"os"
	"strings"
	"testing"
)

// FuzzReadConfig: no text panics, every fault names the file or what the environment lacks, and what is accepted is within the bounds that
// the rest of the program relies on.
func FuzzReadConfig(f *testing.F) {
	example, err := os.ReadFile("../../examples/sentinel.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	for _, seed := range []string{
		"{}", "vault: {login: {method: kubernetes, role: x}}", "redis: {address: []}", "envoy: {hosts: [a], listen: '0.0.0.0:1'}", "spool: {max_bytes: -1}",
		"telemetry: {sample_percent: 101}", "vault: {refresh: 1h, max_stale: 1s}", "files: {dir: ../..}", "debug: {listen: '0.0.0.0:1'}", "proxy: {certificate_life: 100000h}",
	} {
		f.Add([]byte(seed))
	}
	f.Setenv("SENTINEL_DATABASE_URL", "postgres://x@127.0.0.1/x")
	f.Setenv("VAULT_ADDR", "http://127.0.0.1:8200")
	f.Setenv("VAULT_TOKEN", "")
	f.Setenv("VAULT_ROLE_ID", "role")
	f.Setenv("VAULT_SECRET_ID", "secret")
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := readConfig("fuzz.yaml", data)
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "fuzz.yaml") {
					t.Errorf("no place in %q", line)
				}
			}
			return
		}
		if c.Vault.MaxStale < c.Vault.Refresh || c.Envoy.MaxBody > 64<<20 || c.Envoy.MaxBody < 1024 || len(c.Redis.Address) == 0 || c.Redis.Timeout <= 0 {
			t.Errorf("accepted beyond its bounds: %+v", c)
		}
		if c.Debug.Listen != "" && !loopback(c.Debug.Listen) {
			t.Errorf("profiles at %q", c.Debug.Listen)
		}
	})
}
