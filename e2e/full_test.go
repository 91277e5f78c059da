package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// TestAFullDiskDoesWhatWasDeclared fills the real, small file system under the spool while the database is out of reach, once for each behaviour:
// refuse answers 503 and sends nothing upstream; unmetered lets calls go, and counts, shows and tells them. With the database back, both
// book calls again, and the ledger has every call that was not counted as unmetered.
func TestAFullDiskDoesWhatWasDeclared(t *testing.T) {
	for _, mode := range []string{"refuse", "unmetered"} {
		t.Run(mode, func(t *testing.T) {
			g := open(t, mockapi.DefaultConfig(), "{budget: {usd: 100/day}}", "")
			g.stop()
			config, err := os.ReadFile(filepath.Join(g.dir, "sentinel.yaml"))
			g.must(err)
			g.write("sentinel.yaml", string(config)+"spool: {dir: full, when_full: "+mode+"}\n")
			g.smallDisk("full", "256k")
			g.start()
			g.exec(`ALTER TABLE intents RENAME TO intents_away; ALTER TABLE entries RENAME TO entries_away`)
			before := g.mock.Stats().Calls
			refused, went := 0, 0
			for n := 0; refused == 0 && (mode == "refuse" || g.metric(`sentinel_unmetered_records_total{record="entry"}`) < 3); n++ {
				if n > 5000 {
					t.Fatal("256 KiB hold 5,000 calls")
				}
				switch code, _, answer := g.do("POST", "/openai/v1/chat/completions", `{"model":"gpt-5-mini","max_completion_tokens":5,"messages":[{"role":"user","content":"hi"}]}`); code {
				case http.StatusOK:
					went++
				case http.StatusServiceUnavailable:
					refused++
					if !strings.Contains(answer, "ledger_unavailable") {
						t.Errorf("a full disk is answered %s", answer)
					}
				default:
					t.Fatalf("call %d: %d %s", n, code, answer)
				}
			}
			if sent := int(g.mock.Stats().Calls - before); sent != went {
				t.Errorf("%d calls reached the provider, want the %d that were answered", sent, went)
			}
			ready := string(g.get(g.probes + "/readyz?verbose"))
			if strings.Contains(ready, "unmetered down") != (mode == "unmetered") {
				t.Errorf("/readyz?verbose says %s", ready)
			}
			alive := string(g.get(g.probes + "/livez?verbose"))
			for _, loop := range []string{"ledger ok: ", "policy ok: its last round began", "alerts ok: its last round began", "reconciler ok: its last round began", "witness ok: its last round began"} {
				if !strings.HasPrefix(alive, "ok\n") || !strings.Contains(alive, "\n"+loop) {
					t.Errorf("without its tables /livez?verbose says %s", alive)
				}
			}
			lost := int(g.metric(`sentinel_unmetered_records_total{record="entry"}`))
			if mode == "refuse" && lost != 0 || mode == "unmetered" && (lost == 0 || refused > 0 || g.metric("sentinel_unmetered_usd_total") <= 0) {
				t.Errorf("%d calls were refused and %d entries are counted as unmetered, %v dollars", refused, lost, g.metric("sentinel_unmetered_usd_total"))
			}
			g.exec(`ALTER TABLE intents_away RENAME TO intents; ALTER TABLE entries_away RENAME TO entries`)
			g.eventually("the disk has room again", func() bool { return g.metric("sentinel_spool_lag_records") == 0 })
			if code, _, answer := g.do("POST", "/openai/v1/chat/completions", `{"model":"gpt-5-mini","max_completion_tokens":5,"messages":[{"role":"user","content":"hi"}]}`); code != http.StatusOK {
				t.Errorf("a call after it is answered %d %s", code, answer)
			}
			var calls int64 // rows of refused calls are beside them
			g.eventually("every call that went upstream is on the ledger", func() bool {
				calls, _ = sums(g.ledger(0))
				return int(calls) >= went+1-lost
			})
			if int(calls) < went+1-lost || int(calls) > went+1 {
				t.Errorf("the ledger has %d calls; %d went upstream and %d are counted as unmetered", calls, went+1, lost)
			}
		})
	}
}

// smallDisk puts a file system of so many bytes at a folder of the gateway's.
func (g *gateway) smallDisk(name, size string) {
	g.t.Helper()
	dir := filepath.Join(g.dir, name)
	g.must(os.Mkdir(dir, 0o700))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		g.t.Skipf("a file system of %s cannot be mounted here (%v): run the test as root", size, err)
	}
	g.t.Cleanup(func() {
		_ = g.child.Process.Kill()
		_ = syscall.Unmount(dir, syscall.MNT_DETACH)
	})
}
