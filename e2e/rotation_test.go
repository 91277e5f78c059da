package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

// rotationLength is how long keys are rotated under load, and how often: a slice for CI, or ROTATION=5m with a key every 10 s.
func rotationLength(t *testing.T) (length, every time.Duration, workers, streams int) {
	t.Helper()
	text := os.Getenv("ROTATION")
	if text == "" {
		return 12 * time.Second, 2 * time.Second, 2, 8
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("ROTATION: %v", err)
	}
	return length, 10 * time.Second, 8, 50
}

// rotate is the command, with the key where the operator's password store would put it.
func (g *gateway) rotate(key string) (string, error) {
	g.t.Helper()
	c := exec.Command(built(g.t), "keys", "rotate", "weather", "--test-path", "/v1/forecast/oslo", "--keep", "1m")
	c.Dir, c.Env, c.Stdin = g.dir, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir}, g.env...), strings.NewReader(key+"\n")
	out, err := c.CombinedOutput()
	return string(out), err
}

// Keys are rotated while calls and streams run, a bad one among them. The provider refuses the bad key, so one call with it
// would fail.
func TestNoCallFailsWhileKeysAreRotated(t *testing.T) {
	length, every, workers, streams := rotationLength(t)
	config := mockapi.DefaultConfig()
	keys := []string{vaultKey}
	for i := range int(length/every) + 1 {
		keys = append(keys, fmt.Sprintf("sk-rotated-canary-%04d", i))
	}
	config.Accept = map[string][]string{"openai": keys, "weather": keys}
	config.Models = nil
	config.Answers.Pace = 20 * time.Millisecond
	g := openOn(t, config, "{}", "", (*stack.Stack).Postgres, "vault: {refresh: 200ms}\n")
	var calls, failed, streamed atomic.Int64
	var first sync.Once
	stop := make(chan struct{})
	var group sync.WaitGroup
	run := func(n int, call func() error, pause time.Duration, count *atomic.Int64) {
		for range n {
			group.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(pause):
					}
					count.Add(1)
					if err := call(); err != nil {
						failed.Add(1)
						first.Do(func() { t.Errorf("a call failed: %v", err) })
					}
				}
			})
		}
	}
	run(workers, func() error { return g.whole(http.MethodGet, "/weather/v1/forecast/lima", "", "") }, 40*time.Millisecond, &calls)
	run(streams, func() error {
		return g.whole(http.MethodPost, "/openai/v1/chat/completions", `{"model":"gpt-5-mini","stream":true,"max_completion_tokens":100,"messages":[{"role":"user","content":"hello"}]}`, "[DONE]")
	}, 40*time.Millisecond, &streamed)
	rotated := 0
	for end := time.Now().Add(length); time.Now().Before(end); <-time.After(every) {
		if rotated == 2 {
			if said, err := g.rotate("sk-bad-canary-0000"); err == nil || !strings.Contains(said, "refused the new key") {
				t.Errorf("a bad key: %v %s", err, said)
			}
		}
		if said, err := g.rotate(keys[rotated+1]); err != nil {
			t.Errorf("rotation %d: %v %s", rotated, err, said)
		}
		rotated++
		if rotated+1 >= len(keys) {
			break
		}
	}
	close(stop)
	group.Wait()
	t.Logf("%d calls and %d streams over %d rotations and a bad key: %d failed", calls.Load(), streamed.Load(), rotated, failed.Load())
	if rotated < 3 || calls.Load() < 50 || streamed.Load() < 10 {
		t.Error("too little ran to show anything")
	}
	if failed.Load() != 0 {
		t.Errorf("%d calls failed", failed.Load())
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
