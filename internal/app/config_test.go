package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func environ(t *testing.T) {
	t.Helper()
	t.Setenv("VAULT_ADDR", "")
	t.Setenv("VAULT_TOKEN", "t")
	t.Setenv("SENTINEL_DATABASE_URL", "postgres://u:p@127.0.0.1:5432/d")
}

func TestExampleLoads(t *testing.T) {
	environ(t)
	c, err := LoadConfig("../../examples/sentinel.yaml")
	if err != nil {
		t.Fatal(err)
	}
	state, err := LoadState(c.Policies)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ForEnvoy(state).Validate(); err != nil {
		t.Errorf("the example's Envoy configuration: %v", err)
	}
}

func TestEveryFaultAtOnce(t *testing.T) {
	environ(t)
	t.Setenv("SENTINEL_DATABASE_URL", "")
	file := filepath.Join(t.TempDir(), "sentinel.yaml")
	text := "control: {listen: nowhere}\nspool: {mode: fast}\nlog: {level: info warn}\naudit: {verdicts: [deny, forget]}\nredis: {timeout: 2m}\nvault: {addrress: x}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := LoadConfig(file)
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, want := range []string{
		"control.listen: \"nowhere\" is not host:port", "spool.mode: \"fast\"", "log.level: \"info warn\"", "redis.timeout: 2m0s is outside",
		"vault.addrress: unknown key: did you mean address?", "SENTINEL_DATABASE_URL", "VAULT_ADDR",
		`audit.verdicts: "forget" is not a verdict`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the faults\n%s\nhave no %q", err, want)
		}
	}
}

// What has no sign-in of its own is reached from this machine alone, unless the operator says that its network is Envoys' alone.
func TestPortsWithoutSignInStayOnLoopback(t *testing.T) {
	environ(t)
	t.Setenv("VAULT_ADDR", "http://127.0.0.1:8200")
	for text, fault := range map[string]string{
		`control: {listen: "0.0.0.0:18000"}`:                        "control.listen",
		`control: {listen: ":18000"}`:                               "control.listen",
		`control: {listen: "10.1.2.3:18000", advertise: "a:1"}`:     "set control.private_network",
		`control: {listen: "0.0.0.0:18000", private_network: true}`: "",
		`control: {listen: "127.0.0.9:18000"}`:                      "",
		`control: {listen: "[::1]:18000"}`:                          "",
		`control: {listen: "localhost:18000"}`:                      "",
		`envoy: {admin: "0.0.0.0:9901"}`:                            "envoy.admin",
		`envoy: {admin: "127.0.0.1:9901"}`:                          "",
		`debug: {listen: "0.0.0.0:18006"}`:                          "debug.listen",
		`envoy: {max_heap_bytes: 1000000}`:                          "envoy.max_heap_bytes",
		`envoy: {max_heap_bytes: 500000000}`:                        "",
	} {
		file := filepath.Join(t.TempDir(), "sentinel.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadConfig(file); (err != nil) != (fault != "") || err != nil && !strings.Contains(err.Error(), fault) {
			t.Errorf("%s gives %v, want a fault of %q", text, err, fault)
		}
	}
}

// A call whose processor died must not be booked before Envoy's access log can say what became of it.
func TestCallsAreReconciledAfterEnvoysLogIsWritten(t *testing.T) {
	environ(t)
	t.Setenv("VAULT_ADDR", "http://127.0.0.1:8200")
	for text, fault := range map[string]bool{
		"envoy: {access_log: a.log}\nreconcile: {after: 10s}\n":                         true,
		"envoy: {access_log: a.log}\nreconcile: {after: 11s}\n":                         false,
		"envoy: {access_log: a.log, access_log_flush: 500ms}\nreconcile: {after: 1s}\n": false,
		"envoy: {access_log: a.log, access_log_flush: 2m}\n":                            true,
		"envoy: {access_log: /dev/stdout}\nreconcile: {after: 1s}\n":                    false, // nobody here reads it
		"reconcile: {after: 1s}\naudit: {verdicts: [deny]}\n":                           false,
	} {
		file := filepath.Join(t.TempDir(), "sentinel.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadConfig(file); (err != nil) != fault || fault && !strings.Contains(err.Error(), "is not above envoy.access_log_flush") {
			t.Errorf("%s gives %v", text, err)
		}
	}
}
