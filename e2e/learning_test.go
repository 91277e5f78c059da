package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// history writes so many days of a service that makes two small calls a minute.
func (g *gateway) history(st *store.Store, days int) {
	g.t.Helper()
	begin := time.Now().UTC().Truncate(time.Minute).AddDate(0, 0, -days)
	g.must(st.EnsurePartitions(g.t.Context(), begin))
	var list []domain.Record
	for i := range days * 24 * 60 * 2 {
		at := begin.Add(time.Duration(i) * 30 * time.Second)
		e := domain.Entry{Call: domain.Call{ID: domain.NewCallID(at), At: at, Provider: "openai", Endpoint: "chat.completions"},
			Action: domain.Allow, Status: 200, PriceVersion: "1", PolicyVersion: "1", Source: domain.SourceMeter}
		e.Caller = domain.Caller{Org: "acme", Team: "core", Service: "app"}
		e.Model, e.Asked = "gpt-4o-mini", "gpt-4o-mini"
		e.Usage = domain.Usage{domain.Requests: 1, domain.InputTokens: 8 + int64(i%5), domain.OutputTokens: 5}
		e.Cost, e.Duration = 5000, 20*time.Millisecond
		e.Demand = domain.Wanted{Bound: domain.Usage{domain.Requests: 1, domain.InputTokens: 20, domain.OutputTokens: 30}, Choices: 1}.Demand()
		if list = append(list, domain.Record{Entry: &e}); len(list) == 2000 || i == days*24*60*2-1 {
			g.must(st.Write(g.t.Context(), list))
			list = list[:0]
		}
	}
	_, err := st.RefreshUsage(g.t.Context())
	g.must(err)
}

// suggests asks for a policy that fits the history, and takes what it gets: a file that is pasted as it is printed, and refuses nothing.
func (g *gateway) suggests() {
	g.t.Helper()
	for _, wrong := range [][]string{{"--format", "html"}, {"--quantile", "2"}, {"--from", "yesterday"}, {"--limit", "0"}} {
		if code, out, stderr := g.sentinel(append([]string{"policy", "suggest"}, wrong...)...); code == 0 || out != "" || strings.Count(stderr, "\n") != 1 {
			g.t.Errorf("policy suggest %s ended with %d: %s%s", wrong, code, out, stderr)
		}
	}
	code, rules, stderr := g.sentinel("policy", "suggest", "--since", "96h", "--format", "yaml", "--shadow")
	if code != 0 || !strings.Contains(rules, "mode: shadow, ") {
		g.t.Fatalf("policy suggest ended with %d: %s%s", code, rules, stderr)
	}
	g.write("suggested.yaml", g.policyOf("{}", "policies:\n"+strings.TrimPrefix(rules, "policies:\n")))
	if code, out, stderr := g.sentinel("policy", "check", "suggested.yaml"); code != 0 {
		g.t.Errorf("what was suggested is no policy: %d %s%s\n%s", code, out, stderr, rules)
	}
	var list []struct {
		Measure, Span, Amount, Rule string
		Calls, Refused              int64
	}
	_, out, _ := g.sentinel("policy", "suggest", "--since", "96h", "--format", "json")
	g.must(json.Unmarshal([]byte(out), &list))
	if len(list) != 6 {
		g.t.Errorf("suggested was %+v", list)
	}
	for _, s := range list {
		if s.Calls < 8000 || s.Refused > s.Calls/100 {
			g.t.Errorf("a rule that was made from calls is not for them: %+v", s)
		}
	}
	if code, out, stderr := g.sentinel("policy", "suggest", "--since", "96h", "--limit", "1"); code != 0 || strings.Count(out, "\n") != 2 || !strings.HasPrefix(out, "SUGGESTION") {
		g.t.Errorf("the table ended with %d: %s%s", code, out, stderr)
	}
	g.simulates("suggested.yaml")
}

// simulates shows a candidate on the record as the other formats do.
func (g *gateway) simulates(candidate string) {
	g.t.Helper()
	code, out, stderr := g.sentinel("policy", "simulate", "--policy", candidate, "--since", "24h")
	if code != 0 || !strings.Contains(out, "spend avoided: ") || !strings.Contains(out, "worst five minutes") {
		g.t.Errorf("simulate ended with %d: %s%s", code, out, stderr)
	}
	code, out, stderr = g.sentinel("policy", "simulate", "--policy", candidate, "--since", "24h", "--format", "html", "--out", "simulation.html")
	page, err := os.ReadFile(filepath.Join(g.dir, "simulation.html"))
	if code != 0 || out != "" || err != nil || !strings.Contains(string(page), "<svg") {
		g.t.Errorf("simulate to a page ended with %d, %v: %s%s", code, err, out, stderr)
	}
}

// A process that has just started knows from the ledger what is usual: it flags a burst of its first minutes. Learning from
// calls alone takes a day.
func TestARestartedProcessFlagsABurstWithinMinutes(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{budget: {usd: 1000/day, mode: hard}}", "")
	g.stop()
	st, err := store.Open(t.Context(), store.Options{DSN: domain.NewSecret(g.dsn), MaxConns: 2})
	g.must(err)
	defer st.Close()
	g.history(st, 4)
	g.suggests()
	if code, out, stderr := sentinelIn(t, g.dir, g.env, "ml", "train"); code != 0 || !strings.Contains(out, "app ") || !strings.Contains(out, "new") {
		t.Fatalf("ml train: %d %s %s", code, out, stderr)
	}
	if _, out, _ := sentinelIn(t, g.dir, g.env, "ml", "train"); !strings.Contains(out, "as before") {
		t.Errorf("a second training changed the model: %s", out)
	}
	for args, want := range map[string]string{"--days 2": "outside 3 to 60", "--service nobody": `service "nobody" has no calls`, "--services 0": "at least 1"} {
		if code, _, stderr := sentinelIn(t, g.dir, g.env, append([]string{"ml", "train"}, strings.Fields(args)...)...); code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("ml train %s: %d %s, want %q", args, code, stderr, want)
		}
	}
	g.start()
	began := time.Now().UTC()
	body := fmt.Sprintf(`{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": %q}]}`, strings.Repeat("all that we know of the customer ", 100))
	for time.Since(began) < 4*time.Minute {
		if code, _, answer := g.do("POST", "/openai/v1/chat/completions", body); code != http.StatusOK {
			t.Fatalf("%d %s", code, answer)
		}
		time.Sleep(300 * time.Millisecond)
		list, err := st.UnusualScores(t.Context(), began.Truncate(time.Minute))
		g.must(err)
		for _, s := range list {
			if s.Service == "app" && s.Strength >= 0.5 {
				t.Logf("after %s: %+v", time.Since(began).Round(time.Second), s)
				return
			}
		}
	}
	t.Error("four minutes of a burst were not flagged")
}
