package envoy

import (
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOnlyMarkedRequestsReachTheProvider holds that no way in which a processor can fail to mark lets a request through.
func TestOnlyMarkedRequestsReachTheProvider(t *testing.T) {
	g := startGateway(t, nil)
	for name, tt := range map[string]struct {
		header map[string]string
		status int
		hits   int
	}{
		"marked by its headers":                  {map[string]string{}, 200, 1},
		"marked by its body":                     {map[string]string{"behave": "body"}, 200, 1},
		"the stream closes without an answer":    {map[string]string{"behave": "close"}, 403, 0},
		"a path that the guard rewrites":         {map[string]string{"behave": "rewrite"}, 200, 1}, // the route stays the judged one
		"an answer without a mark":               {map[string]string{"behave": "unmarked"}, 403, 0},
		"a mark in another namespace":            {map[string]string{"behave": "elsewhere"}, 403, 0},
		"an error":                               {map[string]string{"behave": "fail"}, 503, 0},
		"the client claims the mark in a header": {map[string]string{"behave": "unmarked", "x-sentinel-id": call, "x-sentinel-t": call}, 403, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, body := g.do(t, "POST", "/api/v1/chat", tt.header, strings.NewReader("{}"))
			if hits := len(g.upstream.take()); r.StatusCode != tt.status || hits != tt.hits {
				t.Errorf("status %d and %d requests upstream, want %d and %d; body %s", r.StatusCode, hits, tt.status, tt.hits, body)
			}
		})
	}
}

// TestWithoutRBACAnEarlyEndPasses shows what the filter is for: the same processor, with only the guard before the router.
func TestWithoutRBACAnEarlyEndPasses(t *testing.T) {
	g := startGateway(t, nil)
	snapshot, err := Snapshot(g.config)
	if err != nil {
		t.Fatal(err)
	}
	removeFilter(t, snapshot, rbacName)
	if err := g.control.cache.SetSnapshot(t.Context(), fleet, snapshot); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the unguarded listener", func() bool {
		r, _ := g.do(t, "POST", "/api/v1/chat", map[string]string{"behave": "close"}, strings.NewReader("{}"))
		return r.StatusCode == http.StatusOK
	})
	if len(g.upstream.take()) == 0 {
		t.Error("the request did not reach the provider: the RBAC filter would not be needed")
	}
}

func TestRequestReachesTheProviderAsItsOwn(t *testing.T) {
	g := startGateway(t, nil)
	for name, tt := range map[string]struct{ method, path, host, wantURI, wantRoute, wantHost string }{
		"exact":               {"POST", "/api/v1/chat?a=1&b=%20x", "", "/v1/chat?a=1&b=%20x", "api/chat", VirtualHostGateway},
		"a variable":          {"GET", "/api/v1/items/it%20em?q", "", "/v1/items/it%20em?q", "api/item", VirtualHostGateway},
		"the rest":            {"PUT", "/api/files/b/a/b%3Dc/d.txt?partNumber=1", "", "/files/b/a/b%3Dc/d.txt?partNumber=1", "api/file", VirtualHostGateway},
		"a folder":            {"PUT", "/api/files/b/a/", "", "/files/b/a/", "api/file", VirtualHostGateway},
		"a second name":       {"POST", "/api/v1/chat", "Gateway.TEST:4711", "/v1/chat", "api/chat", VirtualHostGateway},
		"the provider's host": {"GET", "/v1/items/7?x=y", "api.example.test", "/v1/items/7?x=y", "api/item", "host/api"},
	} {
		t.Run(name, func(t *testing.T) {
			header := map[string]string{"authorization": "Bearer client-token", "accept-encoding": "gzip, br"}
			if tt.host != "" {
				header["host"] = tt.host
			}
			r, body := g.do(t, tt.method, tt.path, header, strings.NewReader("{}"))
			seen := g.upstream.take()
			if r.StatusCode != http.StatusOK || len(seen) != 1 {
				t.Fatalf("status %d, %d requests upstream, body %s", r.StatusCode, len(seen), body)
			}
			if got := seen[0]; got.RequestURI != tt.wantURI || got.Host != "api.example.test" || got.Header.Get("authorization") != "Bearer provider-key" || got.Header.Get("accept-encoding") != "identity" {
				t.Errorf("upstream saw %s %s %v, want %s", got.Host, got.RequestURI, got.Header, tt.wantURI)
			}
			headers, attributes, metadata := g.processor.last()
			if attributes["xds.route_name"] != tt.wantRoute || attributes["xds.virtual_host_name"] != tt.wantHost || !strings.HasPrefix(attributes["source.address"], "127.0.0.1:") {
				t.Errorf("guard was told %v", attributes)
			}
			if headers[":path"] != tt.path || tt.host != "" && headers[":authority"] != tt.host {
				t.Errorf("guard saw %s %s: a client's signature covers the host and path as they were sent", headers[":authority"], headers[":path"])
			}
			if metadata["t"] != call || r.Header.Get("x-sentinel-call") != call {
				t.Errorf("meter was told %v and said %q", metadata, r.Header.Get("x-sentinel-call"))
			}
		})
	}
}

func TestClientHeadersForTheGatewayStayHere(t *testing.T) {
	g := startGateway(t, nil)
	r, _ := g.do(t, "POST", "/api/v1/chat", map[string]string{
		"x-sentinel-id": call, "x-envoy-retry-on": "5xx", "x-envoy-upstream-rq-timeout-ms": "1", "x-envoy-original-path": "/x",
		"x-envoy-internal": "true", "x-envoy-attempt-count": "3", "x-envoy-of-a-later-version": "1", // Envoy itself keeps only some of its names back
		"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https", "x-forwarded-client-cert": "URI=spiffe://acme/x",
		"x-request-id": "chosen-by-client", "x-client-request-id": "kept",
		"x_api_key": "hidden", "te": "trailers",
	}, strings.NewReader("{}"))
	seen := g.upstream.take()
	if r.StatusCode != http.StatusOK || len(seen) != 1 {
		t.Fatalf("status %d, %d requests upstream", r.StatusCode, len(seen))
	}
	want := map[string]bool{"Accept-Encoding": true, "Authorization": true, "Content-Length": true, "User-Agent": true, "X-Client-Request-Id": true}
	for name := range seen[0].Header {
		if !want[name] {
			t.Errorf("upstream saw %s: %q", name, seen[0].Header[name])
		}
	}
	headers, _, _ := g.processor.last()
	for name := range headers {
		if strings.HasPrefix(name, "x-sentinel-") || name == "x-forwarded-for" || strings.HasPrefix(name, "x-envoy-") && name != "x-envoy-external-address" || name == "x-forwarded-client-cert" {
			t.Errorf("guard saw %s: %q", name, headers[name])
		}
	}
	if v := r.Header.Values("x-sentinel-verdict"); len(v) > 0 {
		t.Errorf("the client got the provider's x-sentinel-verdict: %q", v)
	}
}

func TestWhatIsNotConfiguredIsRefused(t *testing.T) {
	g := startGateway(t, nil)
	for name, tt := range map[string]struct {
		method, path string
		header       map[string]string
		status       int
	}{
		"unknown host":           {"POST", "/api/v1/chat", map[string]string{"host": "evil.test"}, 403},
		"unknown provider":       {"POST", "/other/v1/chat", nil, 403},
		"unknown path":           {"POST", "/api/v1/chat/more", nil, 403},
		"other method":           {"DELETE", "/api/v1/chat", nil, 403},
		"other case":             {"POST", "/api/v1/Chat", nil, 403},
		"provider path, no name": {"POST", "/v1/chat", nil, 403},
		"root":                   {"GET", "/", nil, 403},
		"double slash":           {"GET", "/api//v1/items/1", nil, 403},
		"double slash in rest":   {"PUT", "/api/files/b//k", nil, 403},
		"dots":                   {"GET", "/api/v1/items/..", nil, 403},
		"dots in rest":           {"PUT", "/api/files/b/a/../../v1/chat", nil, 403},
		"dots before the name":   {"POST", "/x/../api/v1/chat", nil, 403},
		"encoded dots":           {"PUT", "/api/files/b/%2e%2E/k", nil, 403},
		"dots with a parameter":  {"PUT", "/api/files/b/..;x/k", nil, 403},
		"encoded percent":        {"GET", "/api/v1/items/a%252fb", nil, 403},
		"encoded slash":          {"GET", "/api/v1/items/a%2Fb", nil, 400},
		"encoded backslash":      {"GET", "/api/v1/items/a%5cb", nil, 400},
		"backslash":              {"GET", `/api/v1/items/a\b`, nil, 403},
		"broken escape":          {"GET", "/api/v1/items/a%zz", nil, 403},
		"fragment":               {"GET", "/api/v1/items/a#b", nil, 400},
		"upgrade":                {"GET", "/api/stream", map[string]string{"connection": "upgrade", "upgrade": "websocket"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			r, answer := g.do(t, tt.method, tt.path, tt.header, strings.NewReader("{}"))
			if hits := len(g.upstream.take()); r.StatusCode != tt.status || hits != 0 {
				t.Errorf("%s %s: status %d and %d requests upstream, want %d and 0; %s", tt.method, tt.path, r.StatusCode, hits, tt.status, answer)
			}
			if r.StatusCode == 403 && tt.header["upgrade"] == "" && (r.Header.Get("content-type") != "application/json" || answer != refusal) {
				t.Errorf("refusal %s %q", r.Header.Get("content-type"), answer)
			}
		})
	}
}

// TestJudgedBodyIsBounded lets the guard ask for the body first: a body that crosses the limit
// before Envoy knows that it is to be kept pauses instead, until the idle timeout.
func TestJudgedBodyIsBounded(t *testing.T) {
	g := startGateway(t, func(c *Config) { c.MaxBodyBytes = 2 << 20 })
	for name, tt := range map[string]struct{ bytes, status, hits int }{
		"just within": {2<<20 - 1, 200, 1},
		"past it":     {4 << 20, 413, 0},
	} {
		t.Run(name, func(t *testing.T) {
			before := g.stat(t, "http.egress.ext_proc.guard.stream_msgs_received")
			read, write := io.Pipe()
			go func() {
				_, _ = write.Write([]byte("x"))
				for g.stat(t, "http.egress.ext_proc.guard.stream_msgs_received") == before {
					runtime.Gosched()
				}
				_, err := io.CopyN(write, zeros{}, int64(tt.bytes-1))
				_ = write.CloseWithError(err)
			}()
			r, body := g.do(t, "POST", "/api/v1/chat", map[string]string{"behave": "body"}, read)
			_ = read.Close()
			if hits := len(g.upstream.take()); r.StatusCode != tt.status || hits != tt.hits {
				t.Errorf("status %d and %d requests upstream, want %d and %d; %s", r.StatusCode, hits, tt.status, tt.hits, body)
			}
		})
	}
}

// TestLargeUploadStreamsPast: the limit is on what the guard reads, not on what a provider stores.
// TestMemoryIsBounded: an Envoy that has used up its memory takes no more requests, and does not end.
func TestMemoryIsBounded(t *testing.T) {
	g := startWithHeap(t, 1<<20, nil)
	eventually(t, "a request is refused for want of memory", func() bool {
		r, text := g.do(t, "POST", "/api/v1/chat", nil, strings.NewReader("{}"))
		return r.StatusCode == http.StatusServiceUnavailable && strings.Contains(text, "overload")
	})
	g.upstream.take()
	if r, text := g.do(t, "POST", "/api/v1/chat", nil, strings.NewReader("{}")); r.StatusCode != http.StatusServiceUnavailable || len(g.upstream.take()) != 0 {
		t.Errorf("answered %d %s", r.StatusCode, text)
	}
}

func TestLargeUploadStreamsPast(t *testing.T) {
	g := startGateway(t, nil)
	r, body := g.do(t, "PUT", "/api/files/b/large", nil, strings.NewReader(strings.Repeat("x", 3<<20)))
	if r.StatusCode != http.StatusOK || body != `{"bytes":3145728}` {
		t.Errorf("status %d, body %s", r.StatusCode, body)
	}
}

// TestAGuardLeadsToConfiguredRoutesOnly has the guard send a judged call to a path that no provider has.
func TestAGuardLeadsToConfiguredRoutesOnly(t *testing.T) {
	g := startGateway(t, nil)
	r, body := g.do(t, "GET", "/api/v1/items/1", map[string]string{"behave": "reroute"}, nil)
	if seen := g.upstream.take(); r.StatusCode != http.StatusForbidden || len(seen) != 0 {
		t.Errorf("status %d, %d requests upstream, body %s", r.StatusCode, len(seen), body)
	}
}

// TestACallIsLedWhereItWasMeantToGoAlone has the guard lead calls by another policy than Envoy's: it has the provider elsewhere, or a chain that is not there.
// The provider's key is on the request by then.
func TestACallIsLedWhereItWasMeantToGoAlone(t *testing.T) {
	g := startGateway(t, func(c *Config) { c.Providers[0].Place = "here" })
	led := func(host, path string) (status, hits int, body string) {
		r, body := g.do(t, "POST", "/api/v1/chat", map[string]string{"behave": "lead", "lead-host": host, "lead-path": path}, strings.NewReader("{}"))
		if seen := r.Header.Get("X-Sentinel-Call"); r.StatusCode == http.StatusServiceUnavailable && seen != call {
			t.Errorf("the meter, which gives back what was held, did not see that the call went nowhere: %q", seen)
		}
		return r.StatusCode, len(g.upstream.take()), body
	}
	const here, there = "api.here." + FallbackHost, "api.there." + FallbackHost
	for name, tt := range map[string]struct {
		host, path   string
		status, hits int
	}{
		"where it is":                {here, "/v1/chat", 200, 1},
		"elsewhere":                  {there, "/v1/chat", 503, 0},
		"where another is":           {"other.here." + FallbackHost, "/v1/chat", 503, 0},
		"by its name alone":          {"api." + FallbackHost, "/v1/chat", 503, 0},
		"by a chain that is missing": {FallbackHost, "/api+other/v1/chat", 503, 0},
		"by the gateway's own paths": {FallbackHost, "/api/v1/chat", 503, 0},
		"to what it does not have":   {here, "/v1/other", 403, 0},
	} {
		status, hits, body := led(tt.host, tt.path)
		if status != tt.status || hits != tt.hits || status == 503 && !strings.Contains(body, "other_place") {
			t.Errorf("%s: status %d, %d requests upstream, body %s; want %d and %d", name, status, hits, body, tt.status, tt.hits)
		}
	}
	moved := g.config
	moved.Providers = slices.Clone(moved.Providers)
	moved.Providers[0].Place = "there"
	if err := g.control.Set(moved); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the provider has moved", func() bool {
		status, hits, _ := led(there, "/v1/chat")
		return status == 200 && hits == 1
	})
	if status, hits, body := led(here, "/v1/chat"); status != 503 || hits != 0 {
		t.Errorf("where it was before: status %d, %d requests upstream, body %s", status, hits, body)
	}
}

// TestAccessLogHoldsNoHeader looks for canaries in the log, which names the call.
func TestAccessLogHoldsNoHeader(t *testing.T) {
	g := startGateway(t, nil)
	g.do(t, "POST", "/api/v1/chat?canary-query", map[string]string{"authorization": "Bearer canary-client"}, strings.NewReader("canary-body"))
	var log string
	eventually(t, "a line in the access log", func() bool {
		b, _ := os.ReadFile(g.config.AccessLog)
		log = string(b)
		return strings.Contains(log, "\n")
	})
	for _, secret := range []string{"canary", "provider-key", "Bearer"} {
		if strings.Contains(log, secret) {
			t.Errorf("the access log holds %q: %s", secret, log)
		}
	}
	for _, want := range []string{`"call":"` + call + `"`, `"route":"api/chat"`, `"status":200`, `"cluster":"provider/api"`, `"bytes_sent":`} {
		if !strings.Contains(log, want) {
			t.Errorf("the access log lacks %s: %s", want, log)
		}
	}
}

// Envoy's own pause between attempts at a control plane that was away grows to 30 s, and as long calls go where the policy no longer has their provider.
func TestEnvoyComesBackToSentinelSoon(t *testing.T) {
	text, err := Bootstrap(valid())
	_, ads, _ := strings.Cut(string(text), "\n  ads_config:\n")
	if err != nil || !strings.Contains(ads, "max_interval: 2s") {
		t.Errorf("%v: the stream of configuration is tried again so:\n%s", err, ads)
	}
}
