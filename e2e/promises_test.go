package e2e

import (
	"bufio"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

const chat = `{"model":"gpt-5-mini","max_completion_tokens":20,"messages":[{"role":"user","content":"hello"}]}`

func TestBudgetOfOneDollarLetsTenCallsOfTenCentsThrough(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{budget: {usd: 1/day, mode: hard}}", "")
	var ok, refused atomic.Int64
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			code, header, body := g.do(http.MethodGet, "/weather/v1/forecast/lima", "")
			switch {
			case code == http.StatusOK:
				ok.Add(1)
			case code == http.StatusTooManyRequests && header.Get("X-Should-Retry") == "false" && header.Get("Retry-After") != "" && strings.Contains(body, "budget_spent"):
				refused.Add(1)
			default:
				t.Errorf("answered %d %v %s", code, header, body)
			}
		})
	}
	group.Wait()
	served := g.mock.Stats()
	if ok.Load() != 10 || refused.Load() != 40 || served.Calls != 10 {
		t.Errorf("%d answered, %d refused, %d served; want 10, 40, 10", ok.Load(), refused.Load(), served.Calls)
	}
	if calls, cost := sums(g.ledger(50)); calls != 10 || cost != domain.USD {
		t.Errorf("the ledger has %d calls for %s, want 10 for $1.00", calls, cost)
	}
	if served.CanarySeen {
		t.Error("the service's token reached the provider")
	}
}

func TestThrottledAndDowngradedInTheProvidersOwnShape(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{}", `policies:
  - {name: large, match: {model: gpt-5}, budget: {usd: 0.000001/day}, on_exceed: [{downgrade: [gpt-5-mini]}, throttle]}
  - {name: pace, match: {provider: openai}, limits: {requests: 2/minute}}
`)
	code, header, body := g.do(http.MethodPost, "/openai/v1/chat/completions", strings.Replace(chat, "gpt-5-mini", "gpt-5", 1))
	if code != 200 || header.Get("X-Sentinel-Verdict") != "downgrade" || header.Get("X-Sentinel-Model") != "gpt-5-mini" || !strings.Contains(body, `"gpt-5-mini`) {
		t.Errorf("a call past the large model's budget got %d %v %s", code, header, body)
	}
	g.do(http.MethodPost, "/openai/v1/chat/completions", chat)
	code, header, body = g.do(http.MethodPost, "/openai/v1/chat/completions", chat)
	if code != 429 || header.Get("Retry-After") == "" || header.Get("Ratelimit") == "" || header.Get("Ratelimit-Policy") == "" || !strings.Contains(body, `"rate_limit_error"`) {
		t.Errorf("a third call in a minute got %d %v %s", code, header, body)
	}
	large := `{"model":"gpt-5-mini","messages":[{"role":"user","content":"` + strings.Repeat("a", 9<<20) + `"}]}`
	if code, _, body := g.do(http.MethodPost, "/openai/v1/chat/completions", large); code != 413 || !strings.Contains(body, "request_too_large") {
		t.Errorf("a body of 9 MiB got %d %s", code, body)
	}
	if code, _, body := g.do(http.MethodGet, "/openai/v1/organization/costs", ""); code != 403 {
		t.Errorf("an endpoint that is not listed got %d %s", code, body)
	}
}

func TestBrokenPolicyKeepsTheOldOneAndLosesNoCall(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{}", "")
	var sent, failed atomic.Int64
	stop := repeat(4, 0, func(int) {
		if code, _, _ := g.do(http.MethodPost, "/openai/v1/chat/completions", chat); code != 200 {
			failed.Add(1)
		}
		sent.Add(1)
	})
	logged := func(message string) func() bool {
		return func() bool {
			log, err := os.ReadFile(filepath.Join(g.dir, "sentinel.log"))
			return err == nil && strings.Contains(string(log), message)
		}
	}
	g.write("policies.yaml", "org: [broken\n")
	g.eventually("the broken policy is refused", logged("policy not reloaded, the old one stays"))
	before := sent.Load()
	g.eventually("calls go on", func() bool { return sent.Load() > before+20 })
	g.write("policies.yaml", g.policyOf("{budget: {usd: 100/day}}", ""))
	g.eventually("the mended policy is taken", logged("policy reloaded"))
	before = sent.Load()
	g.eventually("calls go on", func() bool { return sent.Load() > before+20 })
	stop()
	if failed.Load() > 0 {
		t.Errorf("%d of %d calls failed", failed.Load(), sent.Load())
	}
	if calls, cost := sums(g.ledger(int(sent.Load()))); calls != sent.Load() || int64(cost) != g.mock.Stats().CostNanoUSD {
		t.Errorf("the ledger has %d calls for %s; %d were sent for %d", calls, cost, sent.Load(), g.mock.Stats().CostNanoUSD)
	}
}

// slow paces streams, and reports nothing that a cut stream could not know.
func slow(pace time.Duration) mockapi.Config {
	c := mockapi.DefaultConfig()
	c.Models = map[string]mockapi.Answers{"gpt-5-mini": {Pace: pace, MinOutput: 50, MaxOutput: 50}}
	return c
}

const stream = `{"model":"gpt-5-mini","stream":true,"max_completion_tokens":60,"messages":[{"role":"user","content":"hello"}]}`

// contents counts the content events of a stream until it ends or enough were read. at is told of
// each, and may take sentinel away.
func contents(t *testing.T, answer *http.Response, most int, at func(n int)) (n int, done bool) {
	t.Helper()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.Contains(line, `"content":"`) && !strings.Contains(line, `"content":""`):
			if n++; at != nil {
				at(n)
			}
			if n == most {
				return n, false
			}
		case line == "data: [DONE]":
			done = true
		case at == nil && strings.Contains(line, `"choices":[]`): // with nobody there to hide it, it comes
			t.Errorf("the client sees a usage event that it did not ask for: %s", line)
		}
	}
	return n, done
}

func TestHangingUpInMidStreamBooksWhatWasSent(t *testing.T) {
	g := open(t, slow(20*time.Millisecond), "{budget: {usd: 100/day}}", "")
	answer, err := g.send(http.MethodPost, "/openai/v1/chat/completions", stream)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := contents(t, answer, 15, nil)
	_ = answer.Body.Close()
	rows := g.ledger(1)
	if len(rows) != 1 {
		t.Fatalf("%d rows, want 1", len(rows))
	}
	e := rows[0]
	if got := e.Usage[domain.OutputTokens]; got < int64(n) || got > int64(n)+5 || e.Source != domain.SourcePartial || e.Method != "o200k_base" {
		t.Errorf("%d tokens were read; the row says %d by %s, method %q", n, got, e.Source, e.Method)
	}
}

func TestKilledSentinelLosesNoRowAndCutsNoAnswer(t *testing.T) {
	g := open(t, slow(40*time.Millisecond), "{budget: {usd: 100/day}}", "")
	const before = 20
	for range before {
		if code, _, body := g.do(http.MethodPost, "/openai/v1/chat/completions", chat); code != 200 {
			t.Fatalf("answered %d %s", code, body)
		}
	}
	answer, err := g.send(http.MethodPost, "/openai/v1/chat/completions", stream)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	n, done := contents(t, answer, 0, func(n int) {
		if n == 5 {
			g.kill()
		}
	})
	if !done || n != 60 && n != 50 {
		t.Errorf("the answer that ran when sentinel died has %d tokens, whole: %v", n, done)
	}
	if code, _, _ := g.do(http.MethodPost, "/openai/v1/chat/completions", chat); code != http.StatusServiceUnavailable {
		t.Errorf("without sentinel a call got %d, want 503", code)
	}
	served := g.mock.Stats().Calls
	if served != before+1 {
		t.Errorf("%d calls reached the provider, want %d", served, before+1)
	}
	g.start()
	rows := g.ledger(before + 1)
	seen := map[domain.CallID]int{}
	estimated := 0
	for _, e := range rows {
		seen[e.ID]++
		if e.Source == domain.SourceReconciler {
			estimated++
		}
	}
	if len(rows) != before+1 || len(seen) != before+1 || estimated != 1 {
		t.Errorf("%d rows of %d calls, %d of them estimated; want %d, %d, 1", len(rows), len(seen), estimated, before+1, before+1)
	}
	g.eventually("calls go through again", func() bool {
		code, _, _ := g.do(http.MethodPost, "/openai/v1/chat/completions", chat)
		return code == 200
	})
}

func TestStreamHidesTheUsageThatTheClientDidNotAskFor(t *testing.T) {
	g := open(t, slow(time.Millisecond), "{budget: {usd: 100/day}}", "")
	answer, err := g.send(http.MethodPost, "/openai/v1/chat/completions", stream)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if n, done := contents(t, answer, 0, nil); !done || n != 60 {
		t.Errorf("the stream has %d tokens, whole: %v; want 60", n, done)
	}
	e := g.ledger(1)[0]
	if served := g.mock.Stats(); e.Usage[domain.OutputTokens] != 60 || e.Source != domain.SourceMeter || int64(e.Cost) != served.CostNanoUSD {
		t.Errorf("the row says %d tokens by %s for %s; the provider charged %d", e.Usage[domain.OutputTokens], e.Source, e.Cost, served.CostNanoUSD)
	}
}
