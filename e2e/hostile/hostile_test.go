package hostile

import (
	"cmp"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

var table = flag.Bool("table", false, "print every attack with what became of it")

// attack is one hostile case. Its rules are checked against what reached the provider, the ledger, the client and
// everything that is written down.
type attack struct {
	family, name string
	raw          string                   // what is written to a socket
	play         func(s *stand) []answer  // instead of raw: several steps
	provider     http.HandlerFunc         // answers in the provider's place
	status       int                      // of the answer; 0 for none, or any
	reason       string                   // that a refusal must give; "" where the call is not refused by the gateway
	hits         int                      // that the provider may see
	lost         int                      // admitted calls that cannot reach a provider
	holds        func(s *stand, x answer) // more that must be so
}

// envoyRefuses is the reason of what Envoy's own reading refuses: its access log says which.
const envoyRefuses = "envoy"

// families in the order of the table.
func attacks() []attack {
	var all []attack
	for _, f := range []struct {
		name string
		list []attack
	}{
		{"fail-open", failOpen()}, {"wrong destination", wrongDestination()}, {"identity", identity()}, {"identity", callers()}, {"wrong destination", throughTheProxy()}, {"HTTP parsing", httpParsing()},
		{"body parsing", bodyParsing()}, {"cost evasion", costEvasion()}, {"leaks", leaks()}, {"admin", admin()}, {"admin", onAdmins()}, {"admin", onCallbacks()}, {"leaks", told()}, {"availability", availability()}, {"HTTP/2", http2Attacks()}, {"", outside()},
	} {
		for _, a := range f.list {
			a.family = cmp.Or(a.family, f.name)
			all = append(all, a)
		}
	}
	return all
}

func TestHostile(t *testing.T) {
	s := newStand(t)
	s.settle()
	var lines []string
	for _, a := range attacks() {
		ok := t.Run(strings.ReplaceAll(a.family+"/"+a.name, " ", "_"), func(t *testing.T) {
			s.TB = t
			s.run1(a)
		})
		s.TB = t
		verdict := "held"
		if !ok {
			verdict = "BROKEN"
		}
		lines = append(lines, fmt.Sprintf("%-18s %-62s %4d  %-20s %s", a.family, a.name, a.status, a.reason, verdict))
		if s.Failed() && s.child.ProcessState != nil {
			t.Fatal("sentinel has ended")
		}
	}
	s.explained()
	t.Logf("%d attacks; ready again within %s at the slowest, %d times at the second try", len(lines), s.slowest.Round(time.Millisecond), s.late)
	if *table {
		fmt.Printf("%-18s %-62s %4s  %-20s %s\n%s\n", "family", "attack", "HTTP", "reason", "", strings.Join(lines, "\n"))
	}
	if len(lines) < 120 {
		t.Errorf("%d attacks, want at least 120", len(lines))
	}
}

// settle makes the first ordinary call, so that the tables and counters exist.
func (s *stand) settle() {
	s.Helper()
	s.eventually("the gateway serves", s.serves)
}

// run1 carries out one attack and holds the rules.
func (s *stand) run1(a attack) {
	s.Helper()
	before := s.provider.hits()
	s.provider.answering(a.provider)
	var answers []answer
	if a.play != nil {
		answers = a.play(s)
	} else {
		x, err := s.send(a.raw)
		if err != nil {
			s.Errorf("no answer: %v", err)
		}
		answers = []answer{x}
	}
	s.provider.answering(nil)
	for _, x := range answers {
		if a.status != 0 && x.status != a.status {
			s.Errorf("answered %d %s, want %d", x.status, x.raw, a.status)
		}
		if x.answers > 1 {
			s.Errorf("one request got %d answers", x.answers)
		}
		s.refused(a, x)
		if a.holds != nil {
			a.holds(s, x)
		}
	}
	s.check(before, a, answers)
}

// refused holds that a refusal has exactly one reason, and that it is the expected one.
func (s *stand) refused(a attack, x answer) {
	s.Helper()
	reasons := x.reasons()
	switch {
	case a.reason == envoyRefuses:
		if len(reasons) > 0 || x.status >= 200 && x.status < 400 {
			s.Errorf("answered %d with reasons %q, want a refusal of Envoy", x.status, reasons)
		}
		if x.status > 0 {
			s.silent++
		}
	case a.reason == "" && len(reasons) > 0:
		s.Errorf("refused with %q %s", reasons, x.body)
	case a.reason != "" && (len(reasons) != 1 || reasons[0] != a.reason):
		s.Errorf("answered %d with reasons %q, want %s: %s", x.status, reasons, a.reason, x.body)
	}
}

// explained holds that Envoy's own refusals stand in its access log, each with a reason.
func (s *stand) explained() {
	s.Helper()
	s.eventually(fmt.Sprintf("the access log explains %d refusals", s.silent), func() bool {
		n := 0
		for line := range strings.Lines(string(s.files("access.log"))) {
			if strings.Contains(line, `"call":null`) && !strings.Contains(line, `"details":null`) {
				n++
			}
		}
		return n >= s.silent
	})
}
