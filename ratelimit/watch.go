package ratelimit

import (
	"cmp"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxFills bounds what is told of limits at once.
const maxFills = 500

// Fill is how much of a limit is used, from 0 to 1 and above where it is soft: of the fullest of its counters.
type Fill struct {
	Limit string // its name in the policy
	Used  float64
}

// Fills tells of the limits that this process' calls have met in the last minutes, the fullest first, as of about a second ago.
func (r *Redis) Fills() []Fill { return r.local.fills(time.Now()) }

func (l *local) fills(now time.Time) []Fill {
	by := map[string]float64{}
	l.mu.Lock()
	for _, k := range l.known {
		if now.Sub(k.asked) <= knownFor && (k.limit.Kind != sentinel.Window || now.Before(k.limit.End)) {
			used := float64(k.limit.Max-k.left) / float64(k.limit.Max)
			by[k.limit.Name] = max(by[k.limit.Name], used)
		}
	}
	l.mu.Unlock()
	out := make([]Fill, 0, len(by))
	for name, used := range by {
		out = append(out, Fill{name, used})
	}
	slices.SortFunc(out, func(a, b Fill) int { return cmp.Or(cmp.Compare(b.Used, a.Used), cmp.Compare(a.Limit, b.Limit)) })
	return out[:min(len(out), maxFills)]
}

// Away tells whether Redis does not answer, or has lost its counters: calls are judged as the policy says for that time.
func (r *Redis) Away() bool { return r.breaker.open() || r.lost.Load() }
