package alerts

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// dying is a store as a process sees it that dies at its n-th word: from then on it changes nothing.
type dying struct {
	*memory
	mu   sync.Mutex
	left int
	die  func()
}

func (d *dying) dead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left--; d.left == 0 {
		d.die()
	}
	return d.left <= 0
}

func (d *dying) Lease(ctx context.Context, holder string, ttl time.Duration) (int64, bool, error) {
	if d.dead() {
		return 0, false, context.Canceled
	}
	return d.memory.Lease(ctx, holder, ttl)
}

func (d *dying) Claim(ctx context.Context, fence int64, now time.Time, gap time.Duration) ([]sentinel.Delivery, error) {
	if d.dead() {
		return nil, context.Canceled
	}
	return d.memory.Claim(ctx, fence, now, gap)
}

func (d *dying) Finish(ctx context.Context, fence int64, r sentinel.DeliveryResult) error {
	if d.dead() {
		return context.Canceled
	}
	return d.memory.Finish(ctx, fence, r)
}

// The sender dies 200 times, at any of its words to the store: before a claim, after it, and after the channel took
// the message and before that is noted.
func TestSenderThatDiesLosesNothingAndRepeatsAtMostOnceACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(9, 9))
		st, ch := newMemory(), &recorder{}
		var rules []string
		for i := range 40 {
			rules = append(rules, fmt.Sprint("r", i))
		}
		m := testMachine(rules...)
		crashes := 0
		for n := range 201 {
			ctx, cancel := context.WithCancel(t.Context())
			d := &dying{memory: st, left: 3 + random.IntN(12), die: cancel}
			if n == 200 {
				d.left = 1 << 30 // the last one lives
			}
			var wait sync.WaitGroup
			in := process(ctx, &wait, d, m, ch, fmt.Sprint("p", n))
			in.Report(Event{Rule: rules[n%40], Scope: fmt.Sprint("s", n), Firing: true, Title: "over", At: time.Now()})
			select {
			case <-ctx.Done():
				crashes++
			case <-time.After(30 * time.Minute):
			}
			cancel()
			wait.Wait()
		}
		sends := map[string]int{}
		for _, o := range ch.got {
			sends[o.ID]++
		}
		repeats := 0
		for _, q := range st.outbox {
			if !q.done || sends[q.ID] == 0 {
				t.Errorf("delivery %s: done %v, sent %d times", q.ID, q.done, sends[q.ID])
			}
			repeats += sends[q.ID] - 1
		}
		told := 0
		for _, g := range st.groups {
			for _, i := range g.Incidents {
				if !i.Notified.IsZero() {
					told++
				}
			}
		}
		if crashes != 200 || told != 201 || repeats == 0 || repeats > crashes {
			t.Errorf("%d crashes, %d of 201 incidents told, %d repeats", crashes, told, repeats)
		}
		t.Logf("%d messages, %d repeats with the same id in %d crashes", len(st.outbox), repeats, crashes)
	})
}
