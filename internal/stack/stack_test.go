package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/saas-sentinel/saas-sentinel/internal/envoytest"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

const (
	tools   = "../../.tools"
	clients = "../../examples/clients"
)

func newStack(t *testing.T) *Stack {
	t.Helper()
	s, err := New(Options{Dir: t.TempDir(), Tools: tools, Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// need skips when a component is not installed, unless E2E=must.
func need(t *testing.T, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), "run make tools") && os.Getenv("E2E") != "must" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestCloseStopsInReverse(t *testing.T) {
	s := newStack(t)
	var got []int
	for i := range 3 {
		s.OnClose(func() { got = append(got, i) })
	}
	s.Close()
	s.OnClose(func() { got = append(got, 9) }) // too late: stopped at once
	s.Close()
	if want := []int{2, 1, 0, 9}; !slices.Equal(got, want) {
		t.Errorf("stopped in order %v, want %v", got, want)
	}
}

func TestFreePortsAreDifferentAndFree(t *testing.T) {
	ports, err := FreePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ports)
	if n := len(slices.Compact(slices.Clone(ports))); n != 20 {
		t.Errorf("%d different ports of 20: %v", n, ports)
	}
}

func TestRedisIsGoneAfterClose(t *testing.T) {
	s := newStack(t)
	addr, err := s.Redis()
	need(t, err)
	reachable := func() bool {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}
	if !reachable() {
		t.Errorf("%s is not reachable after the start", addr)
	}
	s.Close()
	if reachable() {
		t.Errorf("%s is reachable after Close", addr)
	}
}

// A bootstrap of an admin page alone is enough for Envoy to be ready.
func TestEnvoyServesAndItsFaultsAreQuoted(t *testing.T) {
	s := newStack(t)
	ports, err := FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	admin := fmt.Sprintf("127.0.0.1:%d", ports[0])
	bootstrap := fmt.Sprintf("admin: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}\n", ports[0])
	_, err = s.Envoy(t.Context(), []byte(bootstrap), envoytest.Options{Admin: admin, Concurrency: 1})
	need(t, err)
	s.Close()
	s = newStack(t)
	_, err = s.Envoy(t.Context(), []byte("nonsense: true\n"), envoytest.Options{Admin: admin})
	if err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("Envoy with a wrong bootstrap: %v, want its own words", err)
	}
}

// Every real component, at once and in one directory, as the demo starts them.
func TestDatabasesAndVaultStartSideBySide(t *testing.T) {
	s := newStack(t)
	addresses := map[string]bool{}
	for _, start := range []func() (string, error){
		s.Postgres, s.Timescale, func() (string, error) { addr, _, err := s.OpenBao(); return addr, err },
	} {
		dsn, err := start()
		need(t, err)
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		addresses[u.Host] = true
	}
	if len(addresses) != 3 {
		t.Errorf("addresses %v, want three", addresses)
	}
	s.Close()
	for addr := range addresses {
		if c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr); err == nil {
			_ = c.Close()
			t.Errorf("%s is reachable after Close", addr)
		}
	}
}

func TestMissingComponentsAreOneSentenceWithTheRemedy(t *testing.T) {
	t.Setenv("PATH", "") // whatever this machine has installed
	s, err := New(Options{Dir: t.TempDir(), Tools: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, start := range map[string]func() error{
		"Redis":       func() error { _, err := s.Redis(); return err },
		"PostgreSQL":  func() error { _, err := s.Postgres(); return err },
		"TimescaleDB": func() error { _, err := s.Timescale(); return err },
		"OpenBao":     func() error { _, _, err := s.OpenBao(); return err },
		"Envoy":       func() error { _, err := s.Envoy(t.Context(), nil, envoytest.Options{}); return err },
		"Python":      func() error { _, err := s.Python(t.Context(), "x.py"); return err },
	} {
		err := start()
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "run make tools") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s without tools: %v, want one sentence with the remedy", name, err)
		}
	}
}

// The official clients, unchanged but for base URL and key, accept what the stand-ins say.
func TestOfficialClientsAcceptTheStandIns(t *testing.T) {
	s := newStack(t)
	c := mockapi.DefaultConfig()
	c.Accept = map[string][]string{
		"openai": {"sk-test"}, "stripe": {"sk_test"}, "s3": {"AKIATEST:a/secret+of=mine"}, "bedrock": {"AKIATEST:a/secret+of=mine"},
		"gemini": {"AIza-test"}, "vertex": {"ya29-test"}, "twilio": {"SK-test"},
	}
	m, err := s.Mock(c)
	if err != nil {
		t.Fatal(err)
	}
	env := []string{
		"OPENAI_BASE_URL=http://" + m.Addr + "/openai/v1", "OPENAI_API_KEY=sk-test",
		"STRIPE_BASE_URL=http://" + m.Addr + "/stripe", "STRIPE_API_KEY=sk_test",
		"BEDROCK_URL=http://" + m.Addr + "/bedrock", "S3_URL=http://" + m.Addr + "/s3",
		"AWS_ACCESS_KEY_ID=AKIATEST", "AWS_SECRET_ACCESS_KEY=a/secret+of=mine", "MAX_TOKENS=43",
		"GEMINI_BASE_URL=http://" + m.Addr + "/gemini", "GEMINI_API_KEY=AIza-test",
		"VERTEX_BASE_URL=http://" + m.Addr + "/vertex/v1", "VERTEX_TOKEN=ya29-test",
		"TWILIO_BASE_URL=http://" + m.Addr + "/twilio", "SERVICE_TOKEN=SK-test", "TWILIO_ACCOUNT_SID=AC0123",
	}
	for script, want := range map[string]map[string]any{
		"openai_chat.py":             {"model": "gpt-5-mini"},
		"openai_stream.py":           {"tokens": 43.0, "chunks_without_choices": 0.0, "hung_up": false},
		"stripe_charge.py":           {"status": "succeeded", "amount": 2000.0},
		"bedrock_converse.py":        {"stop": "max_tokens"},
		"bedrock_converse_stream.py": {"stop": "max_tokens", "pieces": 43.0},
		"gemini_generate.py":         {"model": "gemini-2.5-flash", "pieces": 19.0, "hung_up": false}, // and 24 thoughts
		"vertex_claude.py":           {"pieces": 43.0},
		"openai_speech.py":           {"events": 69.0}, // 45 characters at 1.5 tokens, and the end
		"twilio_message.py":          {"status": "queued", "segments": "1"},
		"s3_roundtrip.py":            {"same": true, "size": 70000.0, "listed": true},
	} {
		t.Run(script, func(t *testing.T) {
			out, err := s.Python(t.Context(), filepath.Join(clients, script), env...)
			need(t, err)
			var got map[string]any
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for key, value := range want {
				if got[key] != value {
					t.Errorf("%s = %v, want %v in %s", key, got[key], value, out)
				}
			}
		})
	}
	if stats := m.Stats(); stats.Providers["s3"].Calls != 5 || stats.Providers["openai"].Calls != 3 {
		t.Errorf("the stand-ins counted %+v", stats.Providers)
	}
}

func TestScriptThatFailsGivesItsOutputAndItsLastLine(t *testing.T) {
	s := newStack(t)
	script := filepath.Join(t.TempDir(), "fails.py")
	if err := os.WriteFile(script, []byte("print('so far')\nraise SystemExit('no luck')\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := s.Python(t.Context(), script)
	if errors.Is(err, os.ErrNotExist) {
		need(t, err)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(err.Error(), "no luck") || string(out) != "so far\n" {
		t.Errorf("output %q, error %v, want both what it printed and why it ended", out, err)
	}
}
