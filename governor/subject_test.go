package governor_test

import (
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestEndUsersAreReadWhereThePolicyWantsThem(t *testing.T) {
	const perUser = "subjects: {session: {header: x-session}}\npolicies: [{name: fair, limits: {requests: 5/minute}, per: [user, session]}]\n"
	cell := func(rules, body, session string) string {
		w := newWorld(t, rules)
		r := w.request("loose", chat, body)
		r.Raw.Header = func(name string) string { return map[string]string{"x-session": session}[name] }
		w.admit(r)
		if len(w.limiter.asks) == 0 {
			return string(w.journal.intents[0].Demand)
		}
		return w.limiter.asks[0].Candidates[0].Limits[0].Cell
	}
	with := func(member string) string { return strings.Replace(large, "{", "{"+member+",", 1) }
	pseudonym := sentinel.Pseudonym("acme", "user", "ada")
	for name, body := range map[string]string{"user": with(`"user":"ada"`), "safety_identifier": with(`"user":"bob","safety_identifier":"ada"`), "metadata": with(`"metadata":{"user_id":"ada"}`)} {
		if got := cell(perUser, body, "s1"); got != "rule/fair/requests/minute/user/"+pseudonym+"/session/"+sentinel.Pseudonym("acme", "session", "s1") {
			t.Errorf("%s: the counter is %s", name, got)
		}
	}
	if got := cell(perUser, large, ""); got != "rule/fair/requests/minute/user//session/" {
		t.Errorf("a call for nobody is counted as %s", got)
	}
	if got := cell("", with(`"user":"ada"`), "s1"); strings.Contains(got, pseudonym) {
		t.Errorf("the ledger keeps %s, and nobody wants to know", got)
	}
	if got := cell("subjects: {user: {body: user}}\n", with(`"user":"ada"`), "s1"); !strings.Contains(got, pseudonym) {
		t.Errorf("the ledger keeps %s, and the policy names the end user", got)
	}
}
