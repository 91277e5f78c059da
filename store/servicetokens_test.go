package store

import (
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestServiceTokensAreKeptRotatedAndRevoked(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		now := time.Now().UTC().Truncate(time.Microsecond)
		want := sentinel.ServiceToken{ID: "abc", Service: "app", Label: "prod", By: "ada", Created: now, Expires: now.Add(time.Hour), Hash: sha256.Sum256([]byte("one"))}
		changed := func(do error, want ...sentinel.ServiceToken) {
			t.Helper()
			before, err := s.ServiceTokensChanged(t.Context())
			list, changes, err2 := s.ServiceTokens(t.Context())
			if err := errors.Join(do, err, err2); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, list); diff != "" || changes != before {
				t.Errorf("change %d of %d: %s", changes, before, diff)
			}
		}
		changed(s.AddServiceToken(t.Context(), want), want)
		second := sha256.Sum256([]byte("two"))
		want.Previous, want.PreviousUntil, want.Rotated, want.Hash = want.Hash, now.Add(time.Minute), now, second
		changed(s.RotateServiceToken(t.Context(), "abc", second, now, now.Add(time.Minute)), want)
		n, _ := s.ServiceTokensChanged(t.Context())
		want.Previous, want.PreviousUntil, want.Revoked = [32]byte{}, time.Time{}, now
		changed(s.RevokeServiceToken(t.Context(), "abc", now), want)
		if after, err := s.ServiceTokensChanged(t.Context()); err != nil || after != n+1 {
			t.Errorf("a revocation counted from %d to %d, %v", n, after, err)
		}
		for name, err := range map[string]error{
			"rotating what was revoked": s.RotateServiceToken(t.Context(), "abc", second, now, now), "revoking twice": s.RevokeServiceToken(t.Context(), "abc", now),
			"revoking nothing": s.RevokeServiceToken(t.Context(), "x\x00y", now),
		} {
			if !errors.Is(err, ErrNoToken) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
