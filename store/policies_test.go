package store

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestVersionsOfThePolicyAreKept(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		now := time.Now().UTC().Truncate(time.Microsecond)
		files := map[string][]PolicyFile{"a": {{"policies.yaml", "org: acme\n"}}, "b": {{"10.yaml", "org: acme\n"}, {"20.yaml", "teams: {}\n"}}}
		var want []PolicyChange
		keep := func(version, author, reason string, added bool) {
			t.Helper()
			c := PolicyChange{At: now, Version: version, Author: author, Reason: reason}
			if err := s.KeepPolicy(t.Context(), c, files[version]); err != nil {
				t.Fatal(err)
			}
			if added {
				want = append([]PolicyChange{c}, want...)
			}
			got, err := s.PolicyChanges(t.Context(), 0, 10)
			if !slices.IsSortedFunc(got, func(x, y PolicyChange) int { return cmp.Compare(y.Seq, x.Seq) }) {
				t.Errorf("the changes do not descend: %+v", got)
			}
			for i := range got {
				got[i].Seq = 0
			}
			if diff := gocmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("after %s by %s: %v %s", version, author, err, diff)
			}
		}
		keep("a", "sentinel one", "", true)
		keep("a", "sentinel two", "", false) // another process has the same
		keep("b", "ada", "launch week", true)
		keep("b", "sentinel two", "", false)
		keep("a", "ada", "back", true) // the text is kept once
		for version, want := range files {
			if got, err := s.PolicyText(t.Context(), version); err != nil || !gocmp.Equal(got, want) {
				t.Errorf("%s: %+v, %v", version, got, err)
			}
		}
		if _, err := s.PolicyText(t.Context(), "c\x00"); !errors.Is(err, sentinel.ErrNoPolicyVersion) {
			t.Errorf("a version that is not kept: %v", err)
		}
	})
}
