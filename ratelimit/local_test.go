package ratelimit

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/redistest"
	"github.com/saas-sentinel/saas-sentinel/ratelimit/limitertest"
)

func everything(sentinel.Limit) bool { return true }

// TestSharesWhileRedisIsAway takes Redis from three limiters in the middle of a budget: together they give less than was left, and what
// they gave is posted once when Redis is back.
func TestSharesWhileRedisIsAway(t *testing.T) {
	addr := realRedis(t)
	direct := dial(t, addr)
	g := openGate(t, addr)
	budget, slots := limitertest.Money(1000), sentinel.Limit{Cell: "slots", Kind: sentinel.Concurrent, Measure: sentinel.MeasureConcurrent, Max: 1000}
	ask := func() sentinel.Ask {
		a := askOf([]sentinel.Limit{budget, slots})
		a.Candidates[0].Bound = sentinel.Amounts{sentinel.MeasureCost: 1, sentinel.MeasureConcurrent: 1}
		return a
	}
	const used = 400
	ctx, stop := context.WithCancel(t.Context())
	var limiters []*Redis
	ended := make(chan error, 3)
	for range 3 {
		r, err := Dial(t.Context(), Options{Addresses: []string{g.Addr().String()}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		if _, err := r.Reserve(t.Context(), ask()); err != nil { // it is known
			t.Fatal(err)
		}
		limiters = append(limiters, r)
		go func() { ended <- r.Resolve(ctx) }()
	}
	large := ask()
	large.Candidates[0].Bound[sentinel.MeasureCost] = used - 3
	if got, err := direct.Reserve(t.Context(), large); err != nil || got.Chosen != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, r := range limiters {
		if err := r.refresh(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}

	g.mu.Lock()
	var admitted, admittedByRedis atomic.Int64
	var took [3][]time.Duration
	parallel(3, 3, func(i int) {
		for n := range 100 {
			a := ask()
			began := time.Now()
			if got, err := limiters[i].Reserve(t.Context(), a); err == nil && got.Chosen >= 0 {
				admittedByRedis.Add(1)
			}
			got := limiters[i].Without(a, Share{Of: everything, Parts: 1000})
			if n >= breakerFailures {
				took[i] = append(took[i], time.Since(began))
			}
			if got.Chosen < 0 {
				continue
			}
			admitted.Add(1)
			s := sentinel.Settlement{Org: a.Org, Call: a.Call, Hold: got.Hold, Actual: a.Candidates[0].Bound}
			for range 2 { // the second one changes nothing
				if _, err := limiters[i].Settle(t.Context(), s); !errors.Is(err, ErrUnavailable) {
					t.Errorf("settled while Redis is away: %v", err)
				}
			}
		}
	})
	g.mu.Unlock()

	want := int64(3 * ((1000 - used) / 10))
	back := time.Now()
	var posted int64
	for time.Since(back) < 10*time.Second && posted < want {
		uses, err := direct.Peek(t.Context(), "acme", []sentinel.Limit{budget})
		if err != nil {
			t.Fatal(err)
		}
		posted = uses[0].Posted
		<-time.After(10 * time.Millisecond)
	}
	later := slices.Sorted(slices.Values(slices.Concat(took[:]...)))
	p99 := later[len(later)*99/100]
	publish(t, "redis_away_local", map[string]any{
		"what":  "Redis hangs; three limiters with a local share of 10 % of what was left of a hard budget",
		"units": "nano-dollars; every call costs 1", "left_before": 1000 - used, "admitted_by_three": admitted.Load(), "posted_after": posted, "admitted_by_redis": admittedByRedis.Load(),
		"slowest_decision_after_the_breaker_ms": float64(later[len(later)-1].Microseconds()) / 1000, "posted_after_ms": time.Since(back).Milliseconds(),
	})
	if full() && p99 > time.Millisecond {
		t.Errorf("99 of 100 decisions with an open breaker took up to %s, want at most 1 ms", p99)
	}
	if admitted.Load() != want || posted != want || admittedByRedis.Load() != 0 {
		t.Errorf("%d were given away and %d posted of %d that were left, want %d each; %d by a Redis that hangs", admitted.Load(), posted, 1000-used, want, admittedByRedis.Load())
	}
	for began := time.Now(); time.Since(began) < 5*time.Second; <-time.After(10 * time.Millisecond) {
		if !slices.ContainsFunc(limiters, func(r *Redis) bool { return len(r.doubts) > 0 }) {
			break
		}
	}
	uses, err := direct.Peek(t.Context(), "acme", []sentinel.Limit{budget})
	if err != nil || uses[0].Posted != want {
		t.Errorf("%+v, %v after every repetition, want %d posted", uses, err, want)
	}
	stop()
	for range limiters {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
}

func TestLocalShares(t *testing.T) {
	now := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	rate := sentinel.Limit{Cell: "rate", Kind: sentinel.Rate, Measure: sentinel.MeasureRequests, Max: 600, Period: time.Minute}
	slots := sentinel.Limit{Cell: "slots", Kind: sentinel.Concurrent, Measure: sentinel.MeasureConcurrent, Max: 50}
	soft := limitertest.Money(10)
	soft.Soft = true
	admit := func(l *local, limit sentinel.Limit, now time.Time, of func(sentinel.Limit) bool) (n int, last sentinel.Ask) {
		for range 200 {
			a := askOf([]sentinel.Limit{limit})
			a.Candidates[0].Bound = sentinel.Amounts{sentinel.MeasureRequests: 1, sentinel.MeasureConcurrent: 1, sentinel.MeasureCost: 1}
			if l.reserve(a, Share{Of: of, Parts: 1000}, now).Chosen == 0 {
				n, last = n+1, a
			}
		}
		return n, last
	}
	seen := func(limit sentinel.Limit, left int64) *local {
		l := &local{}
		l.see(askOf([]sentinel.Limit{limit}), sentinel.Reservation{Levels: []sentinel.Level{{Limit: &limit, Remaining: left}}}, now)
		return l
	}
	l := seen(rate, 600)
	if n, _ := admit(l, rate, now, everything); n != 60 {
		t.Errorf("a tenth of 600 a minute gave %d at once, want 60", n)
	}
	if n, _ := admit(l, rate, now.Add(10*time.Second), everything); n != 10 {
		t.Errorf("10 s later it gave %d, want 10", n)
	}
	if n, _ := admit(seen(rate, 100), rate, now, everything); n != 10 {
		t.Errorf("a tenth of 100 that are left gave %d, want 10", n)
	}
	l = seen(slots, 30)
	n, last := admit(l, slots, now, everything)
	if n != 3 {
		t.Errorf("a tenth of 30 slots gave %d, want 3", n)
	}
	l.ended(last.Call, false)
	if n, _ := admit(l, slots, now, everything); n != 1 {
		t.Errorf("a slot that came free gave %d, want 1", n)
	}
	if n, _ := admit(&local{}, rate, now, everything); n != 0 {
		t.Errorf("a limit that was never seen gave %d, want 0", n)
	}
	if n, _ := admit(&local{}, rate, now, func(sentinel.Limit) bool { return false }); n != 200 {
		t.Errorf("an open limit let %d of 200 pass", n)
	}
	if n, _ := admit(&local{}, soft, now, everything); n != 200 {
		t.Errorf("a soft limit let %d of 200 pass", n)
	}
}

// TestFailoverBySentinel kills the master of a budget in traffic.
func TestFailoverBySentinel(t *testing.T) {
	w, err := redistest.StartWatched(t.TempDir())
	skipMissing(t, err)
	t.Cleanup(w.Stop)
	failsOver(t, Options{Addresses: []string{w.Sentinel}, Master: w.Master}, func(r *Redis) (*redis.Client, func()) {
		return r.client.(*redis.Client), w.KillMaster
	}, "redis_failover", "Redis Sentinel makes its replica the master")
}

// TestFailoverInACluster kills the node that counts a budget, for good: nobody is left there to say who does it now.
func TestFailoverInACluster(t *testing.T) {
	const masters = 3
	hosts := []string{"127.0.0.61", "127.0.0.62", "127.0.0.63", "127.0.0.64", "127.0.0.65", "127.0.0.66"}
	nodes, err := redistest.NewNodes(t.TempDir(), hosts)
	if err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for _, n := range nodes {
		skipMissing(t, n.Start())
		t.Cleanup(n.Kill)
		addrs = append(addrs, n.Addr)
	}
	if err := redistest.Join(nodes, masters); err != nil {
		t.Fatal(err)
	}
	failsOver(t, Options{Addresses: addrs}, func(r *Redis) (*redis.Client, func()) {
		master, err := r.client.(*redis.ClusterClient).MasterForKey(t.Context(), r.prefix(askOf(nil).Org))
		if err != nil {
			t.Fatal(err)
		}
		return master, nodes[slices.IndexFunc(nodes, func(n *redistest.Node) bool { return n.Addr == master.Options().Addr })].Kill
	}, "redis_cluster_failover", "its Redis Cluster makes a replica the master")
}

// failsOver spends half of a budget, kills its master, and holds that the rest of it can be spent after that, and no more.
func failsOver(t *testing.T, o Options, find func(*Redis) (master *redis.Client, kill func()), name, how string) {
	t.Helper()
	o.Timeout = 2 * time.Second // an answer that came too late would have been counted by Redis and not by this test
	r, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	const most, patience = 100, 30 * time.Second
	ask := func() sentinel.Ask {
		a := askOf([]sentinel.Limit{limitertest.Money(most)})
		a.Candidates[0].Bound = sentinel.Amounts{sentinel.MeasureCost: 1}
		return a
	}
	admitted, refused, failed := 0, 0, 0
	try := func() {
		switch got, err := r.Reserve(t.Context(), ask()); {
		case err != nil:
			failed++
		case got.Chosen == 0:
			admitted++
		default:
			refused++
		}
	}
	decided := func(enough int) { // a machine that does other work too answers some calls late
		for began := time.Now(); admitted+refused < enough && time.Since(began) < patience; {
			try()
		}
	}
	decided(most / 2)
	// WAIT waits for what its own connection wrote, and what came before that.
	master, kill := find(r)
	pipe := master.Conn().Pipeline()
	pipe.Set(t.Context(), r.prefix(askOf(nil).Org)+"last", 1, 0)
	replicas := pipe.Do(t.Context(), "WAIT", 1, 5000)
	if _, err := pipe.Exec(t.Context()); err != nil || replicas.Val() != int64(1) {
		t.Fatalf("%v replicas, %v", replicas.Val(), err)
	}
	kill()
	gone := time.Now()
	for admitted == most/2 && time.Since(gone) < patience {
		try()
		<-time.After(5 * time.Millisecond)
	}
	took := time.Since(gone)
	decided(most + most/2)
	publish(t, name, map[string]any{
		"what": "the master of a budget of 100 calls is killed after 50; " + how, "admitted": admitted, "refused": refused,
		"not_decided_meanwhile": failed, "back_after_ms": took.Milliseconds(),
	})
	if admitted != most || failed == 0 || took >= patience {
		t.Errorf("%d of a budget of %d calls were admitted, %d refused, %d not decided; it took %s until the first after the kill", admitted, most, refused, failed, took)
	}
}

func TestAMasterThatNobodyWatchesIsNamed(t *testing.T) {
	_, err := Dial(t.Context(), Options{Addresses: []string{realRedis(t)}, Master: "main"})
	if err == nil {
		t.Error("a server that is no Sentinel was taken for one")
	}
}
