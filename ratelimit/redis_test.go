package ratelimit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ratelimit/limitertest"
)

// TestMain lets a copy of the test binary be one of several processes that share a Redis.
func TestMain(m *testing.M) {
	text := os.Getenv(workerVariable)
	if text == "" {
		goleak.VerifyTestMain(m)
		return
	}
	var order workerOrder
	err := json.Unmarshal([]byte(text), &order)
	if err == nil {
		err = work(order)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func dial(t testing.TB, addr string) *Redis {
	t.Helper()
	r, err := Dial(context.Background(), Options{Addresses: []string{addr}, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestMiniredis(t *testing.T) {
	limitertest.Run(t, func(t *testing.T) limitertest.Bench {
		m := miniredis.RunT(t)
		now := time.Now()
		m.SetTime(now)
		return limitertest.Bench{Limiter: dial(t, m.Addr()), Advance: func(d time.Duration) {
			now = now.Add(d)
			m.SetTime(now)
			m.FastForward(d)
		}}
	})
}

func TestEvictingRedisIsRefused(t *testing.T) {
	addr := realRedis(t)
	r := dial(t, addr)
	if err := r.client.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial(t.Context(), Options{Addresses: []string{addr}}); err == nil || !strings.Contains(err.Error(), "allkeys-lru") || !strings.Contains(err.Error(), "noeviction") {
		t.Errorf("Dial of an evicting Redis gave %v", err)
	}
}

func TestCallsPastTheirHoldAreCounted(t *testing.T) {
	r := dial(t, miniredis.RunT(t).Addr())
	for i, used := range []int64{400, 401, 400} {
		a := sentinel.Ask{Org: "acme", Call: sentinel.NewCallID(time.Now()), TTL: time.Minute, Candidates: []sentinel.Candidate{{
			Bound: sentinel.Amounts{sentinel.MeasureCost: 400}, Limits: []sentinel.Limit{limitertest.Money(10_000)},
		}}}
		got, err := r.Reserve(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Settle(t.Context(), sentinel.Settlement{Org: "acme", Call: a.Call, Hold: got.Hold, Actual: sentinel.Amounts{sentinel.MeasureCost: used}}); err != nil {
			t.Fatal(err)
		}
		if n, want := r.UnderReserved(), int64(min(i, 1)); n != want {
			t.Errorf("%d calls past their hold after one of %d in 400, want %d", n, used, want)
		}
	}
}

func TestEveryKeyOfAnAdmissionEndsByItself(t *testing.T) {
	m := miniredis.RunT(t)
	r := dial(t, m.Addr())
	budget := limitertest.Money(1000)
	a := sentinel.Ask{Org: "acme", Call: sentinel.NewCallID(time.Now()), TTL: time.Minute, Candidates: []sentinel.Candidate{{Bound: sentinel.Amounts{1, 1, 1, 1, 1, 1}, Limits: []sentinel.Limit{
		budget,
		{Cell: "c", Kind: sentinel.Concurrent, Measure: sentinel.MeasureConcurrent, Max: 9},
		{Cell: "r", Kind: sentinel.Rate, Measure: sentinel.MeasureRequests, Max: 9, Period: time.Minute},
	}}}}
	got, err := r.Reserve(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Settle(t.Context(), sentinel.Settlement{Org: "acme", Call: a.Call, Hold: got.Hold, Actual: sentinel.Amounts{1, 1, 1, 1, 1, 1}}); err != nil {
		t.Fatal(err)
	}
	for _, k := range m.Keys() {
		if !strings.HasPrefix(k, "{o:acme}:") {
			t.Errorf("key %q is not in the organisation's slot", k)
		}
		if m.TTL(k) <= 0 && k != r.memoryKey("acme") {
			t.Errorf("key %q lives for ever", k)
		}
	}
}

func TestLostRedisIsKnownAtOnceByTheBreaker(t *testing.T) {
	m := miniredis.RunT(t)
	r := dial(t, m.Addr())
	m.Close()
	a := sentinel.Ask{Org: "acme", TTL: time.Minute, Candidates: []sentinel.Candidate{{Limits: []sentinel.Limit{limitertest.Money(1)}}}}
	for i := range breakerFailures + 2 {
		if _, err := r.Reserve(t.Context(), a); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("call %d: %v, want ErrUnavailable", i+1, err)
		}
	}
	if r.breaker.allow(time.Now()) {
		t.Error("the breaker did not open")
	}
}

func TestACallerThatLeavesSaysNothingAboutRedis(t *testing.T) {
	r := dial(t, miniredis.RunT(t).Addr())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r.breaker.failures.Store(breakerFailures - 1)
	a := sentinel.Ask{Org: "acme", TTL: time.Minute, Candidates: []sentinel.Candidate{{Limits: []sentinel.Limit{limitertest.Money(1)}}}}
	if _, err := r.Reserve(gone, a); !errors.Is(err, context.Canceled) {
		t.Fatalf("Reserve gave %v, want canceled", err)
	}
	if n := r.breaker.failures.Load(); n != breakerFailures-1 {
		t.Errorf("%d failures are counted, want %d still", n, breakerFailures-1)
	}
}

func TestBreakerLetsOneTryAfterThePause(t *testing.T) {
	var b breaker
	now := time.Unix(1000, 0)
	for range breakerFailures {
		if !b.allow(now) {
			t.Fatal("it opened too early")
		}
		b.report(now, false)
	}
	if b.allow(now.Add(breakerPause - 1)) {
		t.Error("it let a call through before the pause was over")
	}
	later := now.Add(breakerPause)
	if !b.allow(later) || b.allow(later) {
		t.Error("after the pause exactly one call must try")
	}
	b.report(later, true)
	if !b.allow(later) {
		t.Error("it stays open after a success")
	}
}

func TestHungRedisIsLeftAtTheDeadline(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, Options{Addresses: []string{l.Addr().String()}}); err == nil {
		t.Error("a server that never answers was accepted")
	}
}

func FuzzDecodeHold(f *testing.F) {
	l := limitertest.Money(5)
	l.WarnAt = []int64{5000, 10000}
	f.Add(string(receiptOf(sentinel.Candidate{Limits: []sentinel.Limit{l}}, 1, 2, nil).encode()))
	f.Add("2|2|2|R:x,0,1,0,c,z,9")
	f.Add("2|2|2|W:x,4,5,1,z,9,1.2")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := decodeHold(sentinel.Hold(s))
		if err != nil {
			return
		}
		entries := r.held
		if len(entries) > maxHeld {
			t.Errorf("%q has %d entries, over %d", s, len(entries), maxHeld)
		}
		for _, e := range entries {
			if e.amount < 0 || e.max < 1 || e.periodUS < 1 || e.endMS < 0 || int(e.measure) >= sentinel.MeasureCount {
				t.Errorf("%q was read as %+v", s, e)
			}
		}
	})
}

func TestMalformedHoldsAreRefused(t *testing.T) {
	for name, h := range map[string]sentinel.Hold{
		"nothing": "", "other version": "1|2|2", "no bucket": "2|!|2", "no time": "2|2", "unknown kind": "2|2|2|X:x,0,1,0",
		"charge neither 0 nor 1": "2|2|2|N:x,5,1,7", "negative amount": "2|2|2|N:x,5,-1,0", "no such measure": "2|2|2|N:x,6,1,0",
		"a rate of nothing": "2|2|2|R:x,1,1,0,0,z,0", "a window without its end": "2|2|2|W:x,4,1,0", "a bad share": "2|2|2|W:x,4,1,0,z,9,1.-",
	} {
		if _, err := decodeHold(h); err == nil {
			t.Errorf("%s: %q was accepted", name, h)
		}
	}
}

func TestHoldsAreSmallAndRoundTrip(t *testing.T) {
	c := sentinel.Candidate{Bound: sentinel.Amounts{1, 123456, 1000, 2000, 9_000_000_000_000_000_000, 1}}
	for range 8 {
		l := limitertest.Money(1 << 60)
		l.Cell = "rule/" + strings.Repeat("a long name ", 8) + "/cost/month"
		c.Limits = append(c.Limits, l)
	}
	c.Limits[0].WarnAt = []int64{5000, 8000, 10000}
	want := receiptOf(c, 119698175, 1_795_000_000_000_000, make([]int64, len(c.Limits)))
	h := want.encode()
	if len(h) > 930 {
		t.Errorf("a hold of 8 limits has %d bytes", len(h))
	}
	got, err := decodeHold(h)
	for i := range want.held {
		want.held[i].max, want.held[i].periodUS = max(1, want.held[i].max), 1
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(receipt{}, held{})); err != nil || diff != "" {
		t.Errorf("decodeHold(%s): %v (-want +got):\n%s", h, err, diff)
	}
}

func TestThresholdsAreExact(t *testing.T) {
	for _, tt := range []struct{ limit, share, want int64 }{
		{1000, 5000, 500}, {3, 5000, 2}, {1, 1, 1}, {10_000, 1, 1}, {1<<62 + 1, 10_000, 1<<62 + 1}, {1<<63 - 1, 100_000, 1<<63 - 1}, {1 << 60, 12_345, 1_423_281_597_437_152_592},
	} {
		if got := threshold(tt.limit, tt.share); got != tt.want {
			t.Errorf("threshold(%d, %d) = %d, want %d", tt.limit, tt.share, got, tt.want)
		}
	}
}

func BenchmarkReserveAndSettle(b *testing.B) {
	r := dial(b, realRedis(b))
	var limits []sentinel.Limit
	for i := range 8 {
		l := limitertest.Money(1 << 60)
		l.Cell += string(rune('a' + i))
		limits = append(limits, l)
	}
	b.ReportAllocs()
	for b.Loop() {
		a := sentinel.Ask{Org: "acme", Call: sentinel.NewCallID(time.Now()), TTL: time.Minute, Candidates: []sentinel.Candidate{{Bound: sentinel.Amounts{sentinel.MeasureCost: 5}, Limits: limits}}}
		got, err := r.Reserve(b.Context(), a)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Settle(b.Context(), sentinel.Settlement{Org: "acme", Call: a.Call, Hold: got.Hold, Actual: sentinel.Amounts{sentinel.MeasureCost: 3}}); err != nil {
			b.Fatal(err)
		}
	}
}
