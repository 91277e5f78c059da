package app

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/audit"
	"github.com/saas-sentinel/saas-sentinel/extproc"
)

// chainOf keeps rows in memory, and takes none while it is full.
type chainOf struct {
	rows []sentinel.AuditRow
	full bool
}

func (c *chainOf) AppendAudit(_ context.Context, link func(sentinel.AuditRow) []sentinel.AuditRow, _ func(context.Context) error) error {
	if c.full {
		return errors.New("disk full")
	}
	var prev sentinel.AuditRow
	if n := len(c.rows); n > 0 {
		prev = c.rows[n-1]
	}
	c.rows = append(c.rows, link(prev)...)
	return nil
}

func TestChosenVerdictsAreInTheChainAndWhatIsLostIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chain, served := &chainOf{full: true}, make(chan struct{})
		v := newVerdicts([]string{"deny", "downgrade"})
		judged := func(a sentinel.Action, n int) {
			for range n {
				v.observe(extproc.Observation{Action: a, Reason: sentinel.ReasonBudget, Call: sentinel.Call{Caller: sentinel.Caller{Team: "core", Service: "app"}, Provider: "openai", Endpoint: "chat"}})
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- v.run(ctx, &audit.Log{Rows: chain, Now: time.Now}, "sentinel a", served, zerolog.Nop())
		}()
		judged(sentinel.Deny, 1)
		judged(sentinel.Allow, 1)
		judged(sentinel.Throttle, 1)
		v.observe(extproc.Observation{Action: sentinel.Deny, Entry: &sentinel.Entry{}}) // its settlement
		time.Sleep(2 * verdictPause)                                                    // the first is taken, and the chain takes nothing
		judged(sentinel.Downgrade, maxVerdicts+7)
		if v.missed.Load() != 7 {
			t.Fatalf("%d verdicts were lost, want what is past the queue", v.missed.Load())
		}
		chain.full = false
		time.Sleep(drainWait + (maxVerdicts/verdictsAtMax-1)*verdictPause) // one batch less than all
		stop()
		judged(sentinel.Deny, 1) // by a call that still runs
		close(served)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for i, r := range chain.rows {
			got[r.Action]++
			if r.Seq != int64(i+1) || r.Action == "verdict.lost" && !strings.HasPrefix(r.After, "7 ") || r.Action != "verdict.lost" && (r.Actor != "core/app" || r.Object != "openai/chat" || !strings.HasPrefix(r.After, "budget_spent ")) {
				t.Fatalf("row %d is %+v", i, r)
			}
		}
		if len(got) != 3 || got["verdict.deny"] != 2 || got["verdict.downgrade"] != maxVerdicts || got["verdict.lost"] != 1 {
			t.Errorf("the chain has %v", got)
		}
	})
}
