package governor_test

import (
	"net/http"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
)

const severalKeys = `  several:
    preset: openai
    credential:
      vault: secret/openai#main
      weight: 3
      also:
        - {vault: secret/openai#second}
        - {vault: secret/openai#free, teams: [free]}
`

// keys counts the credentials that so many calls of a service go out with, and gives a ticket of each.
func (w *world) keys(service string, calls int) (counts map[int]int, tickets map[int]*governor.Ticket) {
	w.Helper()
	counts, tickets = map[int]int{}, map[int]*governor.Ticket{}
	for range calls {
		a := w.admit(w.request(service, "several/chat.completions", large))
		if a.Verdict.Action != sentinel.Allow {
			w.Fatalf("judged %+v", a.Verdict)
		}
		counts[a.Ticket.Key]++
		tickets[a.Ticket.Key] = &a.Ticket
	}
	return counts, tickets
}

func TestCredentialsAreChosenByWeightAndTeam(t *testing.T) {
	w := newWorld(t, severalKeys)
	w.Pauses = wishes{}
	counts, tickets := w.keys("app", 400)
	if counts[0] < 240 || counts[1] < 50 || counts[2] != 0 { // 300 and 100 are expected; each bound is over 5 standard deviations away
		t.Errorf("of 400 calls %v went out by each credential, want three quarters with the first and none with the other team's", counts)
	}
	for n, want := range map[int]string{0: "main", 1: "second"} {
		again, err := governor.ParseTicket(tickets[n].Encode())
		if got := w.Route(&again).Provider.Credential.Field; err != nil || got != want {
			t.Errorf("the answer's stage finds credential %q, %v; want %q", got, err, want)
		}
	}
	if counts, _ := w.keys("loose", 50); counts[2] != 50 {
		t.Errorf("of 50 calls of the team with a credential of its own %v went out by each", counts)
	}
}

func TestARefusedCredentialIsLeftOut(t *testing.T) {
	w := newWorld(t, severalKeys)
	w.Pauses = wishes{}
	_, tickets := w.keys("app", 100)
	if w.Quarantine(tickets[0], http.StatusForbidden) || w.Quarantine(tickets[0], http.StatusInternalServerError) {
		t.Error("an answer that says nothing of the credential left it out")
	}
	if !w.Quarantine(tickets[0], http.StatusUnauthorized) {
		t.Fatal("a refused credential was not left out")
	}
	if counts, _ := w.keys("app", 100); counts[1] != 100 {
		t.Errorf("of 100 calls %v went out by each credential, want all with the second", counts)
	}
	// With none left, calls are told to come again.
	w.Quarantine(tickets[1], http.StatusUnauthorized)
	a := w.admit(w.request("app", "several/chat.completions", large))
	if a.Verdict.Reason != sentinel.ReasonProviderLimit {
		t.Errorf("with every credential left out: %+v", a.Verdict)
	}
	one := newWorld(t, "")
	one.Pauses = wishes{}
	alone := one.admit(one.request("app", chat, large))
	if one.Quarantine(&alone.Ticket, http.StatusUnauthorized) {
		t.Error("the only credential of a provider was left out")
	}
}

func TestACredentialWithoutQuotaIsLeftOutForThatModel(t *testing.T) {
	w := newWorld(t, severalKeys)
	w.Pauses = wishes{}
	_, tickets := w.keys("app", 100)
	silent := func(string) string { return "" }
	if d := w.Heed(tickets[0], http.StatusTooManyRequests, silent, nil); d <= 0 {
		t.Fatal("an answer 429 without a time left nothing out")
	}
	if counts, _ := w.keys("app", 100); counts[1] != 100 {
		t.Errorf("of 100 calls %v went out by each credential, want all with the second", counts)
	}
	other := w.admit(w.request("app", "several/chat.completions", `{"model":"gpt-5-mini","max_completion_tokens":10,"messages":[]}`))
	if other.Verdict.Action != sentinel.Allow {
		t.Errorf("another model was judged %+v", other.Verdict)
	}
	if w.Heed(tickets[1], http.StatusTooManyRequests, func(name string) string {
		if name == "retry-after" {
			return "30"
		}
		return ""
	}, nil); w.admit(w.request("app", "several/chat.completions", large)).Verdict.Action != sentinel.Throttle {
		t.Error("with every credential without quota the call went out")
	}
}

// TestLimitsOfACredentialCountTheOneThatIsUsed: the cell that a call is held in is that of the credential in its ticket, and so says its record;
// after a credential was refused, too.
func TestLimitsOfACredentialCountTheOneThatIsUsed(t *testing.T) {
	w := newWorld(t, severalKeys+"policies: [{name: key, limits: {requests: 900/day}, per: [credential]}]\n")
	w.Pauses = wishes{}
	places := map[int]string{0: "main", 1: "second", 2: "free"}
	check := func(service string, calls int) map[int]int {
		seen := map[int]int{}
		for range calls {
			a := w.admit(w.request(service, "several/chat.completions", large))
			key := a.Ticket.Key
			seen[key]++
			asked := w.limiter.asks[len(w.limiter.asks)-1].Candidates[0].Limits
			if cell := asked[len(asked)-1].Cell; cell != "rule/key/requests/day/credential/secret%2fopenai#"+places[key] {
				t.Errorf("a call by credential %d is counted in %s", key, cell)
			}
			intent := w.journal.intents[len(w.journal.intents)-1]
			if again, err := governor.ParseTicket(a.Ticket.Encode()); err != nil || again.Call.Demand != intent.Demand || intent.Demand.Credential() != sentinel.Fingerprint("secret/openai#"+places[key]) {
				t.Errorf("a call by credential %d is recorded as %q, and its ticket says %q, %v", key, intent.Demand, again.Call.Demand, err)
			}
			if wanted, ok := intent.Demand.Read(); !ok || wanted.Credential != intent.Demand.Credential() {
				t.Errorf("the record %q reads as %+v, %v", intent.Demand, wanted, ok)
			}
			if key == 0 && seen[0] == calls/4 {
				w.Quarantine(&a.Ticket, http.StatusUnauthorized)
			}
		}
		return seen
	}
	if seen := check("app", 80); seen[0] != 20 || seen[1] != 60 {
		t.Errorf("%v calls went out by each credential, want 20 until the first was refused, and 60 by the second", seen)
	}
	if seen := check("loose", 5); seen[2] != 5 {
		t.Errorf("%v calls of the team went out by each credential, want all by its own", seen)
	}
}
