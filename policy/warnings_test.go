package policy

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

func TestFilesHaveTheirGoldenWarnings(t *testing.T) {
	cases, err := filepath.Glob("testdata/warnings/*.in.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	house := options
	house.Endpoints = func(preset string) []string {
		if preset == "stripe" {
			return []string{"charges.create"}
		}
		return options.Endpoints(preset)
	}
	house.Counterparts = func(from, to Provider) []string {
		if from.Preset == to.Preset && len(to.Allow) == 0 {
			return []string{"chat.completions"}
		}
		return nil
	}
	for _, in := range append(cases, "../examples/policies.yaml") {
		name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(in), ".yaml"), ".in")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(in)
			if err != nil {
				t.Fatal(err)
			}
			_, found, err := Check([]File{{Name: filepath.Base(in), Data: data}}, house, noon)
			if err != nil {
				t.Fatal(err)
			}
			out := "none\n"
			if err := strictyaml.Join(found); err != nil {
				out = err.Error() + "\n"
			}
			golden(t, filepath.Join("testdata/warnings", name+".out.txt"), []byte(out))
		})
	}
}

func TestWarningsAreBounded(t *testing.T) {
	text := "org: a\nteams: {t: }\nservices: {s: {team: t, identity: {token: abcdefgh}}}\nproviders: {openai: {preset: openai, credential: secret/a#b}}\n" +
		"groups:\n  models:\n"
	for i := range maxWarnings + 20 {
		text += fmt.Sprintf("    g%d: [\"x*\"]\n", i)
	}
	_, found, err := Check([]File{{Name: "p.yaml", Data: []byte(text)}}, options, noon)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != maxWarnings+1 || found[maxWarnings].Message != "20 more warnings" {
		t.Errorf("%d warnings, the last is %v", len(found), found[len(found)-1])
	}
}

// TestCoveredRulesHaveNoCallOfTheirOwn: where one rule is said to cover another, no call falls under the other alone.
func TestCoveredRulesHaveNoCallOfTheirOwn(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 0))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	some := func(key string, from ...string) string {
		if random.IntN(2) == 0 {
			return ""
		}
		return fmt.Sprintf("%s: [%q, %q], ", key, pick(from...), pick(from...))
	}
	covered := 0
	for range 200 {
		text := "org: a\nteams: {t: , u: }\nservices:\n  s: {team: t, identity: {token: abcdefgh}, tags: {env: prod}}\n  v: {team: u, identity: {token: abcdefgi}, tags: {env: dev}}\n" +
			"providers: {openai: {preset: openai, credential: secret/a#b}}\nschedules: {days: {from: \"06:00\", to: \"18:00\"}, long: {from: \"05:00\", to: \"19:00\"}}\npolicies:\n"
		for i := range 8 {
			text += fmt.Sprintf("  - {name: r%d, match: {%s%s%s%s%s}, %s%s%slimits: {requests: 1/minute}}\n", i,
				some("team", "t", "u", "?", "*"), some("service", "s", "v", "*"), some("model", "gpt-5", "gpt-5-mini", "gpt-?", "gpt-*", "*5*", "g*-mini"),
				some("endpoint", "chat.completions", "chat.*", "embeddings"), pick("", "tag: {env: prod}", "tag: {env: \"*\"}", "when: call.stream"),
				some("during", "days", "long"), some("except", "days", "long"), pick("", "", "on_exceed: [{downgrade: [gpt-4]}, deny], ", "anomaly: {above: 0.9}, ", "anomaly: {above: 0.95, for: 2m}, "))
		}
		c, err := compiled([]File{{Name: "p.yaml", Data: []byte(text)}}, options)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		w := &warner{compiler: c, now: noon, rules: c.read()}
		for range 100 {
			service, model := pick("s", "v"), pick("gpt-5", "gpt-5-mini", "gpt-4", "gpt-", "o3")
			call := &sentinel.Call{Caller: w.caller(service), Provider: "openai", Endpoint: pick("chat.completions", "embeddings"), Model: model, Stream: random.IntN(2) == 0}
			scores := NewScores(map[string][]float64{"s": [][]float64{{0.5, 0.4}, {0.92, 0.6}, {0.99, 0.97}}[random.IntN(3)]})
			now := noon.Add(time.Duration(random.IntN(24)) * time.Hour)
			for _, b := range w.rules {
				if !b.holds(call, model, now, scores) {
					continue
				}
				for i, a := range w.rules {
					if a.name == b.name || !w.covers(a, b) {
						continue
					}
					covered++
					if !slices.Contains(w.near(b), int32(i)) {
						t.Fatalf("%s covers %s, and is not near it:\n%s", a.name, b.name, text)
					}
					if a.holds(call, model, now, scores) {
						continue
					}
					t.Fatalf("%s is said to cover %s, and %+v at %s falls under the latter alone:\n%s", a.name, b.name, *call, now, text)
				}
			}
		}
	}
	if covered < 1000 {
		t.Errorf("only %d covered calls were tried", covered)
	}
}

// TestNoWindowMeetsMoreThanIsSaid compares with the calendar's own windows.
func TestNoWindowMeetsMoreThanIsSaid(t *testing.T) {
	z := zone(t, "America/New_York")
	var cuts []cut
	for _, s := range []span{hour, day, week, month, quarter, year} {
		for _, c := range []cut{{s, 1, time.January}, {s, 15, time.January}, {s, 1, time.February}} {
			if s >= month || c.day == 1 && c.fiscal == time.January {
				cuts = append(cuts, c)
			}
		}
	}
	most := map[[2]cut]int64{}
	for at := time.Date(2026, 1, 1, 5, 0, 0, 0, time.UTC); at.Year() < 2031; at = at.AddDate(0, 0, 17) {
		for _, inner := range cuts {
			start, end := window(inner, z, at)
			for _, outer := range cuts {
				n := int64(0)
				for at := start; at.Before(end); n++ {
					_, at = window(outer, z, at)
				}
				if most[[2]cut{inner, outer}] = max(most[[2]cut{inner, outer}], n); n > windowsIn(inner, outer) {
					t.Fatalf("the %s from %s meets %d windows of a %s, at most %d are said", inner.span, start, n, outer.span, windowsIn(inner, outer))
				}
			}
		}
	}
	for pair, want := range map[[2]cut]int64{{cuts[0], cuts[3]}: 1, {cuts[3], cuts[1]}: 31, {cuts[9], cuts[3]}: 12, {cuts[9], cuts[6]}: 4} {
		if got := most[pair]; got != want || windowsIn(pair[0], pair[1]) != want {
			t.Errorf("a %s meets %d windows of a %s and %d are said, want %d", pair[0].span, got, pair[1].span, windowsIn(pair[0], pair[1]), want)
		}
	}
}
