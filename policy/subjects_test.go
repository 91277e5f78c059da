package policy

import (
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

const subjectsHead = "org: acme\nteams: {a: }\nservices: {s: {team: a, identity: {token: abcdefgh}}, t: {team: a, identity: {token: abcdefgi}}}\n" +
	"providers: {openai: {preset: openai, credential: secret/a#b}}\n"

func TestEndUsersAndSessionsHaveLimitsOfTheirOwn(t *testing.T) {
	set, err := Compile(File{Name: "p", Data: []byte(subjectsHead + "subjects: {session: {header: X-Session, body: [metadata.session]}}\npolicies:\n" +
		"  - {name: fair, limits: {requests: 5/minute}, per: [user]}\n  - {name: run, budget: {usd: 1/day}, per: [service, session]}\n  - {name: all, limits: {concurrent: 9}}\n")}, Options{Presets: []string{"openai"}})
	if err != nil {
		t.Fatal(err)
	}
	if set.User.Header != "" || len(set.User.Body) != 3 || set.Session.Header != "x-session" || !set.CountsSubjects() {
		t.Errorf("users are read from %+v, sessions from %+v", set.User, set.Session)
	}
	cells := func(service, user, session string) string {
		w := sentinel.Wanted{Choices: 1}
		set.Name(&w, user, session)
		caller, _ := set.Caller(service)
		call := sentinel.Call{Caller: caller, Provider: "openai", Demand: w.Demand()}
		p := set.Plan(&call, "gpt-5", time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
		var out []string
		for i, l := range p.Limits {
			if strings.HasPrefix(l.Cell, "rule/all") == p.OfSubject(i) {
				t.Errorf("limit %s: of a subject %v", l.Cell, p.OfSubject(i))
			}
			if l.Measure != sentinel.MeasureConcurrent {
				out = append(out, l.Cell)
			}
			if found, ok := set.Limit(l.Cell, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)); !ok || found.Cell != l.Cell {
				t.Errorf("no limit is found by the cell %s", l.Cell)
			}
		}
		return strings.Join(out, " ")
	}
	ada := cells("s", "ada", "one")
	for _, other := range []string{cells("s", "bob", "one"), cells("s", "ada", "two"), cells("t", "ada", "one"), cells("s", "", "")} {
		if other == ada {
			t.Errorf("another user, session or service has the same counters %s", ada)
		}
	}
	if cells("s", "ada", "one") != ada || strings.Contains(ada, "ada") || !strings.HasPrefix(ada, "rule/fair/requests/minute/user/") {
		t.Errorf("the counters of ada are %s", ada)
	}
	if fair, _, _ := strings.Cut(cells("t", "ada", "one"), " "); !strings.HasPrefix(ada, fair+" ") {
		t.Errorf("a user has another counter by another service: %s", fair)
	}
}

func TestFaultsOfSubjectsAndAcross(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"a session that nothing names":  {"policies: [{name: r, limits: {requests: 5/minute}, per: [session]}]", "subjects: {session: {header: x-session}}"},
		"a credential's header":         {"subjects: {user: {header: Authorization}}", "subjects.user.header"},
		"the gateway's header":          {"subjects: {user: {header: x-sentinel-user}}", "subjects.user.header"},
		"nothing":                       {"subjects: {user: {}}", "say where requests name it"},
		"a path too deep":               {"subjects: {user: {body: [a.b.c]}}", "subjects.user.body[0]"},
		"too many members":              {"subjects: {user: {body: [a, b, c, d, e, f, g, h, i]}}", "at most 8"},
		"a team's rule across":          {"policies: [{name: r, across: true, match: {team: a}, limits: {requests: 5/minute}}]", "policies[0].match.team"},
		"across, counted by a service":  {"policies: [{name: r, across: true, limits: {requests: 5/minute}, per: [model, service]}]", "policies[0].per[1]"},
		"across, counted by what is of": {"policies: [{name: r, across: true, match: {tag: {x: y}}, limits: {requests: 5/minute}}]", "policies[0].match.tag"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(File{Name: "p", Data: []byte(subjectsHead + tt.text + "\n")}, Options{Presets: []string{"openai"}})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s gave %v, want something about %q", tt.text, err, tt.want)
			}
		})
	}
}

func TestARuleAcrossOrganisationsHasOneCellForAll(t *testing.T) {
	set, err := Compile(File{Name: "p", Data: []byte(subjectsHead + "policies: [{name: key, across: true, match: {provider: openai}, limits: {requests: 5/minute}, per: [credential]}, {name: own, limits: {requests: 5/minute}}]\n")}, Options{Presets: []string{"openai"}})
	if err != nil {
		t.Fatal(err)
	}
	call := sentinel.Call{Caller: sentinel.Caller{Org: "acme", Team: "a", Service: "s"}, Provider: "openai"}
	p := set.Plan(&call, "gpt-5", time.Now())
	if !set.Across() || p.Limits[0].Cell != "across/rule/key/requests/minute/credential/secret%2fa#b" || p.Limits[1].Cell != "rule/own/requests/minute" {
		t.Errorf("the limits are %+v", p.Limits)
	}
}
