package ratelimit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ratelimit/limitertest"
)

// workerOrder tells a copy of the test binary to be one of several processes that share a Redis.
type workerOrder struct {
	What     string
	Address  string
	Clients  int
	Attempts int
	Call     string
	Ledger   string    // file that stands for it
	Window   time.Time // the start of the budgets: an hour may begin between the start of a worker and of the one that counts
}

const workerVariable = "RATELIMIT_WORKER"

// window is the start of the tight budgets.
var window = limitertest.Money(0).Start

// tight are four budgets of one amount that one call falls under at once.
func tight(amount int64) []sentinel.Limit {
	var limits []sentinel.Limit
	for _, of := range []string{"org", "team/t", "service/s", "rule/r"} {
		l := limitertest.Money(amount)
		l.Cell, l.Start, l.End = of+"/cost/day", window, window.Add(48*time.Hour)
		limits = append(limits, l)
	}
	return limits
}

const (
	tightAmount = 100 * int64(sentinel.USD)
	tightCost   = 12_345_679
)

func tightAsk() sentinel.Ask {
	return sentinel.Ask{Org: "acme", Call: sentinel.NewCallID(time.Now()), TTL: 2 * time.Minute, Candidates: []sentinel.Candidate{
		{Bound: sentinel.Amounts{sentinel.MeasureCost: tightCost}, Limits: tight(tightAmount)},
	}}
}

// work is what a worker process does; it prints one JSON line.
func work(order workerOrder) error {
	window = order.Window
	r, err := Dial(context.Background(), Options{Addresses: []string{order.Address}, Timeout: 10 * time.Second, Ledger: order.Ledger != ""})
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	out := map[string]int64{}
	switch order.What {
	case "overshoot":
		out, err = overshoot(r, order)
	case "same":
		out, err = sameCall(r, order)
	case "forget":
		out, err = forget(r, order, os.Stdin)
	case "orphans":
		for range order.Attempts {
			if _, err = r.Reserve(context.Background(), tightAsk()); err != nil {
				return err
			}
		}
		fmt.Println("{}")
		select {} // until it is killed
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(out)
	}
	return err
}

// overshoot admits as fast as it can, and settles what was admitted: half of it at once, at its full cost.
func overshoot(r *Redis, order workerOrder) (map[string]int64, error) {
	var admitted, refused, failed atomic.Int64
	parallel(order.Clients, order.Attempts, func(i int) {
		a := tightAsk()
		got, err := r.Reserve(context.Background(), a)
		switch {
		case err != nil:
			failed.Add(1)
		case got.Chosen < 0:
			refused.Add(1)
		default:
			admitted.Add(1)
			if i%2 == 0 {
				if _, err := r.Settle(context.Background(), sentinel.Settlement{Org: a.Org, Call: a.Call, Hold: got.Hold, Actual: a.Candidates[0].Bound}); err != nil {
					failed.Add(1)
				}
			}
		}
	})
	return map[string]int64{"admitted": admitted.Load(), "refused": refused.Load(), "failed": failed.Load()}, nil
}

// sameCall reserves and settles one call again and again.
func sameCall(r *Redis, order workerOrder) (map[string]int64, error) {
	id, err := sentinel.ParseCallID(order.Call)
	if err != nil {
		return nil, err
	}
	var posts, holds atomic.Int64
	var failures atomic.Int64
	parallel(order.Clients, order.Attempts, func(int) {
		a := tightAsk()
		a.Call = id
		got, err := r.Reserve(context.Background(), a)
		if err != nil {
			failures.Add(1)
		}
		if err != nil || got.Chosen < 0 {
			return
		}
		holds.Add(1)
		s, err := r.Settle(context.Background(), sentinel.Settlement{Org: a.Org, Call: a.Call, Hold: got.Hold, Actual: a.Candidates[0].Bound})
		switch {
		case err != nil:
			failures.Add(1)
		case !s.Duplicate:
			posts.Add(1)
		}
	})
	return map[string]int64{"reservations": holds.Load(), "posts": posts.Load(), "failed": failures.Load()}, nil
}

// worker is a process that takes part in a test.
type worker struct {
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Reader
}

// employ starts a process. It must be waited for.
func employ(t testing.TB, order workerOrder) worker {
	t.Helper()
	order.Window = window
	text, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	w := worker{cmd: exec.Command(os.Args[0], "-test.run=^$")}
	w.cmd.Env, w.cmd.Stderr = append(os.Environ(), workerVariable+"="+string(text)), os.Stderr
	pipe, err := w.cmd.StdoutPipe()
	if err == nil {
		w.in, err = w.cmd.StdinPipe()
	}
	if err == nil {
		err = w.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.cmd.Process.Kill() }) // it has ended in a test that passed
	w.out = bufio.NewReader(pipe)
	return w
}

// three starts as many.
func three(t testing.TB, order workerOrder) (all []worker) {
	t.Helper()
	for range 3 {
		all = append(all, employ(t, order))
	}
	return all
}

// sumUp waits for processes, and adds up what they say; largest has the largest of each.
func sumUp(t testing.TB, all []worker) (sum, largest map[string]int64) {
	t.Helper()
	sum, largest = map[string]int64{}, map[string]int64{}
	for _, w := range all {
		said := map[string]int64{}
		if err := errors.Join(json.NewDecoder(w.out).Decode(&said), w.cmd.Wait()); err != nil {
			t.Fatal(err)
		}
		for k, v := range said {
			sum[k] += v
			largest[k] = max(largest[k], v)
		}
	}
	return sum, largest
}

// spent reads what is counted in one of the tight budgets.
func spent(t testing.TB, r *Redis) (used, posted int64) {
	t.Helper()
	v, err := r.client.HMGet(t.Context(), r.prefix("acme")+keyOf(tight(tightAmount)[0]), "u", "s").Result()
	if err != nil {
		t.Fatal(err)
	}
	n := &numbers{list: v}
	used = n.next()
	if v[1] != nil {
		posted = n.next()
	}
	return used, posted
}

func TestThreeProcessesNeverOvershoot(t *testing.T) {
	attempts := 3000
	if full() {
		attempts = 20_000
	}
	addr := realRedis(t)
	r := dial(t, addr)
	began := time.Now()
	got, _ := sumUp(t, three(t, workerOrder{What: "overshoot", Address: addr, Clients: 67, Attempts: attempts}))
	took := time.Since(began)
	want := min(tightAmount/tightCost, int64(3*attempts))
	used, _ := spent(t, r)
	over := max(0, used-tightAmount)
	publish(t, "overshoot", map[string]any{
		"what": "hard budgets of four scopes, tight at once", "processes": 3, "clients": 3 * 67, "attempts": 3 * attempts, "admitted": got["admitted"],
		"floor_of_limit_by_cost": want, "overshoot_nano_usd": over, "failed": got["failed"], "seconds": took.Seconds(),
	})
	if got["admitted"] != want || over != 0 || got["failed"] != 0 || used != want*tightCost {
		t.Errorf("%v: want %d admitted; %d nano-dollars are counted of %d", got, want, used, tightAmount)
	}
}

func TestOneCallFromThreeProcessesIsHeldAndPostedOnce(t *testing.T) {
	addr := realRedis(t)
	r := dial(t, addr)
	got, _ := sumUp(t, three(t, workerOrder{What: "same", Address: addr, Clients: 10, Attempts: 10, Call: sentinel.NewCallID(time.Now()).String()}))
	used, posted := spent(t, r)
	publish(t, "idempotency", map[string]any{"what": "one call id, reserved and settled 10 times by each of 3 processes", "posts": got["posts"], "posted_nano_usd": posted, "cost_nano_usd": tightCost, "held_after": used - posted})
	if got["posts"] != 1 || posted != tightCost || used != tightCost || got["failed"] != 0 {
		t.Errorf("%v, %d used and %d posted, want one post of %d", got, used, posted, tightCost)
	}
}

func TestHoldsOfAKilledProcess(t *testing.T) {
	const orphans = 500
	addr := realRedis(t)
	r := dialAt(t, addr)
	figures := map[string]any{"what": "one of three processes killed with 500 calls in flight; 135 s later", "hold_ttl_seconds": 120}
	// The processes run on the server's own clock; the test's clock goes on from there.
	w := employ(t, workerOrder{What: "orphans", Address: addr, Attempts: orphans})
	if _, err := w.out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = w.cmd.Wait() // killed
	clock := redisClock(t, r, time.Now())
	void := tight(tightAmount)
	voidAsk := tightAsk()
	for i := range void {
		void[i].Cell, void[i].Charge = "void/"+void[i].Cell, false
	}
	voidAsk.Candidates[0].Limits = void
	if got, err := r.Reserve(t.Context(), voidAsk); err != nil || got.Chosen != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	clock(135 * time.Second)
	left := func(limits []sentinel.Limit) int64 {
		probe := tightAsk()
		probe.Candidates[0] = sentinel.Candidate{Limits: limits}
		got, err := r.Reserve(t.Context(), probe)
		if err != nil || got.Chosen != 0 {
			t.Fatalf("%+v, %v", got, err)
		}
		return got.Levels[0].Remaining
	}
	charged, voided := (tightAmount-left(tight(tightAmount)))/tightCost, tightAmount-left(void)
	figures["charged_orphans"], figures["void_nano_usd"] = charged, voided
	publish(t, "orphans", figures)
	if charged != orphans || voided != 0 {
		t.Errorf("%d orphans are charged and %d void nano-dollars are held, want %d and 0", charged, voided, orphans)
	}
}

func TestRoundTripsOfACall(t *testing.T) {
	r := dial(t, realRedis(t))
	count := func(f func()) int64 {
		before, _ := evalsha(t, r)
		f()
		after, _ := evalsha(t, r)
		return int64(after - before)
	}
	before, after := map[int]int64{}, map[int]int64{}
	for n := 1; n <= 16; n++ {
		var limits []sentinel.Limit
		for i := range n {
			l := limitertest.Money(1 << 50)
			l.Cell += fmt.Sprint(i)
			limits = append(limits, l)
		}
		a := askOf(limits)
		var got sentinel.Reservation
		before[n] = count(func() {
			var err error
			if got, err = r.Reserve(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		})
		after[n] = count(func() {
			if _, err := r.Settle(t.Context(), sentinel.Settlement{Org: a.Org, Call: a.Call, Hold: got.Hold}); err != nil {
				t.Fatal(err)
			}
		})
		if before[n] != 1 || after[n] != 1 {
			t.Errorf("%d limits: %d trips before and %d after, want 1 and 1", n, before[n], after[n])
		}
	}
	beside := askOf([]sentinel.Limit{limitertest.Money(1 << 50)})
	for i := range sentinel.MaxShadows {
		own := limitertest.Money(1 << 50)
		own.Cell = fmt.Sprint("shadow/", i)
		beside.Shadows = append(beside.Shadows, []sentinel.Candidate{{Limits: []sentinel.Limit{own}, Bound: beside.Candidates[0].Bound}})
	}
	var held sentinel.Reservation
	shadows := count(func() { held, _ = r.Reserve(t.Context(), beside) })
	settled := count(func() {
		_, _ = r.Settle(t.Context(), sentinel.Settlement{Org: beside.Org, Call: beside.Call, Hold: held.Hold})
	})
	if shadows != 1 || settled != 1 || len(held.Shadows) != sentinel.MaxShadows || held.Shadows[1].Chosen != 0 {
		t.Errorf("two shadows: %d trips before and %d after, want 1 and 1; %+v", shadows, settled, held)
	}
	r.denials.life = time.Minute
	full := askOf([]sentinel.Limit{limitertest.Money(1)})
	refuse := func(a sentinel.Ask) {
		if got, err := r.Reserve(t.Context(), a); err != nil || got.Chosen != -1 || len(got.Denials) != 1 || len(got.Levels) != 1 {
			t.Errorf("a call past its budget got %+v, %v", got, err)
		}
	}
	first, again := count(func() { refuse(full) }), count(func() { refuse(full) })
	small := full
	small.Candidates = []sentinel.Candidate{{Limits: full.Candidates[0].Limits, Bound: sentinel.Amounts{}}}
	smaller := count(func() {
		if got, err := r.Reserve(t.Context(), small); err != nil || got.Chosen != 0 {
			t.Errorf("a call that fits got %+v, %v", got, err)
		}
	})
	if first != 1 || again != 0 || smaller != 1 {
		t.Errorf("a denial took %d trips, the next one %d, a smaller call %d; want 1, 0, 1", first, again, smaller)
	}
	publish(t, "round_trips", map[string]any{"what": "scripts sent to Redis for one call, by its number of limits", "before": before, "after": after, "with_two_shadows": shadows, "denial_known_locally": again})
}

func TestADenialLeavesEveryOtherCellByteIdentical(t *testing.T) {
	r := dial(t, realRedis(t))
	const n = 12
	dumps := func() map[string]string {
		out := map[string]string{}
		for _, k := range keysOf(t, r) {
			d, err := r.client.Dump(t.Context(), k).Result()
			if err != nil {
				t.Fatal(err)
			}
			out[k] = d
		}
		return out
	}
	var limits []sentinel.Limit
	for i := range n {
		l := eight()[i%8]
		l.Cell += fmt.Sprint(i)
		l.WarnAt = nil
		if l.Kind == sentinel.Window && i%2 == 0 {
			l.WarnAt = []int64{5000, 10000}
		}
		limits = append(limits, l)
	}
	if got, err := r.Reserve(t.Context(), askOf(limits)); err != nil || got.Chosen != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	touched := 0
	for i := range n {
		a := askOf(slices.Clone(limits))
		a.Candidates[0].Limits[i].Max = 1
		a.Candidates[0].Bound[sentinel.MeasureRequests], a.Candidates[0].Bound[sentinel.MeasureConcurrent] = 2, 2
		before := dumps()
		got, err := r.Reserve(t.Context(), a)
		if err != nil || got.Chosen != -1 || got.Denials[0].Limit.Cell != limits[i].Cell {
			t.Fatalf("limit %d did not refuse: %+v, %v", i, got, err)
		}
		after := dumps()
		for k, was := range before {
			if after[k] != was && k != r.prefix("acme")+keyOf(limits[i]) {
				t.Errorf("a call denied by limit %d changed %s", i, k)
				touched++
			}
		}
		if len(after) != len(before) {
			t.Errorf("a call denied by limit %d left %d keys, there were %d", i, len(after), len(before))
			touched++
		}
	}
	publish(t, "denial", map[string]any{"what": "a call denied by each of its 12 limits in turn: other cells that changed", "limits": n, "changed": touched})
}

func TestMoneyIsExactOverManyPosts(t *testing.T) {
	posts := 3000
	if full() {
		posts = 1_000_000
	}
	r := dial(t, realRedis(t))
	const most = 500_000_000 * int64(sentinel.USD)
	budget := limitertest.Money(most)
	start := most - int64(posts)*40_000_000_000 // near the end of 5 × 10^8 dollars, where doubles are 64 nano-dollars apart
	first := askOf([]sentinel.Limit{budget})
	first.Candidates[0].Bound[sentinel.MeasureCost] = start
	settleOf := func(a sentinel.Ask, cost int64) error {
		got, err := r.Reserve(t.Context(), a)
		if err != nil || got.Chosen != 0 {
			return fmt.Errorf("%+v: %w", got, err)
		}
		_, err = r.Settle(t.Context(), sentinel.Settlement{Org: a.Org, Call: a.Call, Hold: got.Hold, Actual: sentinel.Amounts{sentinel.MeasureCost: cost}})
		return err
	}
	if err := settleOf(first, start); err != nil {
		t.Fatal(err)
	}
	var sum atomic.Int64
	sum.Store(start)
	parallel(16, posts, func(int) {
		bound := rand.Int64N(20_000_000_000)
		cost := rand.Int64N(bound + 1)
		a := askOf([]sentinel.Limit{budget})
		a.Candidates[0].Bound[sentinel.MeasureCost] = bound
		if err := settleOf(a, cost); err != nil {
			t.Error(err)
		}
		sum.Add(cost)
	})
	probe := askOf([]sentinel.Limit{budget})
	probe.Candidates[0].Bound[sentinel.MeasureCost] = 0
	got, err := r.Reserve(t.Context(), probe)
	if err != nil || got.Chosen != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	counted := most - got.Levels[0].Remaining
	publish(t, "money_precision", map[string]any{"what": "random holds and posts in a budget of 5 × 10^8 dollars", "posts": posts, "error_nano_usd": counted - sum.Load()})
	if counted != sum.Load() {
		t.Errorf("%d nano-dollars are counted, the sum of the posts is %d", counted, sum.Load())
	}
}

// gate stands between a limiter and Redis, and can hang.
type gate struct {
	net.Listener
	mu     sync.Mutex
	closed bool
	mute   atomic.Bool // requests go through, replies are lost
}

func (g *gate) copy(from, to net.Conn, replies bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		g.mu.Lock() // held while the gate hangs
		closed := g.closed
		g.mu.Unlock()
		if err != nil || closed {
			_ = from.Close()
			_ = to.Close()
			return
		}
		if replies && g.mute.Load() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func openGate(t testing.TB, addr string) *gate {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{Listener: l}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", addr)
			if err != nil {
				_ = from.Close()
				continue
			}
			group.Go(func() { g.copy(from, to, false) })
			group.Go(func() { g.copy(to, from, true) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); group.Wait() })
	return g
}

// lateness is by how much the machine was late, at worst, for timers of the limiter's own wait, until it is asked.
func lateness(t *testing.T) func() time.Duration {
	stop, worst := make(chan struct{}), make(chan time.Duration)
	go func() {
		var latest time.Duration
		for {
			began := time.Now()
			select {
			case <-stop:
				worst <- latest
				return
			case <-time.After(DefaultTimeout):
				latest = max(latest, time.Since(began)-DefaultTimeout)
			}
		}
	}()
	ask := sync.OnceValue(func() time.Duration { close(stop); return <-worst })
	t.Cleanup(func() { ask() })
	return ask
}

// TestDecisionsWhileRedisHangs measures a limiter beside a real Redis. TestADecisionWaitsForRedisOnce has the same promise without the machine, whose timers may be
// late: twice as late a decision may be, which waits for more than one.
func TestDecisionsWhileRedisHangs(t *testing.T) {
	addr := realRedis(t)
	g := openGate(t, addr)
	r, err := Dial(t.Context(), Options{Addresses: []string{g.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	answers := func() time.Duration {
		began := time.Now()
		for {
			if _, err := r.Reserve(t.Context(), tightAsk()); err == nil {
				return time.Since(began)
			}
			if time.Since(began) > 10*time.Second {
				t.Fatal("no answer of Redis within 10 s")
			}
			<-time.After(5 * time.Millisecond)
		}
	}
	answers()
	late := lateness(t)
	g.mu.Lock()
	var took []time.Duration
	admitted := 0
	for range 200 {
		began := time.Now()
		if _, err := r.Reserve(t.Context(), tightAsk()); err == nil {
			admitted++
		}
		took = append(took, time.Since(began))
	}
	g.mu.Unlock()
	slowest, later, machine := slices.Max(took), slices.Clone(took[breakerFailures:]), late()
	slices.Sort(later)
	recovered := answers()
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	publish(t, "redis_hung", map[string]any{
		"what": "Redis hangs in traffic; the breaker opens after 5 failures", "slowest_decision_ms": ms(slowest), "timers_late_by_ms": ms(machine), "decision_after_that_p99_ms": ms(later[len(later)*99/100]),
		"admitted": admitted, "recovered_after_ms": ms(recovered),
	})
	if admitted != 0 || later[len(later)/2] > DefaultTimeout/2 { // with a breaker that is open Redis is not waited for
		t.Errorf("%d admitted by a Redis that hangs; decisions took up to %s, later ones %s", admitted, slowest, later[len(later)/2])
	}
	if p99 := later[len(later)*99/100]; full() && (slowest > 30*time.Millisecond+2*machine || p99 > time.Millisecond+2*machine) {
		t.Errorf("decisions took up to %s, 99 of 100 later ones %s; want at most 30 ms and 1 ms, where timers are late by %s", slowest, p99, machine)
	}
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
}

// TestLostRepliesLeaveNothingBehind loses the replies of a reservation and of a settlement that Redis has done.
func TestLostRepliesLeaveNothingBehind(t *testing.T) {
	addr := realRedis(t)
	g := openGate(t, addr)
	r, err := Dial(t.Context(), Options{Addresses: []string{g.Addr().String()}, Timeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() }) // before the gate waits for its connections
	direct := dial(t, addr)
	a := tightAsk()
	kept, err := r.Reserve(t.Context(), a)
	if err != nil || kept.Chosen != 0 {
		t.Fatalf("%+v, %v", kept, err)
	}
	g.mute.Store(true)
	if _, err := r.Reserve(t.Context(), tightAsk()); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("a lost reply gave %v", err)
	}
	settlement := sentinel.Settlement{Org: a.Org, Call: a.Call, Hold: kept.Hold, Actual: sentinel.Amounts{sentinel.MeasureCost: 5}}
	g.mute.Store(false) // for a new connection's greeting: the one that heard nothing was closed
	if _, err := r.Now(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	g.mute.Store(true)
	if _, err := r.Settle(t.Context(), settlement); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("a lost reply gave %v", err)
	}
	used, posted := spent(t, direct)
	for began := time.Now(); used != tightCost+5 && time.Since(began) < 10*time.Second; used, posted = spent(t, direct) {
		<-time.After(5 * time.Millisecond)
	}
	if used != tightCost+5 || posted != 5 {
		t.Fatalf("%d used, %d posted: the scripts did not run, so their replies were not lost", used, posted)
	}
	g.mute.Store(false)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Resolve(ctx) }()
	for began := time.Now(); used != 5 && time.Since(began) < 10*time.Second; used, posted = spent(t, direct) {
		<-time.After(5 * time.Millisecond)
	}
	if s, err := direct.Settle(t.Context(), settlement); err != nil || !s.Duplicate {
		t.Errorf("settled again: %+v, %v", s, err)
	}
	publish(t, "lost_replies", map[string]any{"what": "replies of a reservation and a settlement lost after Redis did them", "held_after": used - posted, "posts": posted / 5})
	if used != 5 || posted != 5 || r.Undecided() != 0 {
		t.Errorf("%d used and %d posted, want 5 and 5; %d undecided", used, posted, r.Undecided())
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
}
