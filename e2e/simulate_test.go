package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/internal/explain"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/simulate"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// paced are rules that refuse for a while, or let calls wait.
const paced = `policies:
  - {name: slots, match: {model: gpt-4.1}, limits: {concurrent: 2}}
  - {name: pace, match: {model: gpt-5-nano}, limits: {requests: 2/hour}}
  - {name: patience, match: {model: gpt-4.1-mini}, limits: {requests: 1/second}, on_exceed: [{delay: 2s}]}
`

// pace makes calls that run beside each other, come too fast, and wait; it gives how many.
func (g *gateway) pace() (calls int) {
	g.t.Helper()
	ask := func(model, more string) int {
		calls++
		code, _, _ := g.do(http.MethodPost, "/openai/v1/chat/completions", fmt.Sprintf(`{"model":%q,"max_completion_tokens":20%s,"messages":[{"role":"user","content":"hello"}]}`, model, more))
		return code
	}
	const streams = 2
	var running sync.WaitGroup
	for range streams {
		calls++
		running.Go(func() {
			g.do(http.MethodPost, "/openai/v1/chat/completions", `{"model":"gpt-4.1","max_completion_tokens":20,"stream":true,"messages":[{"role":"user","content":"hello"}]}`)
		})
	}
	g.eventually("two streams run", func() bool { return g.inFlight() == streams })
	if code := ask("gpt-4.1", ""); code != http.StatusTooManyRequests {
		g.t.Errorf("a third stream beside two was answered %d", code)
	}
	running.Wait()
	g.ledger(calls) // what has ended gives its slot back when it is booked
	for _, model := range []string{"gpt-4.1", "gpt-5-nano", "gpt-5-nano", "gpt-5-nano", "gpt-4.1-mini", "gpt-4.1-mini", "gpt-4.1-mini"} {
		ask(model, "")
	}
	return calls
}

// What a simulation says of recorded calls is what the live gateway did with them, verdict by verdict: SIMULATED_CALLS sets how many.
func TestSimulationOfARecordIsWhatTheGatewayDid(t *testing.T) {
	calls := 250
	if n, err := strconv.Atoi(os.Getenv("SIMULATED_CALLS")); err == nil {
		calls = n
	}
	// The budgets last for a part of the calls, however many there are.
	larger := fmt.Sprintf(paced+"\n  - {name: large models, match: {model: gpt-5}, budget: {usd: %.6f/day}, on_exceed: [{downgrade: [gpt-5-mini]}]}\n"+
		"  - {name: weather quota, match: {provider: weather}, limits: {requests: %d/day}}\n", float64(calls)*0.00004, calls/80)
	config := mockapi.DefaultConfig()
	config.Models = map[string]mockapi.Answers{"gpt-4.1": {Latency: time.Second, MinOutput: 5, MaxOutput: 10}}
	g := open(t, config, fmt.Sprintf("{budget: {usd: %.6f/day, mode: hard}, limits: {requests: 100k/minute}}", float64(calls)*0.0012), larger)
	before := g.pace()
	answered := map[string]string{} // by the reason of a 429, the id that it carried
	for n := range calls - before {
		method, path, body := http.MethodGet, "/weather/v1/forecast/lima", ""
		if n%10 != 9 {
			method, path, body = http.MethodPost, "/openai/v1/chat/completions", fmt.Sprintf(`{"model":%q,"max_completion_tokens":%d,"messages":[{"role":"user","content":"hello %d"}]}`, []string{"gpt-5", "gpt-5-mini"}[n%2], 20+n%300, n)
		}
		if code, header, _ := g.do(method, path, body); code == http.StatusTooManyRequests {
			answered[header.Get("x-sentinel-verdict")] = header.Get("x-sentinel-call")
		}
	}
	rows := g.ledger(calls)
	state, err := app.LoadState(filepath.Join(g.dir, "policies.yaml"))
	g.must(err)
	st, err := store.Open(t.Context(), store.Options{DSN: domain.NewSecret(g.dsn), MaxConns: 2})
	g.must(err)
	defer st.Close()
	sim, kinds := simulate.New(state, nil), map[string]int{}
	err = st.EachEntry(t.Context(), rows[len(rows)-1].At, rows[0].At.Add(1), func(e domain.Entry) error {
		got, _, err := sim.Judge(t.Context(), &e)
		if err != nil {
			return err
		}
		if got.Outside || got.Verdict.Action != e.Action || got.Verdict.Reason != e.Reason || got.Cost != e.Cost || !e.Action.Refused() && got.Verdict.Model != e.Model {
			t.Errorf("call %s was %s %s %s for %s, and is simulated as %s %s %s for %s", e.ID, e.Action, e.Reason, e.Model, e.Cost, got.Verdict.Action, got.Verdict.Reason, got.Verdict.Model, got.Cost)
		}
		kinds[e.Action.String()+" "+string(e.Reason)]++
		return nil
	})
	g.must(err)
	if kinds["throttle concurrency_limited"] == 0 || kinds["throttle rate_limited"] == 0 || kinds["delay "] == 0 || kinds["downgrade budget_spent"] == 0 || kinds["deny budget_spent"]+kinds["deny quota_spent"] < 2 || kinds["allow "] == 0 {
		t.Errorf("the record tests too little: %v", kinds)
	}
	t.Logf("%d calls: %v", len(rows), kinds)

	if len(answered) == 0 {
		t.Error("no call was answered 429")
	}
	for verdict, id := range answered {
		action, reason, _ := strings.Cut(verdict, "; reason=")
		code, stdout, stderr := sentinelIn(t, g.dir, g.env, "policy", "explain", id)
		if code != 0 || !strings.Contains(stdout, "verdict: "+action+": "+reason) || !strings.Contains(stdout, "decided by: ") || !strings.Contains(stdout, "LEFT") {
			t.Errorf("explain of %s, which was answered %q, ended with %d:\n%s%s", id, verdict, code, stdout, stderr)
		}
	}
	g.describe()
	g.write("new.yaml", g.policyOf(fmt.Sprintf("{budget: {usd: %.6f/day, mode: hard}}", float64(calls)*0.001), larger))
	code, stdout, stderr := sentinelIn(t, g.dir, g.env, "policy", "simulate", "--policy", "new.yaml", "--since", "1h", "--format", "json")
	var report simulate.Report
	if err := json.Unmarshal([]byte(stdout), &report); code != 0 || err != nil {
		t.Fatalf("simulate ended with %d, %v:\n%s", code, err, stderr)
	}
	_, spent := sums(rows)
	if report.Now.Cost != spent || report.Recorded.Cost != spent || report.Now.Refused != report.Recorded.Refused || report.Then.Refused <= report.Now.Refused || report.Then.Cost >= report.Now.Cost {
		t.Errorf("now %+v\nthen %+v\nthe ledger has %s", report.Now, report.Then, spent)
	}
}

// describe asks what would become of a call, and compares it with what becomes of it.
func (g *gateway) describe() {
	g.t.Helper()
	const body = `{"model":"gpt-5","max_completion_tokens":100000,"messages":[{"role":"user","content":"hello"}]}`
	g.write("body.json", body)
	code, stdout, stderr := sentinelIn(g.t, g.dir, g.env, "policy", "explain", "--service", "app", "--path", "/openai/v1/chat/completions", "--body", "body.json", "--json")
	var x explain.Explanation
	if err := json.Unmarshal([]byte(stdout), &x); code != 0 || err != nil {
		g.t.Fatalf("explain of a described call ended with %d, %v:\n%s", code, err, stderr)
	}
	_, header, _ := g.do(http.MethodPost, "/openai/v1/chat/completions", body)
	if got := x.Action + "; reason=" + x.Reason; got != header.Get("x-sentinel-verdict") || len(x.Rules) == 0 || len(x.Counters) < 2 || x.Counters[1].Used == 0 {
		g.t.Errorf("described, the call is %q by %+v; sent, it is %q", got, x, header.Get("x-sentinel-verdict"))
	}
}
