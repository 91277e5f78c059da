package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const soundPolicy = `org: acme
teams: {a: {}}
services: {one: {team: a, identity: {token: token-of-one}}}
providers: {openai: {preset: openai, credential: "vault:secret/openai#api_key"}}
`

// TestBadInputIsOneClearSentenceAndCode2 runs the binary on what operators get wrong.
func TestBadInputIsOneClearSentenceAndCode2(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = busy.Close() }) // after the parallel cases
	for name, tt := range map[string]struct {
		config, policy string
		args           []string
		want           []string // all on stderr
	}{
		"unknown key":           {policy: soundPolicy + "budgets: {}\n", args: []string{"policy", "check", "policies.yaml"}, want: []string{"policies.yaml:5:1: budgets: unknown key", "budget"}},
		"two services, a token": {policy: strings.Replace(soundPolicy, "services: {", "services: {two: {team: a, identity: {token: token-of-one}}, ", 1), args: []string{"policy", "check", "policies.yaml"}, want: []string{"one and two have the same token"}},
		"negative budget":       {policy: strings.Replace(soundPolicy, "a: {}", "a: {budget: {usd: -1/day}}", 1), args: []string{"policy", "check", "policies.yaml"}, want: []string{"policies.yaml:2:", "teams.a.budget[0].usd", "below 0"}},
		"no policy file":        {policy: soundPolicy, args: []string{"policy", "check", "nothing.yaml"}, want: []string{"nothing.yaml", "no such file"}},
		"unknown config key":    {policy: soundPolicy, config: "redi: {}\n", args: []string{"run"}, want: []string{"sentinel.yaml:1:1: redi: unknown key: did you mean redis?"}},
		"port in use":           {policy: soundPolicy, config: "control: {listen: \"" + busy.Addr().String() + "\"}\n", args: []string{"run"}, want: []string{"control.listen", "in use", "choose another port"}},
		"unreachable database":  {policy: soundPolicy, config: "control: {listen: \"127.0.0.1:0\"}\nmetrics: {listen: \"\"}\nadmin: {listen: \"\"}\nredis: {address: embedded}\n", args: []string{"run"}, want: []string{"database at 127.0.0.1:1", "refused"}},
		"unknown flag":          {policy: soundPolicy, args: []string{"run", "--nonsense"}, want: []string{"--nonsense"}},
		"unknown command":       {policy: soundPolicy, args: []string{"rum"}, want: []string{"rum"}},
		"no Envoy":              {policy: soundPolicy, args: []string{"demo", "--once", "--dir", "d", "--tools", "empty"}, want: []string{"make tools"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range map[string]string{"policies.yaml": tt.policy, "sentinel.yaml": tt.config} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			env := []string{"VAULT_ADDR=http://127.0.0.1:1", "VAULT_TOKEN=t", "SENTINEL_DATABASE_URL=postgres://u:p@127.0.0.1:1/d"}
			code, stdout, stderr := sentinelIn(t, dir, env, tt.args...)
			if code != 2 || stdout != "" {
				t.Errorf("sentinel %q ended with %d and printed %q; want 2 and nothing", tt.args, code, stdout)
			}
			for _, w := range tt.want {
				if !strings.Contains(stderr, w) {
					t.Errorf("sentinel %q said\n%s\nwant %q in it", tt.args, stderr, w)
				}
			}
			if lines := strings.Count(strings.TrimSpace(stderr), "\n") + 1; lines > 1 {
				t.Errorf("sentinel %q said %d lines:\n%s", tt.args, lines, stderr)
			}
		})
	}
}
