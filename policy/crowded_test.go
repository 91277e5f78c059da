package policy

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// TestRulesThatNeverMeetAreNotCountedTogether: each file has two rules of nine limits.
func TestRulesThatNeverMeetAreNotCountedTogether(t *testing.T) {
	const head = `org: acme
timezone: Europe/Berlin
teams: {a: {}}
services: {s: {team: a, identity: {token: abcdefgh}}, u: {team: a, identity: {token: abcdefgi}}}
providers: {openai: {preset: openai, credential: secret/a#b}}
schedules:
  day: {days: [monday, friday], from: "09:00", to: "17:00"}
  night: {from: "17:00", to: "09:00"}
  evening: {from: "16:59", to: "18:00"}
  weekend: {days: [saturday, sunday]}
  december: {begin: 2026-12-01, end: 2026-12-31}
  turn of the year: {begin: 2026-12-31, end: 2027-01-02}
  january: {begin: 2027-01-01, end: 2027-01-31}
policies:
`
	const nine = ", limits: {requests: [5/second, 5/minute, 5/hour, 5/day], tokens: [5/minute, 5/hour, 5/day], output_tokens: [5/minute, 5/day]}}\n"
	for name, tt := range map[string]struct {
		one, two string
		crowded  bool
	}{
		"nothing keeps them apart":                       {"", "", true},
		"a final rule hides what follows":                {"final: true", "", false},
		"of fewer models it does not":                    {`match: {model: "gpt-5*"}, final: true`, `match: {model: "gpt-*"}`, false},
		"of other models it does not":                    {`match: {model: "gpt-5*"}, final: true`, `match: {model: ["gpt-5*", "o3*"]}`, false},
		"of a condition, only one of the two holds":      {`match: {when: call.stream}, final: true`, "", false},
		"after the other it hides nothing":               {"", "final: true", true},
		"times apart":                                    {"during: day", "during: night", false},
		"times apart, one the exception of the other":    {"except: day", "during: day", false},
		"an hour that passes midnight":                   {"during: evening", "during: night", true},
		"a minute in common":                             {"during: day", "during: evening", true},
		"days apart":                                     {"during: day", "during: weekend", false},
		"months apart":                                   {"during: december", "during: january", false},
		"one day in common":                              {"during: december", "during: turn of the year", true},
		"both in one of two":                             {"during: [december, january]", "during: turn of the year", true},
		"a canary that has none of the services of both": {"canary: 0.01%", "canary: 0.01%", false},
		"a canary of all":                                {"canary: 100%", "canary: 100%", true},
	} {
		t.Run(name, func(t *testing.T) {
			rules := ""
			for n, with := range map[string]string{"one": tt.one, "two": tt.two} {
				if with != "" {
					with = ", " + with
				}
				line := "  - {name: " + n + with + nine
				if n == "one" {
					rules = line + rules
				} else {
					rules += line
				}
			}
			_, err := Compile(File{Name: "p.yaml", Data: []byte(head + rules)}, options)
			if got := err != nil && strings.Contains(err.Error(), "18 limits at once"); got != tt.crowded || err != nil && !got {
				t.Errorf("%s\ncrowded: %t, want %t: %v", rules, got, tt.crowded, err)
			}
		})
	}
}

// FuzzCrowdedNeverOverlooks holds the promise that the limits of a call are never cut off: what meets on a name, at whatever moment, is
// never more than the bound.
func FuzzCrowdedNeverOverlooks(f *testing.F) {
	f.Add("gpt-*", "gpt-5*", "gpt-5.1", "*", "gpt-5.1", uint64(1))
	f.Add("a*", "a", "a?", "?*", "a", uint64(2))
	f.Add("*a", "", "b*", "b", "ba", uint64(3))
	f.Fuzz(func(t *testing.T, p, q, r, s, name string, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 1))
		schedules := make([]schedule, 4)
		for i := range schedules {
			schedules[i] = schedule{zone: time.UTC, from: rng.IntN(dayMinutes), to: dayMinutes}
			schedules[i].to = schedules[i].from + 1 + rng.IntN(dayMinutes-1)
			for d := range 7 {
				schedules[i].days[d] = rng.IntN(2) == 0
			}
			if rng.IntN(2) == 0 {
				schedules[i].begin = date{2026, time.November, 1 + rng.IntN(28)}
				schedules[i].end = date{2026, time.November, schedules[i].begin.day + rng.IntN(4)}
			}
		}
		set := &Set{}
		for _, model := range []string{p, q, r, s, p, ""} {
			one := rule{name: "r", model: globs{model}, endpoint: globs{s, q}, limits: make([]limit, 5), final: rng.IntN(3) == 0}
			if rng.IntN(4) == 0 {
				one.model, one.endpoint = nil, nil
			}
			if rng.IntN(3) == 0 {
				one.downgrades = []string{name}
			}
			for _, to := range []*[]schedule{&one.during, &one.except} {
				if rng.IntN(3) == 0 {
					*to = append(*to, schedules[rng.IntN(len(schedules))], schedules[rng.IntN(len(schedules))])
				}
			}
			set.rules = append(set.rules, one)
		}
		all := []int32{0, 1, 2, 3, 4, 5}
		set.index.rest = all
		caller := sentinel.Caller{Service: "s"}
		coarse, close := newCrowd(set).mostAtOnce(all), newCrowd(set).closely(caller, append([]int32(nil), all...), 0)
		for range 100 {
			now := time.Date(2026, time.October, 20+rng.IntN(60), 0, rng.IntN(dayMinutes), 0, 0, time.UTC)
			for _, endpoint := range []string{name, p, q, r, s} {
				n := 0
				for _, r := range set.index.find(set.rules, &sentinel.Call{Caller: caller, Endpoint: endpoint, Model: name}, under{name, now, nil, false}, nil) {
					n += len(r.limits)
				}
				if n > close || n > coarse {
					t.Errorf("%d limits meet on model %q and endpoint %q at %s, the bounds are %d and %d", n, name, endpoint, now, close, coarse)
				}
			}
		}
	})
}
