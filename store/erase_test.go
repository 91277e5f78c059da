package store

import (
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestErasingACallerReachesTheSums(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		gone, stays, young := entry(1, 0, sentinel.SourceMeter), entry(2, 0, sentinel.SourceMeter), entry(3, 0, sentinel.SourceMeter)
		gone.Caller.Service, stays.Caller.Service, young.Caller.Service = "leaver", "stayer", "leaver"
		young.At = noon.AddDate(0, 0, 1)
		open := intent(4, "boot-1")
		open.Caller.Service = "leaver"
		if err := s.Write(t.Context(), []sentinel.Record{ofEntry(gone), ofEntry(stays), ofEntry(young), ofIntent(open)}); err != nil {
			t.Fatal(err)
		}
		refresh(t, s)
		n, err := s.Erase(t.Context(), Erasure{Org: "acme", Service: "leaver", Before: noon.Add(time.Hour)})
		if err != nil || n != (Erased{Entries: 1, Intents: 1}) {
			t.Fatalf("Erase() = %+v, %v", n, err)
		}
		refresh(t, s)
		sameSums(t, s, "after an erasure")
		if left := count(t, s, `SELECT count(*) FROM entries`); left != 2 {
			t.Errorf("%d entries are left, want the other caller's and the young one", left)
		}
	})
}

func TestErasureWantsACallerAndATime(t *testing.T) {
	for _, e := range []Erasure{{}, {Org: "acme", Before: noon}, {Org: "acme", Service: "x"}, {Service: "x", Before: noon}} {
		if _, err := (&Store{}).Erase(t.Context(), e); err == nil {
			t.Errorf("Erase(%+v) is not refused", e)
		}
	}
}
