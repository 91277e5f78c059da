package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// idle is what streams that say nothing cost, as docs/bench/idle.json has it.
type idle struct {
	What     string `json:"what"`
	Streams  int64  `json:"streams"`
	Before   int64  `json:"sentinel_resident_bytes_before"`
	Sentinel int64  `json:"sentinel_resident_bytes"`
	Envoy    int64  `json:"envoy_resident_bytes"`
}

// TestIdleStreamsTakeLittleMemory holds answers that have begun and say nothing more: 400 MB are for 10,000 of them. IDLE_STREAMS is how many there are,
// CAPACITY names the folder for the figures; make capacity sets both.
func TestIdleStreamsTakeLittleMemory(t *testing.T) {
	config := mockapi.DefaultConfig()
	config.Models = map[string]mockapi.Answers{"gpt-5-mini": {Pace: time.Minute, MinOutput: 50, MaxOutput: 50}}
	g := open(t, config, "{budget: {usd: 1000000/day, mode: hard}}", benchRules)
	text, err := os.ReadFile(filepath.Join(g.dir, "sentinel.yaml"))
	g.must(err)
	g.kill()
	g.write("sentinel.yaml", strings.Replace(string(text), "stream_idle: 20s", "stream_idle: 1h, max_heap_bytes: 4294967296", 1))
	g.start()
	g.envoy.Stop()
	g.boots()
	g.eventually("Envoy has the longer patience", func() bool { return g.metric("sentinel_envoy_behind") == 0 })

	got := idle{What: "answers that have begun and say nothing more, all at once, through one Envoy and one sentinel"}
	pids := map[string]int{"sentinel": g.child.Process.Pid, "envoy": g.process("envoy", "-c "+filepath.Join(g.dir, "envoy"))}
	got.Before = sampled(t, pids)["sentinel"].RSS
	want := int64(number("IDLE_STREAMS", 300))
	client := &http.Client{Transport: &http.Transport{Protocols: new(http.Protocols)}} // few connections with many streams
	client.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	var opened, left atomic.Int64
	var openers, streams sync.WaitGroup
	left.Store(want)
	for range 32 {
		openers.Go(func() {
			for left.Add(-1) >= 0 {
				r, err := g.request(http.MethodPost, "/openai/v1/chat/completions", stream)
				g.must(err)
				answer, err := client.Do(r.WithContext(ctx))
				if err != nil {
					t.Error(err)
					return
				}
				if answer.StatusCode != http.StatusOK {
					t.Errorf("a stream is answered %s", answer.Status)
				}
				opened.Add(1)
				streams.Go(func() {
					_, _ = io.Copy(io.Discard, answer.Body) // until all hang up
					_ = answer.Body.Close()
				})
			}
		})
	}
	openers.Wait()
	after := sampled(t, pids)
	got.Streams, got.Sentinel, got.Envoy = opened.Load(), after["sentinel"].RSS, after["envoy"].RSS
	hangUp()
	streams.Wait()
	db, err := pgx.Connect(t.Context(), g.dsn)
	g.must(err)
	defer func() { _ = db.Close(context.Background()) }()
	if rows := g.rowsWritten(db, want); rows != want {
		t.Errorf("%d streams have %d rows", want, rows)
	}
	text, err = json.MarshalIndent(got, "", "  ")
	g.must(err)
	t.Logf("%s", text)
	if dir := os.Getenv("CAPACITY"); dir != "" {
		g.must(os.WriteFile(filepath.Join(dir, "idle.json"), append(text, '\n'), 0o644))
	}
	// Of a goal of 400 MB for 10,000, 100 are there before.
	if most := got.Before + max(20<<20, want*30_000); got.Sentinel > most {
		t.Errorf("%d idle streams took %d bytes, from %d: more than %d", got.Streams, got.Sentinel, got.Before, most)
	}
}
