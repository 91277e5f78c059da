package app

import (
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/envoy"
	"github.com/saas-sentinel/saas-sentinel/governor"
)

func TestACallThatTheLedgerLacksForLongIsDrift(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	call := func(n byte, age time.Duration) envoy.Seen {
		return envoy.Seen{Call: sentinel.CallID{n}, Began: now.Add(-age).UnixMilli(), Told: true, Reached: true}
	}
	d := doubts{}
	d.add([]envoy.Seen{call(1, time.Hour), call(2, time.Hour), call(3, time.Minute)})
	if lost := d.settle(map[sentinel.CallID]bool{{1}: true}, now); len(lost) != 1 || lost[0].Call != (sentinel.CallID{2}) {
		t.Errorf("lost are %+v, want call 2", lost)
	}
	if ids := d.calls(); len(ids) != 1 || ids[0] != (sentinel.CallID{3}) {
		t.Errorf("in doubt are %v, want call 3", ids)
	}
	d.add(make([]envoy.Seen, 2*maxDoubts))
	if len(d.open) != maxDoubts {
		t.Errorf("%d are in doubt, want %d at most", len(d.open), maxDoubts)
	}
}

func TestTheWitnessReadsAFile(t *testing.T) {
	for name, tt := range map[string]struct{ log, witness, want string }{
		"no log":                 {"", "", ""},
		"standard output":        {"/dev/stdout", "", ""},
		"a file":                 {"/log/access.json", "", "/log/access.json"},
		"standard output twice":  {"/dev/stdout", "/log/witness.json", "/log/witness.json"},
		"a file, and one's own":  {"/log/access.json", "/log/witness.json", "/log/witness.json"},
		"no log, but a file too": {"", "/log/witness.json", "/log/witness.json"},
	} {
		c := Config{Envoy: EnvoyConfig{AccessLog: tt.log, Witness: tt.witness}}
		if got := c.witnessed(); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestWithoutAnAccessLogThereIsNoEvidence(t *testing.T) {
	if e := (&App{}).evidence(sentinel.CallID{1}); e != (governor.Evidence{}) {
		t.Errorf("evidence is %+v", e)
	}
}
