package spool

import (
	"encoding/binary"
	"fmt"
	"os"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"go.uber.org/goleak"
)

// TestMain also plays the process that TestKilledProcessLosesNothing kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SPOOL_CHILD_DIR"); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 123_456_789, time.UTC)

func numbered(n int) sentinel.CallID {
	var id sentinel.CallID
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func number(r sentinel.Record) int {
	id := sentinel.CallID{}
	if r.Intent != nil {
		id = r.Intent.ID
	} else {
		id = r.Entry.ID
	}
	return int(binary.BigEndian.Uint64(id[8:]))
}

// record is an intent for an even number and an entry for an odd one, about as long as real ones.
func record(n int) sentinel.Record {
	call := sentinel.Call{
		ID: numbered(n), At: noon.Add(time.Duration(n)), Caller: sentinel.Caller{Org: "acme", Team: "growth", Service: "summariser"},
		Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5-mini", Stream: n%4 == 0,
	}
	usage := sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 1234, sentinel.OutputTokens: 567}
	if n%2 == 0 {
		return sentinel.Record{Intent: &sentinel.Intent{
			Call: call, Asked: "gpt-5", Action: sentinel.Downgrade, Reason: sentinel.ReasonBudget, Bound: usage, BoundCost: 7 * sentinel.USD,
			Hold: sentinel.Hold(fmt.Sprintf("team/growth/cost=%d;service/summariser/tokens=1801", n)), PriceVersion: "2026-11-01", PolicyVersion: "f00d", Instance: "boot-1",
		}}
	}
	return sentinel.Record{Entry: &sentinel.Entry{
		Call: call, Attempt: 1, Asked: "gpt-5", Action: sentinel.Allow, Status: 200, Usage: usage, Cost: 1_234_567,
		PriceVersion: "2026-11-01", PolicyVersion: "f00d", Source: sentinel.SourceMeter, Duration: time.Second, FirstByte: time.Millisecond,
	}}
}

func open(t testing.TB, o Options) *Spool {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func add(t testing.TB, s *Spool, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := s.Append(t.Context(), record(n)); err != nil {
			t.Fatal(err)
		}
	}
}

// drain reads and commits everything that the spool has, and gives the numbers.
func drain(t testing.TB, s *Spool) (got []int) {
	t.Helper()
	for s.Stats().LagRecords > 0 {
		b, err := s.Next(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			got = append(got, number(r))
		}
		if err := s.Commit(b); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

func upTo(n int) []int {
	var list []int
	for i := range n {
		list = append(list, i)
	}
	return list
}
