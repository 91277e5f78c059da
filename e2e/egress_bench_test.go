package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// way is one way to the gateway, over a connection that stays.
type way struct {
	name   string
	url    string
	client *http.Client
	took   []time.Duration
}

// quantile sorts.
func (w *way) quantile(q float64) time.Duration {
	slices.Sort(w.took)
	return w.took[int(q*float64(len(w.took)-1))]
}

// BenchmarkEgress measures calls through the proxy beside calls to the base URL, one of each in turn, each over its own warm connection,
// and writes the table to BENCH_EGRESS where that is set.
func BenchmarkEgress(b *testing.B) {
	g, proxy, _ := openProxy(b, time.Hour, "{budget: {usd: 1000000/day}, limits: {requests: 1000m/minute}}", func(c *mockapi.Config) {
		c.Models = map[string]mockapi.Answers{"gpt-5-mini": {MinOutput: 20, MaxOutput: 20}} // at once: a provider's own time would hide ours
	})
	http1 := through(b, g, proxy, "app:"+token+"@")
	http1.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	http1.Transport.(*http.Transport).TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	ways := []*way{
		{name: "base URL, HTTP/1.1", url: g.url + "/openai/v1/chat/completions", client: &http.Client{Transport: &http.Transport{}}},
		{name: "proxy, HTTP/1.1 in TLS", url: openAIChat, client: http1},
		{name: "proxy, HTTP/2 in TLS", url: openAIChat, client: through(b, g, proxy, "app:"+token+"@")},
	}
	call := func(w *way) time.Duration {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, w.url, strings.NewReader(chat))
		g.must(err)
		r.Header.Set("Content-Type", "application/json")
		if w.url != openAIChat {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		at := time.Now()
		answer, err := w.client.Do(r)
		g.must(err)
		_, err = io.Copy(io.Discard, answer.Body)
		took := time.Since(at)
		g.must(err)
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			b.Fatalf("%s: answered %s", w.name, answer.Status)
		}
		return took
	}
	const rounds, warm = 1000, 100
	for range warm {
		for _, w := range ways {
			call(w)
		}
	}
	for i := range rounds {
		for j := range ways { // each is first as often as the others
			w := ways[(i+j)%len(ways)]
			w.took = append(w.took, call(w))
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "# The proxy beside the base URL\n\nWritten by `make bench-egress`: real Envoy, one stand-in by TLS, one client, warm connections, %d calls each way, one of each in turn in one run.\n"+
		"Compare within the table only.\n\n| way | p50 | p99 | p50 beside the base URL |\n|---|---|---|---|\n", rounds)
	base := ways[0].quantile(0.5)
	for _, w := range ways {
		fmt.Fprintf(&out, "| %s | %s | %s | %.2f |\n", w.name, w.quantile(0.5).Round(time.Microsecond), w.quantile(0.99).Round(time.Microsecond), float64(w.quantile(0.5))/float64(base))
	}
	out.WriteString("\nGoal: p50 at most 1.25 × that of the base URL. What the proxy adds is TLS to the client and one hop inside Envoy.\n")
	b.Log("\n" + out.String())
	if file := os.Getenv("BENCH_EGRESS"); file != "" {
		g.must(os.MkdirAll(filepath.Dir(file), 0o755))
		g.must(os.WriteFile(file, []byte(out.String()), 0o644)) // a document for everybody
	}
}
