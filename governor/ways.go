package governor

import "sync/atomic"

// ways are those that Envoy has beside a state. Envoy takes a new configuration a moment after sentinel judges by it, and a call that is sent by a way
// which Envoy does not have yet is refused there.
type ways struct {
	had map[way]bool // that it has whatever it took of what it was sent
	all atomic.Bool  // it took the state's own
}

// way is a route to a place, or a chain for it from there.
type way struct{ chain, route, place string }

func (r Route) by(chain string) way { return way{chain, r.Name, r.Place} }

// SwapAhead is Swap to a state whose ways Envoy was sent and may not have yet: until Led, calls take only those that it had already. Only one
// goroutine may call Swap and SwapAhead.
func (g *Governor) SwapAhead(s *State) {
	old, had := g.State(), map[way]bool{}
	add := func(w way) {
		if old.leads(w) {
			had[w] = true
		}
	}
	for _, r := range old.Ordered {
		add(r.by(""))
	}
	for _, c := range old.Chains {
		for _, route := range c.Routes {
			add(old.Routes[route].by(c.Name))
		}
	}
	s.ways = &ways{had: had}
	g.Swap(s)
}

// Led says that every Envoy has all ways of a state.
func (s *State) Led() {
	if s.ways != nil {
		s.ways.all.Store(true)
	}
}

// Leading tells whether a state waits for Led.
func (s *State) Leading() bool { return s.ways != nil && !s.ways.all.Load() }

// leads tells whether a call may be sent by a way of a state.
func (s *State) leads(w way) bool { return !s.Leading() || s.ways.had[w] }
