package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// TestReloadsUnderLoadFailNoCallAndEachIsJudgedByOneVersion puts another policy in force at random moments while calls run: RELOADS sets
// how many. Odd versions downgrade the dear model, even ones do not, so that an entry shows by which it was judged.
func TestReloadsUnderLoadFailNoCallAndEachIsJudgedByOneVersion(t *testing.T) {
	reloads := number("RELOADS", 50)
	g := open(t, mockapi.DefaultConfig(), "{}", "")
	const versions = 8 // an entry's version is looked up among them
	texts, downgrades, known := make([]string, versions), map[string]bool{}, map[string]int{}
	for i := range texts {
		rules := fmt.Sprintf("policies:\n  - {name: version %d, match: {model: o3-mini}, limits: {requests: 1/day}}\n", i)
		if i%2 == 1 {
			rules += "  - {name: cheaper, match: {model: gpt-5}, then: {downgrade: [gpt-5-mini]}}\n"
		}
		texts[i] = g.policyOf("{}", rules)
		g.write("next.yaml", texts[i])
		state, err := app.LoadState(filepath.Join(g.dir, "next.yaml"))
		g.must(err)
		downgrades[state.Policy.Version], known[state.Policy.Version] = i%2 == 1, 0
	}
	inForce := func(n int) {
		g.write("policies.yaml", texts[n%versions])
		g.must(g.child.Process.Signal(syscall.SIGHUP))
	}
	inForce(0)
	g.eventually("the first of the versions is in force", func() bool { return g.reloads() >= 1 })

	var sent, failed atomic.Int64
	var turns [4]int // of each worker
	stop := repeat(len(turns), 0, func(worker int) {
		stream := []string{"false", "true"}[(turns[worker]+worker)%2]
		turns[worker]++
		status, _, body := g.do(http.MethodPost, "/openai/v1/chat/completions", `{"model":"gpt-5","max_completion_tokens":20,"stream":`+stream+`,"messages":[{"role":"user","content":"hello"}]}`)
		if sent.Add(1); status != http.StatusOK {
			failed.Add(1)
			t.Errorf("a call is answered %d %s", status, body)
		}
	})
	rng := rand.New(rand.NewPCG(2026, 11))
	for n := 1; n <= reloads; n++ {
		<-time.After(time.Duration(rng.IntN(20_000)) * time.Microsecond)
		before := g.reloads()
		inForce(n)
		g.eventually("the next version is in force", func() bool { return g.reloads() > before })
	}
	stop()

	st, err := store.Open(t.Context(), store.Options{DSN: domain.NewSecret(g.dsn), MaxConns: 2})
	g.must(err)
	defer st.Close()
	rows := int64(0)
	g.eventually("every call is on the ledger", func() bool {
		rows = 0
		clear(known)
		g.must(st.EachEntry(t.Context(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour), func(e domain.Entry) error {
			rows++
			known[e.PolicyVersion]++
			down, listed := downgrades[e.PolicyVersion]
			if !listed || down != (e.Action == domain.Downgrade) || down != (e.Model == "gpt-5-mini") {
				t.Errorf("call %s is booked under version %s as %s of %s", e.ID, e.PolicyVersion, e.Action, e.Model)
			}
			return nil
		}))
		return rows >= sent.Load()
	})
	if rows != sent.Load() || failed.Load() != 0 || len(known) < min(versions, reloads) {
		t.Errorf("%d calls were sent, %d failed, %d rows of %d versions", sent.Load(), failed.Load(), rows, len(known))
	}
	t.Logf("%d reloads, %d calls, %d failed, by version: %v", reloads, sent.Load(), failed.Load(), known)
}

// A policy that is written after sentinel has read the file, and before it watches it, is no less in force.
func TestAPolicyThatIsWrittenAtTheStartIsTaken(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{}", "")
	g.kill()
	vault, err := url.Parse(strings.TrimPrefix(g.env[0], "VAULT_ADDR="))
	g.must(err)
	next := g.policyOf("{}", "policies:\n  - {name: late, match: {model: o3-mini}, limits: {requests: 1/day}}\n")
	written := sync.OnceValue(func() error { return os.WriteFile(filepath.Join(g.dir, "policies.yaml"), []byte(next), 0o600) })
	secrets := httputil.NewSingleHostReverseProxy(vault)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // credentials are read after the policy that names them
		if err := written(); err != nil {
			t.Error(err)
		}
		secrets.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	g.env[0] = "VAULT_ADDR=" + front.URL
	g.start()
	g.eventually("the policy is taken", func() bool { return g.reloads() == 1 })
}
