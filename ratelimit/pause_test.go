package ratelimit

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// watching runs a process's Watch until the test ends.
func watching(t *testing.T, r *Redis) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Watch(ctx, func() string { return "acme" }) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// What one process hears from a provider, all heed, and no longer than it asks for.
func TestAPauseIsKeptByEveryProcess(t *testing.T) {
	addr := realRedis(t)
	first, second := dial(t, addr), dial(t, addr)
	watching(t, first)
	watching(t, second)
	until := time.Now().Add(8 * time.Second)
	first.Pause("api|key|gpt-5", until)
	first.Pause("api|key|gpt-5", until.Add(-time.Second)) // an earlier end changes nothing
	if got := first.PausedUntil("api|key|gpt-5"); !got.Equal(until.Truncate(time.Millisecond)) {
		t.Errorf("the process that heard it waits until %s, want %s", got, until)
	}
	for deadline := time.Now().Add(6 * time.Second); second.PausedUntil("api|key|gpt-5").IsZero(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the other process never heard of it")
		}
	}
	if got := second.PausedUntil("api|key|gpt-5"); !got.Equal(until.Truncate(time.Millisecond)) {
		t.Errorf("the other process waits until %s, want %s", got, until)
	}
	if got := second.PausedUntil("api|key|gpt-5-mini"); !got.IsZero() {
		t.Errorf("another model waits until %s", got)
	}
	for deadline := until.Add(10 * time.Second); !first.PausedUntil("api|key|gpt-5").IsZero() || !second.PausedUntil("api|key|gpt-5").IsZero(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never ended")
		}
	}
	if time.Now().Before(until.Truncate(time.Millisecond)) {
		t.Error("it ended before its time")
	}
}

func TestPausesAreBounded(t *testing.T) {
	var p pauses
	until := time.Now().Add(time.Minute)
	for n := range 2 * maxPauses {
		p.extend(fmt.Sprint(n), until)
	}
	if len(p.until) != maxPauses {
		t.Errorf("%d places are kept, want %d", len(p.until), maxPauses)
	}
	p.until["0"] = time.Now().Add(-time.Second)
	if !p.extend("new", until) || len(p.until) != maxPauses {
		t.Errorf("the place of one that is over was not taken: %d", len(p.until))
	}
}
