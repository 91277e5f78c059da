package governor

import (
	"testing"
	"time"
)

func TestRetriesAreATenthOfTheCallsOfAMinute(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	var r retries
	taken := func(at time.Time, calls int) (n int) {
		for range calls {
			r.called("openai", at)
			if r.take("openai", at) {
				n++
			}
		}
		return n
	}
	if n := taken(now, 50); n != freeRetries {
		t.Errorf("of 50 calls %d were tried again, want the %d that are free", n, freeRetries)
	}
	if n := taken(now.Add(20*time.Second), 950); n != 90 {
		t.Errorf("of 1,000 calls %d more were tried again, want 90 more", n)
	}
	if r.take("openai", now.Add(59*time.Second)) {
		t.Error("one more was tried again within the minute")
	}
	if !r.take("anthropic", now) {
		t.Error("another provider's calls were refused for it")
	}
	if n := taken(now.Add(2*time.Minute), 20); n != freeRetries {
		t.Errorf("a minute later %d of 20 were tried again, want %d", n, freeRetries)
	}
}
