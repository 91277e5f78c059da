package envoy

import (
	"os/exec"
	"strings"
	"testing"
)

// The rules are what the programs that load them accept; what they do is shown end to end with namespaces.
func TestRulesAreAcceptedByTheirPrograms(t *testing.T) {
	for name, r := range map[string]Rules{
		"sidecar": {Redirected: "127.0.0.1:15001", Except: 101}, "node": {Redirected: "0.0.0.0:15001", Interfaces: []string{"cni0", "veth+"}},
		"IPv6": {Redirected: "[::1]:15001"},
	} {
		text, err := r.NFTables()
		if err != nil || !strings.Contains(text, "redirect to :15001") {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
		script, err := r.IPTables()
		if err != nil || !strings.Contains(script, "REDIRECT --to-ports 15001") {
			t.Errorf("%s: %v\n%s", name, err, script)
		}
		for program, cmd := range map[string]*exec.Cmd{
			"nft": exec.Command("unshare", "-n", "nft", "-f", "-"), "iptables": exec.Command("unshare", "-n", "sh"),
		} {
			if _, err := exec.LookPath(program); err != nil || exec.Command("unshare", "-n", "true").Run() != nil {
				t.Logf("%s was not asked: it is not here, or namespaces need root", program)
				continue
			}
			cmd.Stdin = strings.NewReader(map[string]string{"nft": text + text, "iptables": script + script}[program]) // twice is as good as once
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v: %s\n%s", name, program, err, out, map[string]string{"nft": text, "iptables": script}[program])
			}
		}
	}
}

func TestRulesThatCannotWorkAreRefused(t *testing.T) {
	for want, r := range map[string]Rules{
		"set it first":                  {},
		"another port than 443":         {Redirected: "127.0.0.1:443"},
		"from this machine alone":       {Redirected: "127.0.0.1:15001", Interfaces: []string{"cni0"}},
		"not the name of a network int": {Redirected: "0.0.0.0:15001", Interfaces: []string{"a; reboot"}},
		"no number below 0":             {Redirected: "127.0.0.1:15001", Except: -1},
	} {
		for _, write := range []func(Rules) (string, error){Rules.NFTables, Rules.IPTables} {
			if text, err := write(r); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v, want %q; printed %q", r, err, want, text)
			}
		}
	}
}
