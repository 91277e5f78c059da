package ratelimit

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
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

// A process whose own clock is two days ahead of Redis', or behind it, heeds what is paused by Redis' clock, and takes nobody's pause for a stale one.
func TestPausesAreByRedisClock(t *testing.T) {
	for name, apart := range map[string]time.Duration{"ahead of Redis": -48 * time.Hour, "behind Redis": 48 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			m := miniredis.RunT(t)
			m.SetTime(time.Now().Add(apart))
			first, second := dial(t, m.Addr()), dial(t, m.Addr())
			until := first.Time().Add(time.Minute).Truncate(time.Millisecond)
			first.Pause("api|key", until)
			if got := first.PausedUntil("api|key"); !got.Equal(until) {
				t.Fatalf("the process that heard it waits until %s, want %s", got, until)
			}
			first.tell(t.Context(), "acme", <-first.pauses.news)
			second.Hear(t.Context(), "acme")
			if got := second.PausedUntil("api|key"); !got.Equal(until) {
				t.Errorf("the other process waits until %s, want %s", got, until)
			}
			if _, err := m.DB(0).HKeys(first.pausesKey("acme")); err != nil {
				t.Errorf("the pause that the others are to hear is gone: %v", err)
			}
			if first.Pause("api|over", first.Time().Add(-time.Second)); !first.PausedUntil("api|over").IsZero() {
				t.Error("what is over by Redis' clock is paused")
			}
		})
	}
}

func TestPausesAreBounded(t *testing.T) {
	var p pauses
	now := time.Now()
	until := now.Add(time.Minute)
	for n := range 2 * maxPauses {
		p.extend(fmt.Sprint(n), until, now)
	}
	if len(p.until) != maxPauses {
		t.Errorf("%d places are kept, want %d", len(p.until), maxPauses)
	}
	p.until["0"] = now.Add(-time.Second)
	if !p.extend("new", until, now) || len(p.until) != maxPauses {
		t.Errorf("the place of one that is over was not taken: %d", len(p.until))
	}
}
