package app

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ca"
)

// Another certificate takes the place of one after half of the life that its authority gave it. Where none can be had, the one before goes on
// to its end, and what is not wanted any more is not asked for.
func TestCertificatesAreRenewedAfterHalfOfTheirLife(t *testing.T) {
	start := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	now, issued, late := start, 0, 0
	var down error
	l := newLeaves(func(_ context.Context, of string) (ca.Leaf, error) {
		if down != nil {
			return ca.Leaf{}, down
		}
		issued++
		return ca.Leaf{Cert: []byte(of), NotAfter: now.Add(time.Hour)}, nil // less than was asked for
	}, func(string, error) { late++ })
	for _, step := range []struct {
		name         string
		after        time.Duration
		down         error
		due          bool
		issued, late int
		fails        bool
	}{
		{"the first", 0, nil, true, 1, 0, false},
		{"before half of its life", 29 * time.Minute, nil, false, 1, 0, false},
		{"after half of its life", 30 * time.Minute, nil, true, 2, 0, false},
		{"no authority", 60 * time.Minute, errors.New("away"), true, 2, 1, false},
		{"soon after", 61 * time.Minute, errors.New("away"), false, 2, 1, false},
		{"later", 70 * time.Minute, errors.New("away"), true, 2, 2, false},
		{"past its end", 90 * time.Minute, errors.New("away"), true, 2, 2, true},
		{"an authority again", 90*time.Minute + issueAgain, nil, true, 3, 2, false},
	} {
		now, down = start.Add(step.after), step.down
		if due := l.due([]string{"a"}, now); due != step.due {
			t.Errorf("%s: due is %t, want %t", step.name, due, step.due)
		}
		leaf, err := l.get(t.Context(), "a", now)
		if issued != step.issued || late != step.late || (err != nil) != step.fails || !step.fails && string(leaf.Cert) != "a" {
			t.Errorf("%s: %q, %v; %d issued and %d late, want %d and %d", step.name, leaf.Cert, err, issued, late, step.issued, step.late)
		}
	}
	if l.due(nil, now.Add(time.Hour)) || len(l.held) != 0 {
		t.Error("what nobody wants is due")
	}
}
