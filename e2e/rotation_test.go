package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/baotest"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

// rotationLoad is how long keys are rotated, how often, and under what load.
type rotationLoad struct {
	length, every time.Duration
	rate, streams int           // calls a second, and answers at once
	pace          time.Duration // between two tokens of an answer
	whole         bool          // not a slice
}

// rotationOf is a slice for CI, or ROTATION=5m with a key every 10 s under 200 calls/s and 50 streams.
func rotationOf(t *testing.T) rotationLoad {
	t.Helper()
	text := os.Getenv("ROTATION")
	if text == "" {
		return rotationLoad{length: 16 * time.Second, every: 2 * time.Second, rate: 40, streams: 8, pace: 20 * time.Millisecond}
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("ROTATION: %v", err)
	}
	return rotationLoad{length: length, every: 10 * time.Second, rate: 200, streams: 50, pace: 100 * time.Millisecond, whole: true}
}

const (
	badKey = "sk-bad-canary-0000"
	// keyTestTakes is how long the provider thinks about the call that tests a key: Vault is killed meanwhile.
	keyTestTakes = 700 * time.Millisecond
)

// rotate is the command, with the key where the operator's password store would put it; none continues.
func (g *gateway) rotate(provider, key string, more ...string) (string, error) {
	g.t.Helper()
	c := exec.Command(built(g.t), append([]string{"keys", "rotate", provider, "--keep", "1m"}, more...)...)
	if key == "" {
		c.Args = append(c.Args, "--continue")
	}
	c.Dir, c.Env, c.Stdin = g.dir, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir}, g.env...), strings.NewReader(key+"\n")
	out, err := c.CombinedOutput()
	return string(out), err
}

// rotator changes the key of a gateway, and kills its Vault meanwhile.
type rotator struct {
	*gateway
	vault *baotest.Kept
	kills int
}

// die kills Vault.
func (r *rotator) die() {
	r.vault.Kill()
	r.kills++
}

// goes is a rotation that has to end well.
func (r *rotator) goes(key string) {
	r.t.Helper()
	if said, err := r.rotate("stripe", key); err != nil {
		r.t.Errorf("rotation: %v %s", err, said)
	}
}

// fails is a rotation that has to be broken off, for a reason.
func (r *rotator) fails(key, reason string) {
	r.t.Helper()
	if said, err := r.rotate("stripe", key); err == nil || !strings.Contains(said, reason) {
		r.t.Errorf("without Vault, or with a bad key: %v %q, want %q", err, said, reason)
	}
}

// amidst kills Vault when the new key is pending, while the provider is asked about it.
func (r *rotator) amidst(key string) {
	r.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.fails(key, "connection refused")
	}()
	r.eventually("the new key is pending", func() bool { return r.secretOf("openai")["api_key_pending"] == key })
	r.die()
	<-done
	r.must(r.vault.Start())
}

// ways are how Vault is killed around the steps of a rotation, in turn.
var ways = []func(r *rotator, key string){
	func(r *rotator, key string) { r.goes(key) },
	func(r *rotator, key string) { // before the first step
		r.die()
		r.fails(key, "connection refused")
		r.must(r.vault.Start())
		r.goes(key)
	},
	func(r *rotator, key string) { // between set and finish; whoever continues has no need of the key
		r.amidst(key)
		r.goes("")
	},
	func(r *rotator, key string) { // after the last step, before or while the processes read the new key
		r.goes(key)
		r.die()
		<-time.After(time.Second)
		r.must(r.vault.Start())
	},
	func(r *rotator, key string) { // a bad key before the good one
		r.fails(badKey, "refused the new key")
		r.fails("", "no rotation to continue")
		r.amidst(key)
		r.goes("")
	},
}

// Keys are rotated while calls and streams run, a bad one among them, and Vault is killed before, between and after the steps. The
// provider takes no key but the one before, the one in use and the next: a call with the bad one, or with an old one, would fail.
func TestNoCallFailsWhileKeysAreRotated(t *testing.T) {
	load := rotationOf(t)
	config := mockapi.DefaultConfig()
	keys := []string{vaultKey}
	for i := range int(load.length / load.every) {
		keys = append(keys, fmt.Sprintf("sk-rotated-canary-%04d", i))
	}
	config.Models = nil
	config.Answers.Pace = load.pace
	config.Faults = []mockapi.Fault{{Provider: "stripe", Kind: mockapi.FaultSlow, First: 1000, Delay: keyTestTakes}}
	accept := func(list []string) map[string][]string {
		return map[string][]string{"openai": list, "weather": list, "stripe": list}
	}
	config.Accept = accept(keys[:2])
	var vault *baotest.Kept
	g := openAt(t, func(s *stack.Stack) (string, string, error) {
		var err error
		if vault, err = s.KeptOpenBao(); err != nil {
			return "", "", err
		}
		return vault.Addr, vault.Token, nil
	}, config, "{}", "", (*stack.Stack).Postgres, "vault: {refresh: 200ms}\n")
	r := &rotator{gateway: g, vault: vault}
	calls, streamed, stop := r.load(load)
	began, rotated := time.Now(), 0
	tick := time.NewTicker(load.every)
	defer tick.Stop()
	for i, key := range keys[1:] {
		now := maps.Clone(config.Accept)
		maps.Copy(now, accept(keys[max(0, i-1):i+2]))
		config.Accept = now
		g.must(g.mock.Apply(config))
		ways[i%len(ways)](r, key)
		if s := g.secretOf("openai"); s["api_key"] != key || s["api_key_pending"] != "" {
			t.Errorf("after rotation %d the secret has another key, or one that is pending: %v", i, keysOf(s))
		}
		rotated++
		<-tick.C
	}
	failed := stop()
	out := rotationReport{rotationLoad: load, took: time.Since(began), calls: calls.Load(), streamed: streamed.Load(), failed: failed, rotations: rotated, kills: r.kills}
	t.Log(out.String())
	if rotated < len(ways) || out.calls < 100 || out.streamed < 10 {
		t.Error("too little ran to show anything")
	}
	if least := float64(load.rate) * leastRate; load.whole && out.perSecond() < least {
		t.Errorf("%.0f calls/s ran where %d were asked for: the machine is too busy to show anything", out.perSecond(), load.rate)
	}
	if failed > 0 {
		t.Errorf("%d calls failed", failed)
	}
	if log := string(g.files("sentinel.log")); strings.Contains(log, "canary") {
		t.Error("a key stands in the log")
	}
	if file := os.Getenv("ROTATION_OUT"); file != "" && !t.Failed() {
		g.must(os.WriteFile(file, []byte(out.markdown()), 0o644)) // a document for everybody
	}
}

// leastRate is the share of the calls asked for that have to be made.
const leastRate = 0.95

// rotationReport is what ran while keys were rotated.
type rotationReport struct {
	rotationLoad
	took                    time.Duration
	calls, streamed, failed int64
	rotations, kills        int
}

func (r rotationReport) perSecond() float64 { return float64(r.calls) / r.took.Seconds() }

func (r rotationReport) String() string {
	return fmt.Sprintf("%d calls (%.0f/s) and %d streams (%d at once) over %d rotations with a bad key and %d kills of Vault in %s: %d failed",
		r.calls, r.perSecond(), r.streamed, r.streams, r.rotations, r.kills, r.took.Round(time.Second), r.failed)
}

// markdown is the document of docs/bench.
func (r rotationReport) markdown() string {
	return fmt.Sprintf(`# Keys rotated under load

`+"`make rotation`"+` rotates a provider's key while calls and streams run: with a bad key among the good ones, and with Vault killed before, between and after the steps.
The provider takes the key before, the one in use and the next, and no other: a call with a bad key or an old one would fail. Counts of one run; no time is measured.

| what | figure | goal |
|---|---|---|
| calls | %d in %s, %.0f/s | at least %.0f of %d/s |
| streams | %d, %d at once | %d at once |
| rotations that were finished | %d, one each %s | each |
| kills of Vault | %d |  |
| failed calls and streams | %d | 0 |
`, r.calls, r.took.Round(time.Second), r.perSecond(), float64(r.rate)*leastRate, r.rate, r.streamed, r.streams, r.streams, r.rotations, r.every, r.kills, r.failed)
}

// load runs calls and streams until stop, which tells how many failed.
func (r *rotator) load(l rotationLoad) (calls, streamed *atomic.Int64, stop func() (failed int64)) {
	calls, streamed = new(atomic.Int64), new(atomic.Int64)
	var failed atomic.Int64
	var first sync.Once
	run := func(workers int, every time.Duration, count *atomic.Int64, call func() error) func() {
		return repeat(workers, every, func(int) {
			count.Add(1)
			if err := call(); err != nil {
				failed.Add(1)
				first.Do(func() { r.t.Errorf("a call failed: %v", err) })
			}
		})
	}
	const callers = 20
	stops := []func(){
		run(callers, callers*time.Second/time.Duration(l.rate), calls, func() error { return r.whole(http.MethodGet, "/weather/v1/forecast/lima", "", "") }),
		run(l.streams, 0, streamed, func() error {
			return r.whole(http.MethodPost, "/openai/v1/chat/completions", `{"model":"gpt-5-mini","stream":true,"max_completion_tokens":60,"messages":[{"role":"user","content":"hello"}]}`, "[DONE]")
		}),
	}
	return calls, streamed, func() int64 {
		for _, s := range slices.Backward(stops) {
			s()
		}
		return failed.Load()
	}
}

// whole makes one call and reads its answer to the end, which must have a text.
func (g *gateway) whole(method, path, body, end string) error {
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(text), end) {
		return errors.Join(err, fmt.Errorf("%s %s: HTTP %d: %.300s", method, path, answer.StatusCode, text))
	}
	return nil
}
