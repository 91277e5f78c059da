package e2e

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// A simulation keeps nothing of the calls that it has judged: a record that is eight times as long takes no more memory.
func TestSimulationsTakeNoMoreMemoryForALongerRecord(t *testing.T) {
	const (
		calls  = 250
		copies = 80 // of what was recorded, one an hour, in the short record
		longer = 8
	)
	g := open(t, mockapi.DefaultConfig(), "{budget: {usd: 5/day, mode: hard}, limits: {requests: 100k/minute}}", "")
	for range calls {
		g.do("POST", "/openai/v1/chat/completions", `{"model":"gpt-5","max_completion_tokens":200,"messages":[{"role":"user","content":"hello"}]}`)
	}
	recorded := g.ledger(calls)
	st, err := store.Open(t.Context(), store.Options{DSN: domain.NewSecret(g.dsn), MaxConns: 2})
	g.must(err)
	defer st.Close()
	var sample []domain.Entry
	g.must(st.EachEntry(t.Context(), recorded[len(recorded)-1].At, recorded[0].At.Add(1), func(e domain.Entry) error {
		sample = append(sample, e)
		return nil
	}))
	end := sample[0].At.Truncate(time.Hour)
	begin := end.Add(-longer * copies * time.Hour)
	for n := range longer * copies {
		var rs []domain.Record
		for _, e := range sample {
			e.At = begin.Add(time.Duration(n)*time.Hour + e.At.Sub(sample[0].At))
			e.ID = domain.NewCallID(e.At)
			rs = append(rs, domain.Record{Entry: &e})
		}
		g.must(st.Write(t.Context(), rs))
	}
	g.write("new.yaml", g.policyOf("{budget: {usd: 3/day, mode: hard}}", ""))
	peak := func(to time.Time) int64 {
		c := exec.CommandContext(t.Context(), built(t), "policy", "simulate", "--policy", "new.yaml", "--format", "json", "--from", begin.Format(time.RFC3339), "--to", to.Format(time.RFC3339))
		c.Dir, c.Env = g.dir, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, g.env...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("simulate: %v\n%s", err, out)
		}
		used, _ := c.ProcessState.SysUsage().(*syscall.Rusage)
		return used.Maxrss
	}
	short, long := peak(begin.Add(copies*time.Hour)), peak(end)
	t.Logf("peak memory of a simulation: %d KiB for %d calls, %d KiB for %d", short, copies*calls, long, longer*copies*calls)
	if long > short+short/4 {
		t.Errorf("a record of %d calls takes %d KiB, one of %d calls %d KiB", copies*calls, short, longer*copies*calls, long)
	}
}
