package alerts

import (
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Bounds of damping.
const (
	dampMemory = time.Hour // a cause that returns within this after it was resolved is the same trouble
	dampMost   = time.Hour // the longest that a cause must be gone, unless its rule says more
	maxLately  = 500       // resolved incidents that a group remembers
)

// resolveAfter is how long an incident's cause must be gone: its rule's time, doubled each time that it came back soon after it
// had been resolved. A cause that returns a minute after every resolution is one incident before long, and no message each time.
func (s *step) resolveAfter(i *sentinel.Incident) time.Duration {
	wait := s.rule.ResolveAfter
	for range i.Returns {
		if wait >= dampMost {
			break
		}
		wait = min(2*wait, dampMost)
	}
	return wait
}

// returns counts how often an incident came back soon after it had been resolved, this time included.
func (s *step) returns(id string) int {
	for _, l := range s.g.Lately {
		if l.ID == id && s.now.Sub(l.Resolved) < dampMemory {
			return l.Returns + 1
		}
	}
	return 0
}

// remember keeps a resolved incident for as long as a return counts, the newest first.
func (s *step) remember(i *sentinel.Incident) {
	s.g.Lately = slices.DeleteFunc(slices.Clone(s.g.Lately), func(l sentinel.LatelyResolved) bool {
		return l.ID == i.ID || s.now.Sub(l.Resolved) >= dampMemory
	})
	s.g.Lately = slices.Insert(s.g.Lately, 0, sentinel.LatelyResolved{ID: i.ID, Resolved: s.now, Returns: i.Returns})
	s.g.Lately = s.g.Lately[:min(len(s.g.Lately), maxLately)]
}
