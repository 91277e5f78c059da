package ratelimit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ratelimit/limitertest"
)

// forgetful is a budget of calls that cost one nano-dollar each.
const forgetful = 1000

func forgetfulAsk() sentinel.Ask {
	budget := limitertest.Money(forgetful)
	budget.Start, budget.End = window, window.Add(48*time.Hour)
	return sentinel.Ask{Org: "acme", Call: sentinel.NewCallID(time.Now()), TTL: 2 * time.Minute, Candidates: []sentinel.Candidate{
		{Bound: sentinel.Amounts{sentinel.MeasureCost: 1}, Limits: []sentinel.Limit{budget}},
	}}
}

// booked is a ledger that processes share: a file with a byte for each call.
type booked struct{ path string }

func (b booked) add() error {
	f, err := os.OpenFile(b.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte{'.'})
	return errors.Join(err, f.Close())
}

func (b booked) sum() (int64, error) {
	info, err := os.Stat(b.path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// forgetting makes calls as the gateway does: admit, book, settle; and counts again from the ledger what Redis has forgotten.
type forgetting struct {
	*Redis
	ledger booked
	out    map[string]int64
}

// call makes one, and tells whether the budget let it through. One that finds no counters brings them back.
func (f *forgetting) call(ctx context.Context) (through bool, err error) {
	a := forgetfulAsk()
	began := time.Now()
	got, err := f.Reserve(ctx, a)
	f.out["slowest_us"] = max(f.out["slowest_us"], time.Since(began).Microseconds())
	switch {
	case errors.Is(err, ErrForgotten):
		return true, f.count(ctx, a)
	case err != nil || got.Chosen < 0:
		return false, err
	}
	f.out["admitted"]++
	if err := f.ledger.add(); err != nil {
		return false, err
	}
	_, err = f.Settle(ctx, sentinel.Settlement{Org: a.Org, Call: a.Call, Hold: got.Hold, Actual: a.Candidates[0].Bound})
	return true, err
}

func (f *forgetting) count(ctx context.Context, a sentinel.Ask) error {
	f.out["forgotten"]++
	sum, err := f.ledger.sum()
	if err != nil {
		return err
	}
	round, err := f.Join(ctx, Party{a.Org, "any"}, 0, 0)
	if err != nil || round.Known {
		return err
	}
	first, err := f.Seed(ctx, a.Org, Recount{Round: round.ID, Windows: []Seed{{Limit: a.Candidates[0].Limits[0], Posted: sum}}})
	if first {
		f.out["seeded"]++
	}
	return err
}

// forget makes so many calls, then calls until the budget refuses one. A line on its input begins each part.
func forget(r *Redis, order workerOrder, in io.Reader) (map[string]int64, error) {
	f := &forgetting{r, booked{order.Ledger}, map[string]int64{}}
	lines := bufio.NewReader(in)
	if _, err := lines.ReadString('\n'); err != nil {
		return nil, err
	}
	for f.out["admitted"] < int64(order.Attempts) {
		if _, err := f.call(context.Background()); err != nil {
			return nil, err
		}
	}
	fmt.Println("ready")
	if _, err := lines.ReadString('\n'); err != nil {
		return nil, err
	}
	for through := true; through; {
		var err error
		if through, err = f.call(context.Background()); err != nil {
			return nil, err
		}
	}
	return f.out, nil
}

// TestThreeProcessesCountAgainOnce empties Redis under three processes, which race to bring the counters back.
func TestThreeProcessesCountAgainOnce(t *testing.T) {
	addr := realRedis(t)
	r := dial(t, addr)
	const each = 100
	ledger := booked{filepath.Join(t.TempDir(), "ledger")}
	all := three(t, workerOrder{What: "forget", Address: addr, Attempts: each, Ledger: ledger.path})
	begin := func() {
		for _, p := range all {
			if _, err := fmt.Fprintln(p.in, "go"); err != nil {
				t.Fatal(err)
			}
		}
	}
	begin()
	for _, p := range all {
		if line, err := p.out.ReadString('\n'); err != nil || strings.TrimSpace(line) != "ready" {
			t.Fatalf("a process said %q, %v", line, err)
		}
	}
	if err := r.client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	gone := time.Now()
	begin()
	sum, largest := sumUp(t, all)
	took := time.Since(gone)
	uses, err := r.Peek(t.Context(), "acme", forgetfulAsk().Candidates[0].Limits)
	if err != nil {
		t.Fatal(err)
	}
	total, err := ledger.sum()
	if err != nil {
		t.Fatal(err)
	}
	publish(t, "redis_forgot_processes", map[string]any{
		"what": "FLUSHALL with three processes racing to count a budget of 1000 calls again from the ledger, once they have made 300", "admitted": sum["admitted"],
		"times_seeded_after_flushall": sum["seeded"] - 1, "refused_as_forgotten": sum["forgotten"], "redis_minus_ledger": uses[0].Posted - total,
		"spent_after_ms": took.Milliseconds(), "slowest_decision_ms": float64(largest["slowest_us"]) / 1000,
	})
	if sum["admitted"] != forgetful || sum["seeded"] != 2 || uses[0].Posted != total || total != forgetful {
		t.Errorf("%v; %d posted, %d in the ledger; want 1000 admitted, and counters brought back once at the start and once after", sum, uses[0].Posted, total)
	}
}
