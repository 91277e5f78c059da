package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestClosedLoopKeepsEveryClientBusyAndNoMore(t *testing.T) {
	var now, most, served atomic.Int64
	all := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, rq *http.Request) {
		defer now.Add(-1)
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		if served.Add(1) == 8 {
			close(all)
		}
		<-all // no answer before eight calls are in flight
		body, err := io.ReadAll(rq.Body)
		if err != nil || string(body) != "{}" || rq.Header.Get("Authorization") != "Bearer x" || rq.Host != "api.example" || rq.Method != http.MethodPost {
			w.WriteHeader(http.StatusBadRequest)
		}
		fmt.Fprint(w, `{"ok":true}`)
	})
	got, err := Run(t.Context(), Options{
		URL: url, Body: []byte("{}"), Clients: 8, Duration: time.Minute, Requests: 500,
		Header: http.Header{"Authorization": {"Bearer x"}, "Host": {"api.example"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Requests != 500 || got.Errors != 0 || served.Load() != 500 || most.Load() != 8 {
		t.Errorf("%d calls measured, %d errors %v, %d served, at most %d at once; want 500, 0, 500, 8", got.Requests, got.Errors, got.Faults, served.Load(), most.Load())
	}
	if diff := cmp.Diff(map[int]int64{200: 500}, got.Statuses); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	if got.Latency.Count != 500 || got.FirstByte.Count != 500 || got.Latency.P50 <= 0 || got.Latency.Max < got.Latency.P99 || got.FirstByte.Max > got.Latency.Max {
		t.Errorf("latency %v, first byte %v", got.Latency, got.FirstByte)
	}
	if got.PerSecond() <= 0 || got.Elapsed <= 0 {
		t.Errorf("%v calls a second in %s", got.PerSecond(), got.Elapsed)
	}
}

func TestWarmUpIsNotMeasured(t *testing.T) {
	var served atomic.Int64
	url := serve(t, func(http.ResponseWriter, *http.Request) { served.Add(1) })
	got, err := Run(t.Context(), Options{URL: url, Clients: 2, Warmup: 30 * time.Millisecond, Duration: time.Minute, Requests: 10})
	if err != nil {
		t.Fatal(err)
	}
	if got.Requests != 10 || served.Load() <= 10 {
		t.Errorf("%d measured of %d served, want 10 of more", got.Requests, served.Load())
	}
	if got.FirstByte.Count != 0 {
		t.Errorf("%d first bytes of empty answers", got.FirstByte.Count)
	}
}

func TestDurationEndsTheLoad(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	got, err := Run(t.Context(), Options{URL: url, Method: http.MethodGet, Clients: 1, Duration: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if got.Requests == 0 || got.Elapsed < 50*time.Millisecond || got.Elapsed > 5*time.Second {
		t.Errorf("%d calls in %s, want some in about 50ms", got.Requests, got.Elapsed)
	}
}

func TestChunksAreMeasuredFromTheirStamps(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			fmt.Fprintf(w, "event: x\ndata: {\"sent_ns\":%d,\"a\":1}\n\n", time.Now().Add(-time.Second).UnixNano())
			w.(http.Flusher).Flush()
		}
		fmt.Fprint(w, "data: [DONE]\n\n")
	})
	got, err := Run(t.Context(), Options{URL: url, Mode: SSE, Clients: 2, Duration: time.Minute, Requests: 20})
	if err != nil {
		t.Fatal(err)
	}
	if got.Errors != 0 || got.Chunk.Count != 60 || got.Gap.Count != 60 {
		t.Fatalf("%d errors %v, %d chunks, %d gaps; want 0, 60 and 60", got.Errors, got.Faults, got.Chunk.Count, got.Gap.Count)
	}
	if got.Chunk.P50 < time.Second || got.Chunk.P50 > 10*time.Second || got.Gap.P50 > time.Second {
		t.Errorf("chunks are delayed by %v with gaps of %v; want 1s and less", got.Chunk, got.Gap)
	}
}

func TestFailedCallsAreCountedAndTold(t *testing.T) {
	for name, tt := range map[string]struct {
		mode    Mode
		handler http.HandlerFunc
		status  int
		want    string
	}{
		"refused":           {JSON, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, 429, "status 429"},
		"a redirect":        {JSON, func(w http.ResponseWriter, rq *http.Request) { http.Redirect(w, rq, "/x", http.StatusFound) }, 302, "status 302"},
		"refused stream":    {SSE, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, 503, "status 503"},
		"no answer":         {JSON, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, "EOF"},
		"stream of nothing": {SSE, func(http.ResponseWriter, *http.Request) {}, 200, "without an event"},
		"stream cut off": {SSE, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "data: 1\n\ndata: 2")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, 200, "unexpected EOF"},
		"stream ends within a line": {SSE, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "data: 1\n\ndata: 2") }, 200, "within a line"},
		"an endless line":           {SSE, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", maxLine+1)) }, 200, "buffer full"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(tt.handler)
			s.Config.ErrorLog = nil
			s.Start()
			defer s.Close()
			got, err := Run(t.Context(), Options{URL: s.URL, Mode: tt.mode, Clients: 1, Duration: time.Minute, Requests: 8})
			if err != nil {
				t.Fatal(err)
			}
			if got.Requests != 8 || got.Errors != 8 || got.Statuses[tt.status] != 8 || got.Latency.Count != 0 {
				t.Errorf("%+v, want 8 calls, all errors of status %d, without latencies", got, tt.status)
			}
			if len(got.Faults) != maxFaults || !strings.Contains(got.Faults[0], tt.want) {
				t.Errorf("faults %q, want %d with %q", got.Faults, maxFaults, tt.want)
			}
		})
	}
}

func TestCancelledLoadIsAnError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url := serve(t, func(http.ResponseWriter, *http.Request) { cancel() })
	if _, err := Run(ctx, Options{URL: url, Clients: 3, Duration: time.Minute}); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want context.Canceled", err)
	}
}

func TestEveryFaultOfTheOptionsIsNamed(t *testing.T) {
	_, err := Run(t.Context(), Options{URL: "x", Mode: "xml", Requests: -1, Processes: map[string]int{"x": -1}})
	for _, want := range []string{"url:", "mode:", "clients:", "duration:", "requests, timeout and rate:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Run = %v, want a fault with %q", err, want)
		}
	}
	_, err = Run(t.Context(), Options{URL: "http://127.0.0.1:1", Clients: 1, Duration: time.Second, Processes: map[string]int{"envoy": 1 << 30}})
	if err == nil || !strings.Contains(err.Error(), "envoy: sample process") {
		t.Errorf("Run with a process that is not there = %v", err)
	}
}

func TestProcessIsSampled(t *testing.T) {
	child := exec.Command("sh", "-c", "while :; do :; done")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	}()
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	got, err := Run(t.Context(), Options{URL: url, Clients: 1, Duration: 500 * time.Millisecond,
		Processes: map[string]int{"self": os.Getpid(), "busy": child.Process.Pid}})
	if err != nil {
		t.Fatal(err)
	}
	// The machine may be busy with other work: a spinning process still gets a share of a core.
	if busy := got.Processes["busy"]; busy.CPU < 20*time.Millisecond || busy.CPU > got.Elapsed+50*time.Millisecond {
		t.Errorf("a spinning process used %s in %s", busy.CPU, got.Elapsed)
	}
	if self := got.Processes["self"]; self.RSS < 1<<20 || self.PeakRSS < self.RSS || got.CPUPerCall("self") <= 0 {
		t.Errorf("this process: %+v, %s a call", self, got.CPUPerCall("self"))
	}
	if got.CPUPerCall("nobody") != 0 {
		t.Error("an unknown process used CPU")
	}
}

func TestParseUse(t *testing.T) {
	const status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n"
	got, err := parseUse([]byte("7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0"), []byte(status))
	want := Use{CPU: 3 * time.Second, RSS: 1 << 20, PeakRSS: 2 << 20}
	if err != nil || got != want {
		t.Errorf("parseUse = %+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", "7 (x) S 1", "7 (x) S 1 7 7 0 -1 4194560 100 0 0 0 a b 0"} {
		if _, err := parseUse([]byte(bad), []byte(status)); err == nil {
			t.Errorf("parseUse(%q) is accepted", bad)
		}
	}
}

func TestPercentilesAreWithinOnePercent(t *testing.T) {
	var h histogram
	for i := range 100_000 {
		h.add(time.Duration(i+1) * 10 * time.Microsecond) // 10 µs to 1 s, evenly
	}
	h.add(-time.Second)
	d := h.distribution()
	for name, tt := range map[string]struct{ got, want time.Duration }{
		"p50": {d.P50, 500 * time.Millisecond}, "p90": {d.P90, 900 * time.Millisecond}, "p99": {d.P99, 990 * time.Millisecond}, "mean": {d.Mean, 500 * time.Millisecond},
	} {
		if off := (tt.got - tt.want).Abs(); off > tt.want/100 {
			t.Errorf("%s = %s, want %s within 1 %%", name, tt.got, tt.want)
		}
	}
	if d.Max != time.Second || d.Count != 100_001 {
		t.Errorf("max %s of %d, want 1s of 100001", d.Max, d.Count)
	}
	if (&histogram{}).distribution().String() != "none" || !strings.Contains(d.String(), "of 100001") {
		t.Errorf("String = %q", d)
	}
}

func TestEveryNumberFallsIntoItsCell(t *testing.T) {
	for n := int64(0); n < 1<<43; n = n*9/8 + 1 {
		if v := valueOf(cellOf(n)); v < n-n/128 || v > n+n/128 {
			t.Errorf("%d is counted as %d, more than 1/128 away", n, v)
		}
	}
	if c := cellOf(1 << 62); c != powers*cells-1 {
		t.Errorf("cellOf(2^62) = %d, want the last, %d", c, powers*cells-1)
	}
}

func TestSentNS(t *testing.T) {
	for data, want := range map[string]int64{
		`{"sent_ns":1700000000000000001}`: 1700000000000000001, `{"sent_ns": 5,"a":1}`: 5,
		`{}`: -1, `{"sent_ns":null}`: -1, `{"sent_ns":99999999999999999999}`: -1,
	} {
		at, ok := SentNS([]byte(data))
		if ok != (want >= 0) || ok && at.UnixNano() != want {
			t.Errorf("SentNS(%s) = %d, %v, want %d", data, at.UnixNano(), ok, want)
		}
	}
}

func BenchmarkEvents(b *testing.B) {
	stream := bytes.Repeat([]byte("data: {\"choices\":[{\"delta\":{\"content\":\" the\"}}],\"sent_ns\":1700000000000000001}\n\n"), 1000)
	r := newRun(Options{Clients: 1, Stamp: SentNS})
	r.measured = &measurements{}
	b.ReportAllocs()
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		if err := r.events(bytes.NewReader(stream)); err != nil {
			b.Fatal(err)
		}
	}
}

func TestOpenLoopStartsCallsWhenTheyAreDue(t *testing.T) {
	var now, most atomic.Int64
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		defer now.Add(-1)
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		time.Sleep(50 * time.Millisecond)
	})
	got, err := Run(t.Context(), Options{URL: url, Clients: 64, Rate: 200, Duration: time.Minute, Requests: 40})
	if err != nil {
		t.Fatal(err)
	}
	if got.Requests != 40 || got.Errors != 0 || most.Load() < 2 || got.Elapsed < 190*time.Millisecond {
		t.Errorf("%d calls, %d errors, at most %d at once in %s; want 40, 0, several, 195ms and more", got.Requests, got.Errors, most.Load(), got.Elapsed)
	}
}

func TestCallsThatWaitForAClientAreTimedFromWhenTheyWereDue(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) { time.Sleep(20 * time.Millisecond) })
	got, err := Run(t.Context(), Options{URL: url, Clients: 1, Rate: 1000, Duration: time.Minute, Requests: 10})
	if err != nil {
		t.Fatal(err)
	}
	if got.Latency.Max < 150*time.Millisecond { // the last was due after 9 ms, and nine of 20 ms stood before it
		t.Errorf("the longest of 10 calls of 20 ms, one after the other, took %s; want 150ms and more", got.Latency.Max)
	}
}
