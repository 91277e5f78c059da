package store

import (
	"testing"
	"time"
)

func TestTheLastRotationOfEachKeyIsKnown(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		begun := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
		for i, row := range []struct{ action, object string }{
			{"key.rotate", "openai"}, {"key.rotate.done", "openai"}, {"key.rotate.done", "stripe"}, {"key.rotate.done", "openai"}, {"key.rotate.failed", "openai"}, {"verdict.deny", "openai"},
		} {
			exec(t, s, `INSERT INTO audit (seq, at, actor, action, object, before, after, prev, hash) VALUES ($1::int, $2, 'ada', $3, $4, '', '', '', decode(lpad(to_hex($1::int), 64, '0'), 'hex'))`,
				i+1, begun.Add(time.Duration(i)*time.Hour), row.action, row.object)
		}
		got, err := s.Rotations(t.Context())
		if err != nil || len(got) != 2 || !got["openai"].Equal(begun.Add(3*time.Hour)) || !got["stripe"].Equal(begun.Add(2*time.Hour)) {
			t.Errorf("%v, %v", got, err)
		}
	})
}
