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
		ends         time.Duration // of one that could not be renewed
	}{
		{"none to be had", 0, errors.New("away"), true, 0, 0, true, 0},
		{"the first", issueAgain, nil, true, 1, 0, false, -1},
		{"before half of its life", 29 * time.Minute, nil, false, 1, 0, false, -1},
		{"after half of its life", issueAgain + 30*time.Minute, nil, true, 2, 0, false, -1},
		{"no authority", issueAgain + 60*time.Minute, errors.New("away"), true, 2, 1, false, issueAgain + 90*time.Minute},
		{"soon after", 61 * time.Minute, errors.New("away"), false, 2, 1, false, issueAgain + 90*time.Minute},
		{"later", 70 * time.Minute, errors.New("away"), true, 2, 2, false, issueAgain + 90*time.Minute},
		{"past its end", issueAgain + 90*time.Minute, errors.New("away"), true, 2, 2, true, issueAgain + 90*time.Minute},
		{"an authority again", 2*issueAgain + 90*time.Minute, nil, true, 3, 2, false, -1},
	} {
		now, down = start.Add(step.after), step.down
		if due := l.due([]string{"a"}, now); due != step.due {
			t.Errorf("%s: due is %t, want %t", step.name, due, step.due)
		}
		leaf, err := l.get(t.Context(), "a", now)
		if issued != step.issued || late != step.late || (err != nil) != step.fails || !step.fails && string(leaf.Cert) != "a" {
			t.Errorf("%s: %q, %v; %d issued and %d late, want %d and %d", step.name, leaf.Cert, err, issued, late, step.issued, step.late)
		}
		if end, ok := l.ends(now)["a"]; ok != (step.ends >= 0) || ok && !end.Equal(start.Add(step.ends)) {
			t.Errorf("%s: operators hear of an end at %s, %t; want %s", step.name, end, ok, step.ends)
		}
	}
	if l.due(nil, now.Add(time.Hour)) || len(l.held) != 0 {
		t.Error("what nobody wants is due")
	}
}
