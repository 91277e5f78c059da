package store

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestSpoolsStayUntilTheyAreRetired(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		one := Spool{ID: uuid.NewString(), Org: "acme", Counters: "{o:acme}:", Host: "first"}
		two := Spool{ID: uuid.NewString(), Org: "other", Counters: "{o:other}:", Host: "second"}
		old := Spool{ID: uuid.NewString(), Org: "acme", Counters: "{o:acme}:", Host: "third"}
		for _, spool := range []Spool{old, one, two} {
			if err := s.Beat(t.Context(), "boot", spool); err != nil {
				t.Fatal(err)
			}
		}
		exec(t, s, `UPDATE spools SET beat = now() - INTERVAL '8 days' WHERE spool = '`+old.ID+`'`)
		one.Host = "moved"
		if err := s.Beat(t.Context(), "another boot", one); err != nil {
			t.Fatal(err)
		}
		seen := func(want ...Spool) {
			t.Helper()
			got, err := s.Spools(t.Context(), one.Counters)
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Spool{}, "Beat"), cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("Spools() error %v, (-want +got)\n%s", err, diff)
			}
		}
		seen(one)
		exec(t, s, `UPDATE spools SET beat = now() - INTERVAL '1 minute'`)
		if err := s.Beat(t.Context(), "boot", Spool{ID: uuid.NewString(), Org: "acme", Counters: "{o:more}:", Host: "fourth"}); err != nil {
			t.Fatal(err)
		}
		for longer, want := range map[time.Duration][]Spool{30 * time.Second: {one}, 2 * time.Minute: nil} {
			got, err := s.Silent(t.Context(), "acme", longer)
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Spool{}, "Beat"), cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("Silent(%s) error %v, (-want +got)\n%s", longer, err, diff)
			}
		}
		if err := s.Retire(t.Context(), one.ID); err != nil {
			t.Error(err)
		}
		seen()
	})
}

func TestOnlyASilentSpoolIsAbandoned(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		spool := Spool{ID: uuid.NewString(), Org: "acme", Counters: "{o:acme}:", Host: "lost"}
		if err := s.Beat(t.Context(), "boot", spool); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Abandon(t.Context(), spool.ID, time.Hour); !errors.Is(err, ErrSpool) {
			t.Errorf("a spool whose process is alive was abandoned: %+v, %v", got, err)
		}
		for _, name := range []string{uuid.NewString(), "no uuid"} {
			if _, err := s.Abandon(t.Context(), name, time.Hour); !errors.Is(err, ErrSpool) {
				t.Errorf("Abandon(%s) = %v", name, err)
			}
		}
		exec(t, s, `UPDATE spools SET beat = now() - INTERVAL '2 hours' WHERE spool = '`+spool.ID+`'`)
		if got, err := s.Abandon(t.Context(), spool.ID, time.Hour); err != nil || got.Host != "lost" || got.Beat.IsZero() {
			t.Errorf("Abandon() = %+v, %v", got, err)
		}
		if left, err := s.Spools(t.Context(), spool.Counters); err != nil || len(left) != 0 {
			t.Errorf("after it %+v are left, %v", left, err)
		}
	})
}

func TestOpenCallsAreThoseHeldWithoutAnEntry(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		flying, free, booked, second := intent(1, "boot"), intent(2, "boot"), intent(3, "boot"), intent(4, "boot")
		flying.Hold, booked.Hold, second.Hold = "one", "three", "four"
		free.Hold = ""
		second.Attempt = 1
		records := []sentinel.Record{ofIntent(flying), ofIntent(free), ofIntent(booked), ofIntent(second), ofEntry(entry(3, 0, sentinel.SourceMeter)), ofEntry(entry(4, 0, sentinel.SourceMeter))}
		if err := s.Write(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		got, err := s.OpenCalls(t.Context(), []string{flying.Caller.Org})
		want := []OpenCall{{flying.Caller.Org, flying.ID, 0, "one"}, {second.Caller.Org, second.ID, 1, "four"}}
		if diff := cmp.Diff(want, got, cmpopts.SortSlices(func(a, b OpenCall) bool { return a.Hold > b.Hold })); err != nil || diff != "" {
			t.Errorf("OpenCalls() error %v, (-want +got)\n%s", err, diff)
		}
		if got, err := s.OpenCalls(t.Context(), []string{"nobody"}); err != nil || len(got) != 0 {
			t.Errorf("of another organisation: %+v, %v", got, err)
		}
	})
}
