package store

import (
	"bytes"
	"sync"
	"sync/atomic"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestAnIdempotencyKeyIsClaimedOnceADay(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		a := sentinel.KeptAnswer{Account: "ada", Key: [32]byte{1}, Request: [32]byte{2}}
		var claims atomic.Int64
		var racers sync.WaitGroup
		for range 8 {
			racers.Go(func() {
				before, claimed, err := s.BeginAnswer(t.Context(), a)
				if claimed {
					claims.Add(1)
				} else if err != nil || before.Request != a.Request || len(before.Sealed) != 0 {
					t.Errorf("beside the first: %+v, %v", before, err)
				}
			})
		}
		if racers.Wait(); claims.Load() != 1 {
			t.Errorf("%d of 8 claimed a key, want one", claims.Load())
		}
		a.Sealed = []byte("sealed")
		if err := s.KeepAnswer(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if before, claimed, err := s.BeginAnswer(t.Context(), a); claimed || err != nil || !bytes.Equal(before.Sealed, a.Sealed) || before.Begun.IsZero() {
			t.Errorf("after its answer: %+v, %v, %v", before, claimed, err)
		}
		other := a
		other.Account = "bob"
		if _, claimed, err := s.BeginAnswer(t.Context(), other); !claimed || err != nil {
			t.Errorf("somebody else's same key: %v, %v", claimed, err)
		}
		if err := s.DropAnswer(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		if _, claimed, err := s.BeginAnswer(t.Context(), other); !claimed || err != nil {
			t.Errorf("a key that was freed: %v, %v", claimed, err)
		}
		exec(t, s, `UPDATE admin_answers SET begun = begun - interval '25 hours' WHERE account = 'ada'`)
		if _, claimed, err := s.BeginAnswer(t.Context(), a); !claimed || err != nil {
			t.Errorf("the day after: %v, %v", claimed, err)
		}
		exec(t, s, `UPDATE admin_answers SET begun = begun - interval '25 hours' WHERE account = 'bob'`)
		if err := s.DropAnswers(t.Context()); err != nil || count(t, s, `SELECT count(*) FROM admin_answers`) != 1 {
			t.Errorf("retention leaves %d keys, want ada's new one: %v", count(t, s, `SELECT count(*) FROM admin_answers`), err)
		}
		exec(t, s, `CREATE TABLE held (key bytea)`) // whose keys are free again once an insert has met them
		exec(t, s, `INSERT INTO held VALUES ($1)`, bytes.Repeat([]byte{7}, 32))
		exec(t, s, `CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			DELETE FROM held WHERE key = NEW.key;
			IF FOUND THEN RETURN NULL; END IF;
			RETURN NEW;
		END $$`)
		exec(t, s, `CREATE TRIGGER meet BEFORE INSERT ON admin_answers FOR EACH ROW EXECUTE FUNCTION meet()`)
		if _, claimed, err := s.BeginAnswer(t.Context(), sentinel.KeptAnswer{Account: "ada", Key: [32]byte(bytes.Repeat([]byte{7}, 32))}); !claimed || err != nil {
			t.Errorf("a key that the first request frees between the insert and the question: %v, %v", claimed, err)
		}
		exec(t, s, `DROP TRIGGER meet ON admin_answers`)
		exec(t, s, `DROP FUNCTION meet`)
		exec(t, s, `DROP TABLE held`)
		exec(t, s, `INSERT INTO admin_answers (account, key, request) SELECT 'eve', decode(lpad(to_hex(n), 8, '0'), 'hex'), '' FROM generate_series(1, $1::int) n`, maxAnswers)
		if before, claimed, err := s.BeginAnswer(t.Context(), sentinel.KeptAnswer{Account: "eve", Key: [32]byte{9}}); claimed || err != nil || !before.Begun.IsZero() {
			t.Errorf("past the most of an account: %+v, %v, %v", before, claimed, err)
		}
	})
}
