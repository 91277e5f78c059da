package policy

import (
	"strings"
	"testing"
)

// addressed is a policy with two services that are known by where they come from.
const addressed = `org: acme
teams: {core: {}}
services:
  wide: {team: core, identity: {addresses: [10.2.0.0/16, "fd00::/8"]}}
  narrow: {team: core, identity: {addresses: [10.2.3.4, 10.2.5.0/24]}}
egress: {others: {"*": tunnel}}
`

func TestTheSmallestNetworkSaysWhoCalls(t *testing.T) {
	set, err := Compile(File{Name: "p.yaml", Data: []byte(addressed)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]string{
		"10.2.3.4": "narrow", "10.2.3.5": "wide", "10.2.5.255": "narrow", "10.3.0.1": "", "fd00::7": "wide", "fe80::1": "",
		"::ffff:10.2.3.4": "narrow", "": "", "none": "",
	} {
		if c, ok := set.CallerByAddress(source); c.Service != want || ok != (want != "") {
			t.Errorf("%q is %q, %v; want %q", source, c.Service, ok, want)
		}
	}
}

func TestNetworksThatAreNobodysOwnAreRefused(t *testing.T) {
	for list, want := range map[string]string{
		"[0.0.0.0/0]": "not an address or a network", "[10.2.3.4/40]": "not an address or a network", "[here]": "not an address or a network",
		"[10.2.9.9/16]": "the same network 10.2.0.0/16", `["::ffff:10.2.3.4"]`: "not an address or a network", "[]": "say how the service is recognised",
	} {
		text := strings.Replace(addressed, "[10.2.3.4, 10.2.5.0/24]", list, 1)
		if _, err := Compile(File{Name: "p.yaml", Data: []byte(text)}, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", list, err, want)
		}
	}
}

func TestFrontsOfHiddenHostsNeedTheirOwnName(t *testing.T) {
	for name, tt := range map[string]struct {
		egress string
		want   Passage
	}{
		"all hosts":          {`{others: {"*": tunnel}}`, PassDeny},
		"its own name":       {`{others: {"*": deny, cloudflare-ech.com: alert}}`, PassAlert},
		"ECH is let through": {`{others: {"*": tunnel}, ech: tunnel}`, PassTunnel},
		"and all are not":    {`{others: {"*.com": deny}, ech: tunnel}`, PassDeny},
	} {
		set, err := Compile(File{Name: "p.yaml", Data: []byte(strings.Replace(addressed, `{others: {"*": tunnel}}`, tt.egress, 1))}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := set.Egress.Of("Cloudflare-ECH.com").Then; got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		if got := set.Egress.Of("example.org").Then; got != PassDeny && strings.Contains(tt.egress, "deny") {
			t.Errorf("%s: another host is %v", name, got)
		}
	}
}
