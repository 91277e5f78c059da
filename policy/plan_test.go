package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

var noon = time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC) // of New York

func compile(t testing.TB, text string) *Set {
	t.Helper()
	set, err := Compile(File{Name: "policies.yaml", Data: []byte(text)}, options)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func call(team, service, provider, endpoint, model string) *sentinel.Call {
	return &sentinel.Call{Caller: sentinel.Caller{Org: "acme", Team: team, Service: service}, Provider: provider, Endpoint: endpoint, Model: model, At: noon}
}

func cells(p Plan) string {
	var out []string
	for _, l := range p.Limits {
		out = append(out, l.Cell)
	}
	return strings.Join(out, " | ")
}

func TestPlanFindsWhatApplies(t *testing.T) {
	set := example(t)
	growth := "org/cost/month | team/growth/requests/minute | team/growth/cost/day | service/summariser/tokens/minute | service/summariser/tokens/day"
	large := " | rule/growth on large models/tokens/minute | rule/growth on large models/concurrent | rule/growth on large models/cost/day"
	for name, tt := range map[string]struct {
		call       *sentinel.Call
		cells      string
		downgrades []string
	}{
		"a large model":              {call("growth", "summariser", "openai", "chat.completions", "gpt-5.1"), growth + large, []string{"gpt-5-mini"}},
		"the model it downgrades to": {call("growth", "summariser", "openai", "chat.completions", "gpt-5-mini"), growth, nil},
		"another model":              {call("growth", "summariser", "openai", "chat.completions", "gpt-4.1"), growth, nil},
		"another provider":           {call("growth", "summariser", "bedrock", "converse", "gpt-5.1"), growth, nil},
		"another team": {call("platform", "dispatch", "openai", "chat.completions", "gpt-5.1"),
			"org/cost/month | team/platform/cost/month", nil},
		"a cell for each service": {call("platform", "ingest", "stripe", "charges.create", ""),
			"org/cost/month | team/platform/cost/month | service/ingest/cost/week | rule/charges/requests/second/service/ingest", nil},
		"several spans": {call("payments", "checkout", "weather", "forecast", ""),
			"org/cost/month | team/payments/cost/month | rule/weather/requests/second | rule/weather/requests/day | rule/weather/cost/month", nil},
		"names with colons and dots": {call("platform", "dispatch", "bedrock", "converse", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
			"org/cost/month | team/platform/cost/month | rule/claude on bedrock/output_tokens/hour", nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := set.Plan(tt.call, tt.call.Model, noon)
			if got := cells(p); got != tt.cells {
				t.Errorf("cells:\n got %s\nwant %s", got, tt.cells)
			}
			if diff := cmp.Diff(tt.downgrades, p.Downgrades); diff != "" {
				t.Errorf("downgrades (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanGivesWindowsInTheZoneOfThePolicy(t *testing.T) {
	p := example(t).Plan(call("growth", "summariser", "openai", "chat.completions", "gpt-5.1"), "gpt-5.1", noon)
	want := sentinel.Limit{
		Name: "team growth: budget/day", Cell: "team/growth/cost/day", Kind: sentinel.Window, Measure: sentinel.MeasureCost, Max: 500_000_000_000,
		Start: time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC), End: time.Date(2026, 11, 24, 5, 0, 0, 0, time.UTC), Soft: true,
	}
	if diff := cmp.Diff(want, p.Limits[2]); diff != "" {
		t.Errorf("limit (-want +got):\n%s", diff)
	}
}

func TestACellDoesNotChangeWithItsAmount(t *testing.T) {
	text := "org: acme\nteams: {a: {budget: {usd: %d/month}}}\nservices: {s: {team: a, identity: {token: abcdefgh}}}\nproviders: {}\n" +
		"policies: [{name: r, limits: {tokens: %dk/minute}}]\n"
	c := call("a", "s", "openai", "chat.completions", "gpt-5")
	before, after := compile(t, fmt.Sprintf(text, 5, 5)).Plan(c, c.Model, noon), compile(t, fmt.Sprintf(text, 7, 7)).Plan(c, c.Model, noon)
	if cells(before) != cells(after) {
		t.Errorf("cells changed from %s to %s", cells(before), cells(after))
	}
	if before.Limits[0].Max == after.Limits[0].Max {
		t.Errorf("the amount did not change: %+v", after.Limits[0])
	}
}

// TestTheIndexFindsWhatAScanFinds compares the index with trying every rule.
func TestTheIndexFindsWhatAScanFinds(t *testing.T) {
	var text strings.Builder
	text.WriteString("org: acme\nteams: {t1: {}, t2: {}}\nservices:\n  s1: {team: t1, identity: {token: abcdefg1}}\n  s2: {team: t2, identity: {token: abcdefg2}}\n" +
		"providers:\n  p1: {preset: openai, credential: secret/a#b}\n  p2: {preset: openai, credential: secret/a#b}\npolicies:\n")
	n := 0
	for _, team := range []string{"", "t1", "[t1, t2]", `"t*"`} {
		for _, service := range []string{"", "s1", `"?1"`} {
			for _, provider := range []string{"", "p2", `"*2"`} {
				for _, model := range []string{"", "[m1, m1]", `"m*"`, `["m1*", "m*", "n1?"]`} {
					fmt.Fprintf(&text, "  - {name: r%d, limits: {requests: 5/day}, match: {", n)
					for k, v := range map[string]string{"team": team, "service": service, "provider": provider, "model": model} {
						if v != "" {
							fmt.Fprintf(&text, "%s: %s, ", k, v)
						}
					}
					text.WriteString("}}\n")
					n++
				}
			}
		}
	}
	_, err := Compile(File{Name: "p.yaml", Data: []byte(text.String())}, options)
	if err == nil || !strings.Contains(err.Error(), "limits at once") {
		t.Fatalf("%d rules for one call compile: %v", n, err)
	}
	set := uncrowded(t, text.String())
	for _, c := range []*sentinel.Call{call("t1", "s1", "p2", "e", "m1"), call("t1", "s1", "p1", "e", "m2"), call("t2", "s2", "p2", "e", ""), call("t3", "s3", "p3", "e", "x")} {
		var want []string
		for i := range set.rules {
			if set.rules[i].match(c, c.Model) {
				want = append(want, set.rules[i].name)
			}
		}
		var got []string
		for _, r := range set.index.find(set.rules, c, under{c.Model, noon, nil, false}, nil) {
			got = append(got, r.name)
		}
		if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
			t.Errorf("rules of %+v (-scan +index):\n%s", c, diff)
		}
	}
}

// uncrowded compiles rules in parts that are few enough each, and joins them.
func uncrowded(t *testing.T, text string) *Set {
	t.Helper()
	head, rules, _ := strings.Cut(text, "policies:\n")
	var whole *Set
	for line := range strings.Lines(rules) {
		set := compile(t, head+"policies:\n"+line)
		if whole == nil {
			whole = set
			continue
		}
		whole.rules = append(whole.rules, set.rules...)
	}
	whole.index = newIndex(whole.rules)
	return whole
}

func TestGlobs(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"*", "", true}, {"*", "a/b", true}, {"gpt-5*", "gpt-5", true}, {"gpt-5*", "gpt-5.1", true}, {"gpt-5*", "gpt-4", false},
		{"*mini", "gpt-5-mini", true}, {"*mini", "minimal", false}, {"a*b*c", "aXbYbZc", true}, {"a*b*c", "aXbYbZ", false},
		{"?", "", false}, {"?", "a", true}, {"?", "ab", false}, {"a?c", "abc", true}, {"**", "x", true}, {"a**", "a", true},
		{"org/*/x", "org/a/b/x", true}, {"", "", true}, {"", "a", false}, {"[a]", "a", false},
	} {
		if got := (globs{tt.pattern}).match(tt.text); got != tt.want {
			t.Errorf("%q matches %q: %t, want %t", tt.pattern, tt.text, got, tt.want)
		}
	}
	if !(globs)(nil).match("anything") {
		t.Error("no pattern must match all")
	}
}

func BenchmarkPlan(b *testing.B) {
	var text strings.Builder
	text.WriteString("org: acme\ntimezone: America/New_York\nbudget: {usd: 5/month}\nteams: {a: {budget: {usd: 5/day}}}\n" +
		"services: {s: {team: a, identity: {token: abcdefgh}, limits: {requests: 5/minute}}}\nproviders: {openai: {preset: openai, credential: secret/a#b}}\npolicies:\n")
	for i := range 10 {
		fmt.Fprintf(&text, "  - {name: r%d, match: {provider: openai, model: [\"gpt-%d*\", \"o%d*\"]}, limits: {tokens: 5k/minute, requests: 9/day}, budget: {usd: 5/day}}\n", i, i, i)
	}
	set, c := compile(b, text.String()), call("a", "s", "openai", "chat.completions", "gpt-5.1")
	b.ReportAllocs()
	for b.Loop() {
		if p := set.Plan(c, c.Model, noon); len(p.Limits) != 6 {
			b.Fatal(cells(p))
		}
	}
}

func TestProductsOfScopesHaveCellsOfTheirOwn(t *testing.T) {
	set := compile(t, "org: acme\nteams: {a: }\nservices:\n  s: {team: a, identity: {token: abcdefgh}, tags: {env: prod}}\n  u: {team: a, identity: {token: abcdefgi}}\n"+
		"providers: {openai: {preset: openai, credential: secret/a#b, limits: {concurrent: 9}}}\n"+
		"policies:\n  - {name: r, limits: {requests: 5/minute}, per: [tag.env, credential, endpoint, model]}\n"+
		"  - {name: prod, match: {tag: {env: \"p*\"}}, limits: {tokens: 5/minute}, per: [team, provider, service]}\n")
	c := call("a", "s", "openai", "e", "m")
	want := "provider/openai/concurrent | rule/r/requests/minute/tag.env/prod/credential/secret%2fa#b/endpoint/e/model/x%2fy%25 | rule/prod/tokens/minute/team/a/provider/openai/service/s"
	if diff := cmp.Diff(want, cells(set.Plan(c, "x/y%", noon))); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
	want = "provider/openai/concurrent | rule/r/requests/minute/tag.env//credential/secret%2fa#b/endpoint/e/model/m"
	if diff := cmp.Diff(want, cells(set.Plan(call("a", "u", "openai", "e", "m"), "m", noon))); diff != "" {
		t.Errorf("cells of a service without the tag (-want +got):\n%s", diff)
	}
}
