package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// An unusual minute comes back as it was scored, with all features by share; one that an earlier release scored has none, and one that was usual is not read.
func TestUnusualScoresKeepTheirExplanation(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		at := time.Now().UTC().Truncate(time.Minute)
		odd := sentinel.Score{At: at, Service: "app", Instance: "a", Team: "core", Score: 0.99, Strength: 0.6, Feature: "requests", Share: 0.7, Actual: 200, Expected: 20, Impact: 7,
			Features: []string{"requests", "combination"}, Shares: []float64{0.7, 0.3}}
		earlier := odd
		earlier.At, earlier.Features, earlier.Shares = at.Add(-time.Minute), nil, nil
		usual := odd
		usual.At, usual.Score = at.Add(-2*time.Minute), 0.5
		if err := s.PutScores(t.Context(), []sentinel.Score{usual, earlier, odd}); err != nil {
			t.Fatal(err)
		}
		got, err := s.UnusualScores(t.Context(), at.Add(-time.Hour))
		if diff := cmp.Diff([]sentinel.Score{odd, earlier}, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	})
}
