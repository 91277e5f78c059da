package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhatBecameOfEachKeysRotationsIsKnown(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		begun := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
		at := func(row int) time.Time { return begun.Add(time.Duration(row) * time.Hour) }
		for i, row := range []struct{ action, object, after string }{
			{"key.rotate", "openai", ""}, {"key.rotate.done", "openai", ""}, // 0
			{"key.rotate", "stripe", ""}, {"key.rotate.failed", "stripe", "no Vault"}, {"key.rotate", "stripe", ""}, {"key.rotate.done", "stripe", ""}, // 2
			{"key.rotate", "openai", ""}, {"key.rotate.failed", "openai", "the provider refused the new key"}, {"verdict.deny", "openai", ""}, // 6
			{"key.rotate", "mistral", ""}, {"key.rotate.done", "mistral", ""}, {"key.rotate", "mistral", ""}, // 9
		} {
			exec(t, s, `INSERT INTO audit (seq, at, actor, action, object, before, after, prev, hash) VALUES ($1::int, $2, 'ada', $3, $4, '', $5, '', decode(lpad(to_hex($1::int), 64, '0'), 'hex'))`,
				i+1, at(i), row.action, row.object, row.after)
		}
		got, err := s.Rotations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]Rotation{
			"openai":  {By: "ada", Begun: at(6), Ended: at(7), Fault: "the provider refused the new key", Done: at(1)},
			"stripe":  {By: "ada", Begun: at(4), Ended: at(5), Done: at(5)},
			"mistral": {By: "ada", Begun: at(11), Done: at(10)},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
