package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// sealed is a captured body of call n that expires after some time.
func sealed(n int, service string, in time.Duration) sentinel.SealedBody {
	c := entry(n, 0, sentinel.SourceMeter).Call
	c.Caller = sentinel.Caller{Org: "acme", Team: "core", Service: service}
	return sentinel.SealedBody{
		Call: sentinel.Call{ID: c.ID, At: c.At, Caller: c.Caller, Provider: c.Provider, Endpoint: c.Endpoint, Model: c.Model},
		Part: sentinel.RequestBody, Size: 7, Expires: time.Now().UTC().Add(in).Truncate(time.Microsecond), Key: "file:1:k", Sealed: []byte{0, 1, 2, byte(n)},
	}
}

func TestBodiesAreFoundUntilTheyExpireAndThenAreGone(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		keeps, goes, long := sealed(1, "a", time.Hour), sealed(2, "a", -time.Second), sealed(3, "b", 40*24*time.Hour)
		old := sealed(4, "a", -49*time.Hour) // of a day that is over
		answer := keeps
		answer.Part = sentinel.ResponseBody
		list := []sentinel.SealedBody{answer, keeps, goes, long, old}
		for range 2 { // a repetition changes nothing
			if err := s.PutBodies(t.Context(), list); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.Bodies(t.Context(), BodyQuery{CallID: keeps.Call.ID})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]sentinel.SealedBody{keeps, answer}, got); diff != "" {
			t.Errorf("the call's bodies: %s", diff)
		}
		outline := keeps
		outline.Sealed = nil
		got, err = s.Bodies(t.Context(), BodyQuery{CallID: keeps.Call.ID, Outline: true, Limit: 1})
		if diff := cmp.Diff([]sentinel.SealedBody{outline}, got); err != nil || diff != "" {
			t.Errorf("the outline: %v, %s", err, diff)
		}
		if got, err := s.Bodies(t.Context(), BodyQuery{CallID: goes.Call.ID}); err != nil || len(got) > 0 {
			t.Errorf("an expired body is read before it is swept: %v, %v", got, err)
		}
		for range 2 {
			if err := s.ExpireBodies(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := count(t, s, `SELECT count(*) FROM bodies`); n != 3 {
			t.Errorf("%d rows are left, want 3: two of one call, and the one of 40 days", n)
		}
		if n := diskOf(t, s, old.Expires); n != 0 {
			t.Errorf("%d tables still hold the day that is over", n)
		}
		if n := diskOf(t, s, long.Expires); n != 1 {
			t.Errorf("%d tables hold a day to come, want one of its own", n)
		}
		if err := s.PutBodies(t.Context(), []sentinel.SealedBody{sealed(5, "a", time.Hour)}); err != nil {
			t.Errorf("bodies after an expiry: %v", err)
		}
	})
}

// diskOf counts the partitions or chunks of a day of expiries.
func diskOf(t *testing.T, s *Store, day time.Time) int64 {
	t.Helper()
	if s.Timescale() {
		return count(t, s, `SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'bodies' AND range_start <= $1 AND range_end > $1`, day)
	}
	return count(t, s, `SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname = $1`, "bodies_"+day.Format("2006_01_02"))
}

func TestErasingACallerTakesItsBodies(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		if err := s.PutBodies(t.Context(), []sentinel.SealedBody{sealed(1, "leaver", time.Hour), sealed(2, "stayer", time.Hour)}); err != nil {
			t.Fatal(err)
		}
		n, err := s.Erase(t.Context(), Erasure{Org: "acme", Service: "leaver", Before: noon.Add(time.Hour)})
		if err != nil || n != (Erased{Bodies: 1}) {
			t.Fatalf("Erase() = %+v, %v", n, err)
		}
		got, err := s.Bodies(t.Context(), BodyQuery{})
		if err != nil || len(got) != 1 || got[0].Call.Caller.Service != "stayer" {
			t.Errorf("%+v, %v are left, want the other caller's", got, err)
		}
	})
}
