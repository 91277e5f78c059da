package store

import (
	"crypto/sha256"
	"sync"
	"testing"

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
					row, err := s.AppendAudit(t.Context(), func(prev sentinel.AuditRow) sentinel.AuditRow {
						next := sentinel.AuditRow{Seq: prev.Seq + 1, At: noon, Actor: "ops", Action: "a", Object: "o", Before: "1", After: "2", Prev: prev.Hash}
						next.Hash = sha256.Sum256(append(prev.Hash[:], byte(next.Seq)))
						return next
					})
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					written[row.Seq] = row
					mu.Unlock()
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
