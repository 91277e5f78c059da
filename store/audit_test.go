package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestAuditRowsFollowEachOtherUnderConcurrentWriters(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		var mu sync.Mutex
		written := map[int64]sentinel.AuditRow{}
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				for range 4 {
					err := s.AppendAudit(t.Context(), func(prev sentinel.AuditRow) []sentinel.AuditRow {
						next := sentinel.AuditRow{Seq: prev.Seq + 1, At: noon, Actor: "ops", Action: "a", Object: "o", Before: "1", After: "2", Prev: prev.Hash}
						next.Hash = sha256.Sum256(append(prev.Hash[:], byte(next.Seq)))
						mu.Lock()
						written[next.Seq] = next
						mu.Unlock()
						return []sentinel.AuditRow{next}
					}, func(context.Context) error { return nil })
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		var prev sentinel.AuditRow
		for r, err := range s.Audit(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Seq != prev.Seq+1 || r.Prev != prev.Hash {
				t.Errorf("row %d does not follow row %d", r.Seq, prev.Seq)
			}
			if diff := cmp.Diff(written[r.Seq], r); diff != "" {
				t.Errorf("row %d (-written +read)\n%s", r.Seq, diff)
			}
			prev = r
		}
		if prev.Seq != 20 {
			t.Errorf("the chain ends at row %d, want 20", prev.Seq)
		}
		if _, err := s.pool.Exec(t.Context(), `UPDATE audit SET actor = 'x'`); err == nil {
			t.Error("the database lets audit rows be changed")
		}
	})
}

// TestAChangeAndItsRowAreOneTransaction makes every kind of change once with a row that the chain refuses, once with one that it
// takes, and once with a fault of its own after the change.
func TestAChangeAndItsRowAreOneTransaction(t *testing.T) {
	next := func(prev sentinel.AuditRow) []sentinel.AuditRow {
		return []sentinel.AuditRow{{Seq: prev.Seq + 1, At: noon, Actor: "ops", Action: "a"}, {Seq: prev.Seq + 2, At: noon, Actor: "ops", Action: "b"}}
	}
	refused := func(prev sentinel.AuditRow) []sentinel.AuditRow { return []sentinel.AuditRow{prev} } // a number that is taken
	token := sentinel.ServiceToken{ID: "t1", Service: "app", Created: noon, Hash: sha256.Sum256([]byte("t1"))}
	onEach(t, func(t *testing.T, s *Store) {
		nothing := func(context.Context) error { return nil }
		if err := s.AppendAudit(t.Context(), next, nothing); err != nil {
			t.Fatal(err)
		}
		for _, change := range []struct {
			name, count string
			do          func(ctx context.Context) error
		}{
			{"account", `SELECT count(*) FROM accounts WHERE name = 'vera'`, func(ctx context.Context) error {
				return s.PutAccount(ctx, sentinel.Account{Name: "vera", Role: sentinel.RoleViewer, Created: noon})
			}},
			{"account key", `SELECT count(*) FROM account_keys`, func(ctx context.Context) error {
				return s.AddKey(ctx, sentinel.AccountKey{Account: "vera", Kind: sentinel.KeyToken, Created: noon, Expires: time.Now().Add(time.Hour)})
			}},
			{"service token", `SELECT count(*) FROM service_tokens WHERE revoked IS NULL`, func(ctx context.Context) error { return s.AddServiceToken(ctx, token) }},
			{"rotation", `SELECT count(*) FROM service_tokens WHERE previous IS NOT NULL`, func(ctx context.Context) error {
				return s.RotateServiceToken(ctx, "t1", sha256.Sum256([]byte("t2")), noon, noon.Add(time.Hour))
			}},
			{"revocation", `SELECT count(*) FROM service_tokens WHERE revoked IS NOT NULL`, func(ctx context.Context) error { return s.RevokeServiceToken(ctx, "t1", noon) }},
			{"answer to an alert", `SELECT count(*) FROM incident_history`, func(ctx context.Context) error {
				return s.UpdateGroup(ctx, "budget", nil, func(g sentinel.AlertGroup, _ []sentinel.IncidentRef) (sentinel.AlertGroup, sentinel.AlertEffects) {
					return g, sentinel.AlertEffects{History: []sentinel.IncidentChange{{At: noon, Incident: "i", What: "acknowledge", By: "vera"}}}
				})
			}},
			{"true-up", `SELECT count(*) FROM entries`, func(ctx context.Context) error {
				return s.Write(ctx, []sentinel.Record{ofEntry(entry(1, 0, sentinel.SourceMeter))})
			}},
			{"erasure", `SELECT 1 - count(*) FROM entries`, func(ctx context.Context) error {
				_, err := s.Erase(ctx, Erasure{Org: "acme", Service: entry(1, 0, 0).Caller.Service, Before: noon.AddDate(1, 0, 0)})
				return err
			}},
		} {
			rows := count(t, s, `SELECT count(*) FROM audit`)
			if err := s.AppendAudit(t.Context(), refused, change.do); err == nil || count(t, s, change.count) != 0 {
				t.Errorf("%s: was made although the chain did not take it (%v)", change.name, err)
			}
			fault := errors.New("fault")
			err := s.AppendAudit(t.Context(), next, func(ctx context.Context) error { return errors.Join(change.do(ctx), fault) })
			if !errors.Is(err, fault) || count(t, s, change.count) != 0 || count(t, s, `SELECT count(*) FROM audit`) != rows {
				t.Errorf("%s: a change that failed left something (%v)", change.name, err)
			}
			if err := s.AppendAudit(t.Context(), next, change.do); err != nil || count(t, s, change.count) != 1 || count(t, s, `SELECT count(*) FROM audit`) != rows+2 {
				t.Errorf("%s: was not made with its rows (%v)", change.name, err)
			}
		}
	})
}
