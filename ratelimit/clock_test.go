package ratelimit

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func TestTheClockIsRedis(t *testing.T) {
	var c clock
	if d := time.Since(c.now()).Abs(); d > time.Second {
		t.Errorf("before the first reading it is %s apart from the process' own", d)
	}
	here := time.Now()
	there := here.Add(26 * time.Hour).Round(0)
	c.hear(there, here, here.Add(2*time.Millisecond))
	first := c.last.Load()
	if got := first.at(here.Add(time.Minute)); got.Sub(there).Round(10*time.Millisecond) != time.Minute || got.Location() != time.UTC {
		t.Errorf("a minute later it is %s after the reading", got.Sub(there))
	}
	c.hear(there.Add(time.Minute+4*time.Millisecond), here.Add(time.Minute), here.Add(time.Minute))
	c.hear(there.Add(2*time.Minute-700*time.Millisecond), here.Add(2*time.Minute-time.Second), here.Add(2*time.Minute+time.Second))
	if c.last.Load() != first {
		t.Error("a reading that tells nothing new was taken")
	}
	c.hear(there.Add(time.Hour), here.Add(time.Minute), here.Add(time.Minute))
	if got := c.last.Load().at(here.Add(time.Minute)); !got.Equal(there.Add(time.Hour)) {
		t.Errorf("after Redis' clock was set it is %s, want %s", got, there.Add(time.Hour))
	}
}

func TestDialReadsTheClock(t *testing.T) {
	m := miniredis.RunT(t)
	m.SetTime(time.Now().Add(-48 * time.Hour))
	r := dial(t, m.Addr())
	if d := time.Since(r.Time()); d < 47*time.Hour || d > 49*time.Hour {
		t.Errorf("a Redis two days behind is taken for %s behind", d)
	}
}
