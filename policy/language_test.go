package policy

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// names gives the rules that hold for a call at a moment.
func names(s *Set, c *sentinel.Call, now time.Time) string {
	var out []string
	for _, r := range s.index.find(s.rules, c, under{c.Model, now, nil, false}, nil) {
		out = append(out, r.name)
	}
	return strings.Join(out, ", ")
}

func TestRulesHoldWhenAndForWhomTheySay(t *testing.T) {
	data, err := os.ReadFile("testdata/groups.in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set := compile(t, strings.Replace(string(data), "canary: 12.5%, ", "", 1))
	working := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC) // 09:00 of a Monday in Berlin
	growth, core := call("growth", "s", "openai", "chat.completions", "gpt-5"), call("core", "u", "openai", "chat.completions", "gpt-5")
	for name, tt := range map[string]struct {
		call *sentinel.Call
		at   time.Time
		want string
	}{
		"a final rule of higher priority hides the others": {growth, working, "growths own"},
		"business hours begin":                             {core, working, "everybody"},
		"a second before":                                  {core, working.Add(-time.Second), ""},
		"they end":                                         {core, time.Date(2026, 11, 23, 16, 30, 0, 0, time.UTC), ""},
		"a second before their end":                        {core, time.Date(2026, 11, 23, 16, 29, 59, 0, time.UTC), "everybody"},
		"09:00 of summer is an hour earlier":               {core, time.Date(2026, 7, 6, 7, 0, 0, 0, time.UTC), "everybody"},
		"a Sunday":                                         {core, working.AddDate(0, 0, -1), ""},
		"the freeze's first day":                           {core, time.Date(2026, 12, 21, 9, 0, 0, 0, time.UTC), ""},
		"another endpoint":                                 {call("core", "u", "openai", "embeddings", "gpt-5"), working, ""},
		"another model":                                    {call("core", "u", "openai", "messages", "gpt-4"), working, ""},
		"not the condition's team":                         {call("growth", "s", "openai", "e", "claude"), working, "growths own"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := names(set, tt.call, tt.at); got != tt.want {
				t.Errorf("rules %q hold, want %q", got, tt.want)
			}
		})
	}
}

func TestNightsEndOnTheNextDay(t *testing.T) {
	set := compile(t, "org: acme\ntimezone: Europe/Berlin\nteams: {a: }\nservices: {s: {team: a, identity: {token: abcdefgh}}}\nproviders: {}\n"+
		"schedules: {friday nights: {days: friday, from: \"22:00\", to: \"06:00\"}}\npolicies: [{name: r, limits: {requests: 5/day}, during: friday nights}]\n")
	friday := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	for hour, want := range map[int]string{20: "", 21: "r", 28: "r", 29: "", 4: "", 45: "", 46: ""} { // UTC: an hour behind Berlin
		if got := names(set, call("a", "s", "p", "e", ""), friday.Add(time.Duration(hour)*time.Hour)); got != want {
			t.Errorf("%d hours after Friday's midnight UTC: %q holds, want %q", hour, got, want)
		}
	}
}

func TestConditionsSeeTheCallAndItsCaller(t *testing.T) {
	services := map[string]serviceYAML{"s": {Tags: map[string]string{"env": "prod"}}}
	c := call("growth", "s", "openai", "chat.completions", "gpt-5.1")
	c.Stream, c.Tier = true, "batch"
	for text, want := range map[string]bool{
		`call.model.startsWith("gpt-5") && caller.team == "growth"`:           true,
		`call.model.startsWith("gpt-5") && caller.team == "core"`:             false,
		`call.provider == "openai" && call.endpoint.endsWith("completions")`:  true,
		`call.stream && call.tier == "batch" && caller.service in ["s", "t"]`: true,
		`caller.tags["env"] == "prod"`:                                        true,
		`"team" in caller.tags`:                                               false,
		`caller.tags["none"] == "x"`:                                          true, // cannot be judged: it holds
		`call.model.matches("^gpt-[0-9]")`:                                    true,
		`call.model.size() > 100`:                                             false,
	} {
		when, err := compileWhen(text, tagsOf(services))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := when.holds(c, c.Model); got != want {
			t.Errorf("%s holds: %t, want %t", text, got, want)
		}
	}
}

func TestAConditionThatCostsTooMuchIsStoppedAndHolds(t *testing.T) {
	list := "[" + strings.Repeat("1,", 30) + "1]"
	text := list + ".all(a, " + list + ".all(b, " + list + ".all(c, a + b + c < 0 || a + b + c > 0)))"
	when, err := compileWhen(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := when.program.Eval(facts{call("a", "s", "p", "e", "m"), "m", when}); err == nil {
		t.Error("30,000 steps are within the bound")
	}
	if !when.holds(call("a", "s", "p", "e", "m"), "m") {
		t.Error("a condition that was stopped does not hold: its limits would be lost")
	}
}

func TestACanaryIsAboutItsShareOfServicesAndOnlyGrows(t *testing.T) {
	const services = 20_000
	in := map[string]bool{}
	for _, percent := range []share{100, 1000, 5000, 9999} {
		n := 0
		for i := range services {
			name := fmt.Sprintf("service-%d", i)
			if chosen("a rule", name) < percent {
				n++
				in[name] = true
			} else if in[name] {
				t.Fatalf("%s left the canary when it grew to %d", name, percent)
			}
		}
		if want := services * int(percent) / 10_000; n < want-want/10-20 || n > want+want/10+20 {
			t.Errorf("%d of %d services are in a canary of %d hundredths of a percent, want about %d", n, services, percent, want)
		}
	}
	if chosen("a rule", "service-1") == chosen("b rule", "service-1") && chosen("a rule", "service-2") == chosen("b rule", "service-2") {
		t.Error("two rules choose the same services")
	}
}

func TestFilesOfAFolderAreOnePolicy(t *testing.T) {
	base := File{Name: "a.yaml", Data: []byte("org: acme\nteams: {core: {budget: {usd: 5/day}}}\nproviders: {openai: {preset: openai, credential: secret/a#b}}\n" +
		"policies:\n  - {name: first, limits: {requests: 5/day}}\n")}
	team := File{Name: "b.yaml", Data: []byte("services: {s: {team: core, identity: {token: abcdefgh}}}\nteams:\n  growth: {}\npolicies:\n  - {name: second, limits: {tokens: 5/day}}\n")}
	set, err := CompileFiles([]File{base, team}, options)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(set, call("core", "s", "openai", "e", "m"), noon); got != "first, second" {
		t.Errorf("rules %q", got)
	}
	if one, _ := CompileFiles([]File{team, base}, options); one == nil || one.Version == set.Version {
		t.Error("another order of rules has the same version")
	}
	conflicts := File{Name: "c.yaml", Data: []byte("org: other\nteams: {core: {}}\nservices:\n  s: {team: core, identity: {token: abcdefgi}}\npolicies:\n  - {name: second, limits: {tokens: 0/day}}\n")}
	_, err = CompileFiles([]File{base, team, conflicts}, options)
	want := "c.yaml:1:1: org: this key stands at a.yaml:1:1 as well: keep one of the two\n" +
		"c.yaml:2:9: teams.core: this key stands at a.yaml:2:9 as well: keep one of the two\n" +
		"c.yaml:4:3: services.s: this key stands at b.yaml:1:12 as well: keep one of the two\n" +
		"c.yaml:6:6: policies[2].name: two policies are called \"second\"\n" +
		"c.yaml:6:37: policies[2].limits.tokens[0]: 0 would refuse every call: remove the service or the route instead"
	if err == nil || err.Error() != want {
		t.Errorf("faults:\n%v\nwant:\n%s", err, want)
	}
	if _, err := CompileFiles([]File{team, {Name: "d.yaml", Data: []byte("providers: {}")}}, options); err == nil || !strings.Contains(err.Error(), "org: this key is required") {
		t.Errorf("a folder without org: %v", err)
	}
}

func TestHostilePoliciesAreRefusedAtOnce(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
	}
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"10 MiB":         {bytes.Repeat([]byte("a: b\n"), 2<<20), "bytes: at most"},
		"a bomb":         {[]byte(bomb), "unknown key"},
		"duplicate keys": {[]byte("org: a\norg: b\n"), "p.yaml:2:1: org: this key stands twice"},
		"deep brackets":  {bytes.Repeat([]byte("["), 1<<20), "nested deeper"},
	} {
		_, err := Compile(File{Name: "p.yaml", Data: tt.data}, options)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// tenThousand are rules of every kind that a large organisation writes, about 500 services of 50 teams.
func tenThousand() string {
	var text strings.Builder
	text.WriteString("org: acme\nteams:\n")
	for i := range 50 {
		fmt.Fprintf(&text, "  t%d: {budget: {usd: 5/day}}\n", i)
	}
	text.WriteString("services:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  s%d: {team: t%d, identity: {token: token_of_%d}}\n", i, i%50, i)
	}
	text.WriteString("providers:\n  openai: {preset: openai, credential: secret/a#b}\n  stripe: {preset: stripe, credential: secret/a#c}\npolicies:\n")
	for i := range 10_000 {
		switch {
		case i%10 < 5: // a service's own
			fmt.Fprintf(&text, "  - {name: r%d, match: {service: s%d, provider: openai, model: \"m%d-*\"}, limits: {requests: 5/minute}}\n", i, i%1000, i)
		case i%10 < 9:
			fmt.Fprintf(&text, "  - {name: r%d, match: {model: m%d}, limits: {tokens: 5/minute}}\n", i, i)
		default:
			fmt.Fprintf(&text, "  - {name: r%d, match: {endpoint: e%d, team: t%d, when: 'call.model.startsWith(\"m%d\")'}, budget: {usd: 5/day}}\n", i, i, i%50, i)
		}
	}
	return text.String()
}

// BenchmarkCompile10000Rules reads and compiles a file of 10,000 rules, of all kinds and of patterns alone.
func BenchmarkCompile10000Rules(b *testing.B) {
	for name, policy := range map[string]func() string{"mixed": tenThousand, "patterns": tenThousandPatterns} {
		b.Run(name, func(b *testing.B) {
			data := []byte(policy())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compile(File{Name: "p.yaml", Data: data}, options); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// tenThousandPatterns are rules that no name finds: each has patterns alone.
func tenThousandPatterns() string {
	var text strings.Builder
	text.WriteString("org: acme\nteams: {t1: {}}\nservices: {s1: {team: t1, identity: {token: token_of_s1}}}\nproviders: {openai: {preset: openai, credential: secret/a#b}}\npolicies:\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, "  - {name: r%d, match: {model: [\"m%d-*\", \"n%d?\"]}, limits: {requests: 5/minute}}\n", i, i, i)
	}
	return text.String()
}

// matched are calls among 10,000 rules, each of which one rule is about.
var matched = map[string]struct {
	policy func() string
	call   *sentinel.Call
}{
	"names":       {tenThousand, call("t1", "s1", "openai", "chat.completions", "m1-x")},
	"expressions": {tenThousand, call("t9", "s9", "openai", "e9", "m9")},
	"patterns":    {tenThousandPatterns, call("t1", "s1", "openai", "chat.completions", "m4711-x")},
}

// BenchmarkMatch10000Rules finds the rules of one call among 10,000: by names, by a name and an expression, and by patterns alone.
func BenchmarkMatch10000Rules(b *testing.B) {
	for _, name := range slices.Sorted(maps.Keys(matched)) {
		b.Run(name, func(b *testing.B) {
			set, c := compile(b, matched[name].policy()), matched[name].call
			out := make([]*rule, 0, maxLimits)
			b.ReportAllocs()
			for b.Loop() {
				if got := set.index.find(set.rules, c, under{c.Model, noon, nil, false}, out[:0]); len(got) != 1 {
					b.Fatal(len(got))
				}
			}
		})
	}
}

func TestMatchingAmongTenThousandRulesAllocatesNothing(t *testing.T) {
	for name, m := range matched {
		set, c := compile(t, m.policy()), m.call
		out := make([]*rule, 0, maxLimits)
		if got := set.index.find(set.rules, c, under{c.Model, noon, nil, false}, out); len(got) != 1 {
			t.Errorf("%s: %d rules", name, len(got))
		}
		if n := testing.AllocsPerRun(100, func() { set.index.find(set.rules, c, under{c.Model, noon, nil, false}, out[:0]) }); n > 0 && name != "expressions" {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
