package policy

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// TestTheExampleOfLimitsIsWhatItsPageSays loads what docs/limits.md points to.
func TestTheExampleOfLimitsIsWhatItsPageSays(t *testing.T) {
	data, err := os.ReadFile("../examples/limits.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set, err := Compile(File{Name: "limits.yaml", Data: data}, Options{Presets: options.Presets})
	if err != nil {
		t.Fatal(err)
	}
	caller, ok := set.Caller("checkout")
	if !ok {
		t.Fatal("no service checkout")
	}
	p := set.Plan(&sentinel.Call{Caller: caller, Provider: "openai", Endpoint: "chat.completions"}, "gpt-5", time.Date(2026, time.November, 28, 12, 0, 0, 0, time.UTC))
	kinds := map[sentinel.LimitKind]int{}
	for _, l := range p.Limits {
		kinds[l.Kind]++
		want := time.Duration(0)
		if l.Kind != sentinel.Window && strings.HasPrefix(l.Cell, "rule/pace") {
			want = 1500 * time.Millisecond
		}
		if got := p.Patience(&l); got != want {
			t.Errorf("a call may wait %s for %s, want %s", got, l.Cell, want)
		}
	}
	if kinds[sentinel.Rate] != 6 || kinds[sentinel.Concurrent] != 2 || kinds[sentinel.Window] != 6 || len(p.Downgrades) != 2 {
		t.Errorf("%v by kind and %v to try; want 6 paces, 2 of concurrency, 6 windows, 2 models", kinds, p.Downgrades)
	}
	if p.Clamp != 256 {
		t.Errorf("an answer is cut to no less than %d tokens, want 256", p.Clamp)
	}
	for service, reserve := range map[string]int64{"checkout": 2000, "refunds": 0} {
		caller, _ := set.Caller(service)
		month := set.Plan(&sentinel.Call{Caller: caller, Provider: "openai"}, "gpt-5", time.Date(2026, time.November, 28, 12, 0, 0, 0, time.UTC)).Limits
		i := slices.IndexFunc(month, func(l sentinel.Limit) bool { return l.Rollover > 0 })
		if i < 0 || month[i].Rollover != 2500 || month[i].Spare != reserve {
			t.Errorf("%s has %+v; want a month that takes over a quarter, with %d/10000 in reserve", service, month, reserve)
		}
	}
	if d := set.WhenLimiterDown; d.HardBudgets != DownLocal || d.LocalShare != 2000 {
		t.Errorf("while Redis is away: %+v", d)
	}
}
