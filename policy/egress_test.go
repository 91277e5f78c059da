package policy

import (
	"strings"
	"testing"
)

const egressFile = `org: acme
teams: {core: {}}
services:
  job: {team: core, identity: {token: svc_12345678}}
egress:
  others: {"*": alert, "*.example.com": tunnel, x.example.com: deny, files.internal: {then: tunnel, address: "10.0.0.9:8443"}}
`

func TestTheLongestNameDecidesOnAnotherHost(t *testing.T) {
	s, err := Compile(File{Name: "p.yaml", Data: []byte(egressFile)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]Passage{
		"a.example.com": PassTunnel, "a.b.example.com": PassTunnel, "X.example.com": PassDeny, "example.com": PassAlert, "notexample.com": PassAlert,
		"files.internal": PassTunnel,
	} {
		if got := s.Egress.Of(host).Then; got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
	if got := (Egress{}).Of("example.com").Then; got != PassDeny {
		t.Errorf("without a word on it a host is %s", got)
	}
}

func TestFaultsOfEgressNameTheirPlace(t *testing.T) {
	for change, want := range map[string]string{
		`"*": alert->"*": open`:              "use deny, tunnel, alert",
		`x.example.com:->10.0.0.1:`:          "is not a host",
		`"10.0.0.9:8443"->"10.0.0.9"`:        "ip:port of one host",
		`files.internal: {->"*.internal": {`: "not of a pattern",
	} {
		was, is, _ := strings.Cut(change, "->")
		text := strings.Replace(egressFile, was, is, 1)
		if _, err := Compile(File{Name: "p.yaml", Data: []byte(text)}, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", change, err, want)
		}
	}
}
