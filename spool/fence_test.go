package spool

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// TestAFencePartsBeforeFromAfter reads what was appended before a fence, over segments, and nothing past it.
func TestAFencePartsBeforeFromAfter(t *testing.T) {
	for name, before := range map[string]int{"nothing before": 0, "one segment": 3, "several segments": 120} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Options{Dir: t.TempDir(), SegmentBytes: minSegmentBytes})
			if s.Reached() {
				t.Error("without a fence it is reached")
			}
			add(t, s, 0, before)
			s.Fence()
			add(t, s, before, before+60)
			var got []int
			for !s.Reached() { // by small batches
				b, err := s.Next(t.Context(), 7)
				if err != nil || s.Commit(b) != nil {
					t.Fatal(err)
				}
				for _, r := range b.Records {
					got = append(got, number(r))
				}
			}
			if !slices.Equal(got, upTo(before)) {
				t.Errorf("before the fence %v was read, want 0 to %d", got, before-1)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if b, err := s.Next(ctx, 7); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("past the fence Next gives %d records, %v", len(b.Records), err)
			}
			s.Lift()
			if rest := drain(t, s); len(rest) != 60 || rest[0] != before {
				t.Errorf("after the fence %v was read", rest)
			}
		})
	}
}

func TestAFenceMovesWithATailThatIsEmptied(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	add(t, s, 0, 5)
	s.Fence()
	drainTo(t, s)
	s.writing.Lock()
	freed, err := s.reclaim()
	s.writing.Unlock()
	if err != nil || !freed || !s.Reached() {
		t.Fatalf("the tail was emptied: %t, %v; reached: %t", freed, err, s.Reached())
	}
	add(t, s, 5, 8)
	if b, err := s.read(9); err != nil || len(b.Records) > 0 {
		t.Errorf("what came after the fence was read: %d records, %v", len(b.Records), err)
	}
}

// drainTo commits everything before the fence.
func drainTo(t *testing.T, s *Spool) {
	t.Helper()
	for !s.Reached() {
		b, err := s.Next(t.Context(), 100)
		if err != nil || s.Commit(b) != nil {
			t.Fatal(err)
		}
	}
}

func TestASpoolKeepsItsName(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	var names []string
	for range 2 {
		s, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, s.ID())
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if names[0] == "" || names[0] != names[1] || names[0] == open(t, Options{Dir: t.TempDir()}).ID() {
		t.Errorf("names are %q: want one a directory", names)
	}
}
