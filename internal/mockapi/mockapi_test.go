package mockapi

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quick() Config {
	c := DefaultConfig()
	c.Answers = Answers{MinOutput: 5, MaxOutput: 9, Limit: 4096}
	c.Models = nil
	return c
}

func newServer(t *testing.T, c Config) *Server {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// post asks the handler without a network, and gives status and body.
func post(t *testing.T, s *Server, path, body string, headers ...string) (int, string) {
	t.Helper()
	return ask(t, s, http.MethodPost, path, body, headers...)
}

func ask(t *testing.T, s *Server, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// deltas counts the events that carry content, and gives the content and the last usage.
func deltas(body string) (n int, text string, usage map[string]any) {
	for line := range strings.Lines(body) {
		data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		if !ok || data == "[DONE]" {
			continue
		}
		var v struct {
			Delta   any            `json:"delta"`
			Usage   map[string]any `json:"usage"`
			Choices []struct {
				Delta struct{ Content string }
			}
		}
		if json.Unmarshal([]byte(data), &v) != nil {
			continue
		}
		if v.Usage != nil {
			usage = v.Usage
		}
		piece := ""
		switch d := v.Delta.(type) {
		case string:
			piece = d
		case map[string]any:
			piece, _ = d["text"].(string)
		}
		if len(v.Choices) > 0 {
			piece = v.Choices[0].Delta.Content
		}
		if piece != "" {
			n++
			text += piece
		}
	}
	return n, text, usage
}

func TestEveryWordIsOneTokenInAnySequence(t *testing.T) {
	for _, a := range words {
		if n := countTokens(a); n != 1 {
			t.Errorf("countTokens(%q) = %d, want 1", a, n)
		}
		for _, b := range words {
			if n := countTokens(a + b); n != 2 {
				t.Errorf("countTokens(%q) = %d, want 2", a+b, n)
			}
		}
	}
	for _, draw := range []uint64{0, 1, 1 << 63, 12345} {
		if n := countTokens(say(draw, 100)); n != 100 {
			t.Errorf("countTokens(say(%d, 100)) = %d", draw, n)
		}
	}
}

func TestAStreamHasOneEventForEachTokenAndBillsThem(t *testing.T) {
	for name, tt := range map[string]struct{ path, body string }{
		"chat":      {"/openai/v1/chat/completions", `{"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}],"stream":true,"max_completion_tokens":17}`},
		"responses": {"/openai/v1/responses", `{"model":"gpt-5-mini","input":"hi","stream":true,"max_output_tokens":17}`},
		"messages":  {"/anthropic/v1/messages", `{"model":"claude-haiku-4-5","messages":[{"role":"user","content":"hi"}],"stream":true,"max_tokens":17}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, quick())
			status, body := post(t, s, tt.path, tt.body)
			n, text, _ := deltas(body)
			if status != 200 || n != 17 || countTokens(text) != 17 {
				t.Errorf("status %d, %d deltas, %d tokens, want 200, 17, 17", status, n, countTokens(text))
			}
			if got := s.Stats().Rows[0].Usage["output_tokens"]; got != 17 {
				t.Errorf("billed %d output tokens, want 17", got)
			}
		})
	}
}

func TestUsageIsInTheStreamOnlyWhenAskedFor(t *testing.T) {
	const request = `{"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}],"stream":true,"max_tokens":3%s}`
	for name, tt := range map[string]struct {
		options     string
		wantNull    int
		wantNoShare int
	}{
		"not asked": {"", 0, 0},
		"asked":     {`,"stream_options":{"include_usage":true}`, 5, 1}, // role, 3 tokens, end; then the usage
	} {
		t.Run(name, func(t *testing.T) {
			_, body := post(t, newServer(t, quick()), "/openai/v1/chat/completions", strings.Replace(request, "%s", tt.options, 1))
			if got := strings.Count(body, `"usage":null`); got != tt.wantNull {
				t.Errorf("%d chunks with a null usage, want %d", got, tt.wantNull)
			}
			if got := strings.Count(body, `"choices":[]`); got != tt.wantNoShare {
				t.Errorf("%d chunks without choices, want %d", got, tt.wantNoShare)
			}
			if !strings.HasSuffix(body, "data: [DONE]\n\n") {
				t.Errorf("the stream ends with %q", body[max(0, len(body)-40):])
			}
		})
	}
}

// The bill is worked out by hand: 8 prompt tokens (3 for the answer's start, 3 for the message, "user", "hi").
func TestBillIsExactAndRoundedHalfToEven(t *testing.T) {
	for name, tt := range map[string]struct {
		rates map[string]int64
		want  int64
	}{
		"list price":         {map[string]int64{"input_tokens": 250_000, "output_tokens": 2_000_000}, 22_000}, // 8×250 + 10×2,000
		"half goes to even":  {map[string]int64{"output_tokens": 50}, 0},                                      // 500 pico
		"half past odd goes": {map[string]int64{"output_tokens": 150}, 2},                                     // 1,500 pico
		"over half goes up":  {map[string]int64{"output_tokens": 51}, 1},                                      // 510 pico
	} {
		t.Run(name, func(t *testing.T) {
			c := quick()
			c.Prices = []Price{{Model: "m", Rates: tt.rates}}
			s := newServer(t, c)
			post(t, s, "/openai/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":10}`)
			if got := s.Stats(); got.CostNanoUSD != tt.want || got.Rows[0].Usage["input_tokens"] != 8 {
				t.Errorf("billed %d nano-dollars for %v, want %d", got.CostNanoUSD, got.Rows[0].Usage, tt.want)
			}
		})
	}
}

func TestCachedAndReasoningTokensAreClassesOfTheirOwn(t *testing.T) {
	c := quick()
	c.Answers.CachedPercent, c.Answers.ReasoningTokens = 50, 4
	s := newServer(t, c)
	_, body := post(t, s, "/openai/v1/chat/completions", `{"model":"gpt-5","messages":[{"role":"user","content":"hi"}],"max_tokens":10}`)
	u := s.Stats().Rows[0].Usage
	if u["input_tokens"] != 4 || u["cached_input_tokens"] != 4 || u["output_tokens"] != 6 || u["reasoning_tokens"] != 4 {
		t.Errorf("usage = %v, want 4 input, 4 cached, 6 output, 4 reasoning", u)
	}
	if !strings.Contains(body, `"completion_tokens":10`) || !strings.Contains(body, `"prompt_tokens":8`) {
		t.Errorf("the answer's usage does not include its parts: %s", body)
	}
}

func TestFaultsComeNOfM(t *testing.T) {
	c := quick()
	c.Faults = []Fault{{Provider: "weather", Kind: FaultStatus, Status: 503, First: 1, Of: 3, RetryAfter: 2 * time.Second}}
	s := newServer(t, c)
	var got []int
	for range 6 {
		status, _ := ask(t, s, http.MethodGet, "/weather/v1/forecast/lima", "")
		got = append(got, status)
	}
	want := []int{503, 200, 200, 503, 200, 200}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("statuses %v, want %v", got, want)
		}
	}
	if r := s.Stats().Rows[0]; r.Calls != 6 || r.Failed != 2 || r.CostNanoUSD != 4*400_000 {
		t.Errorf("row = %+v, want 6 calls, 2 failed, 1,600,000 nano-dollars", r)
	}
}

func TestEchoFaultQuotesTheCredential(t *testing.T) {
	c := quick()
	c.Faults = []Fault{{Kind: FaultEcho, Status: 401, First: 1}}
	status, body := post(t, newServer(t, c), "/openai/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"x"}]}`, "Authorization", "Bearer sk-secret")
	if status != 401 || !strings.Contains(body, "sk-secret") {
		t.Errorf("status %d, body %s: want 401 with the credential in it", status, body)
	}
}

func TestCredentialsAreAcceptedHashedAndSearchedForCanaries(t *testing.T) {
	c := quick()
	c.Accept = map[string][]string{"openai": {"sk-good"}}
	c.Canaries = []string{"svc-token"}
	const chat = `{"model":"m","messages":[{"role":"user","content":"%"}],"max_tokens":1}`
	for name, tt := range map[string]struct {
		header, value, text string
		status              int
		canary              bool
	}{
		"the right key":          {"Authorization", "Bearer sk-good", "hi", 200, false},
		"another key":            {"Authorization", "Bearer sk-bad", "hi", 401, false},
		"the client's own token": {"Authorization", "Bearer svc-token", "hi", 401, true},
		"canary as basic user":   {"Authorization", "Basic c3ZjLXRva2VuOg==", "hi", 401, true},
		"canary in the body":     {"Authorization", "Bearer sk-good", "svc-token", 200, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, c)
			status, _ := post(t, s, "/openai/v1/chat/completions", strings.Replace(chat, "%", tt.text, 1), tt.header, tt.value)
			stats := s.Stats()
			if status != tt.status || stats.CanarySeen != tt.canary {
				t.Errorf("status %d, canary %v, want %d, %v", status, stats.CanarySeen, tt.status, tt.canary)
			}
			page, err := json.Marshal(stats)
			if err != nil || strings.Contains(string(page), "sk-good") || strings.Contains(string(page), "svc-token") {
				t.Errorf("the account shows a credential: %s", page)
			}
		})
	}
}

func TestStreamThatItsClientLeavesBillsWhatWasSent(t *testing.T) {
	c := quick()
	c.Answers.Pace = 5 * time.Millisecond
	s := newServer(t, c)
	l, stop := listen(t, s, false)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l+"/openai/v1/chat/completions",
		strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"max_tokens":4000}`))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	lines, seen := bufio.NewScanner(answer.Body), int64(0)
	for seen < 3 && lines.Scan() {
		if strings.Contains(lines.Text(), `"content":" `) {
			seen++
		}
	}
	cancel()
	_ = answer.Body.Close()
	client.CloseIdleConnections()
	stop() // the call is in the account when it returns
	rows := s.Stats().Rows
	if len(rows) != 1 || rows[0].Aborted != 1 || rows[0].Usage["output_tokens"] < 3 || rows[0].Usage["output_tokens"] > 3000 {
		t.Errorf("rows = %+v, want one aborted call with the tokens that were sent", rows)
	}
}

func TestResetFaultCutsAStreamAfterItsTokens(t *testing.T) {
	c := quick()
	c.Faults = []Fault{{Kind: FaultReset, First: 1, AfterTokens: 4}}
	s := newServer(t, c)
	l, stop := listen(t, s, false)
	defer stop()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l+"/openai/v1/chat/completions",
		strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"max_tokens":20}`))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if n, _, _ := deltas(string(body)); err == nil || n != 4 {
		t.Errorf("%d deltas and %v, want 4 and an error", n, err)
	}
	if row := s.Stats().Rows[0]; row.Aborted != 1 || row.Usage["output_tokens"] != 4 {
		t.Errorf("row = %+v, want one aborted call of 4 tokens", row)
	}
}

func TestLatencyAndPaceAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := quick()
		c.Answers.Latency, c.Answers.Pace = 300*time.Millisecond, 20*time.Millisecond
		s := newServer(t, c)
		began := time.Now()
		post(t, s, "/openai/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"max_tokens":11}`)
		if got := time.Since(began); got != 500*time.Millisecond { // 300 ms and ten gaps of 20 ms
			t.Errorf("the stream took %s, want 500ms", got)
		}
	})
}

func TestCertificatesAreForTheConfiguredHosts(t *testing.T) {
	s := newServer(t, quick())
	l, stop := listen(t, s, true)
	defer stop()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CAPEM())
	for host, ok := range map[string]bool{"api.openai.com": true, "documents.s3.us-east-1.amazonaws.com": true, "api.other.com": false} {
		d := &tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS12}}
		conn, err := d.DialContext(t.Context(), "tcp", l)
		if (err == nil) != ok {
			t.Errorf("TLS to %s: %v, want success %v", host, err, ok)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

// listen serves until stop, which returns when Serve has.
func listen(t *testing.T, s *Server, secure bool) (addr string, stop func()) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l, secure) }()
	return l.Addr().String(), func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
