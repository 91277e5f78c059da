package spool

// Fence keeps all that is appended from now on from Next, until Lift: what was appended before can be told from what came after.
func (s *Spool) Fence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.segments[len(s.segments)-1]
	s.fence = position{last.id, last.end}
}

// Lift ends a Fence.
func (s *Spool) Lift() {
	s.mu.Lock()
	s.fence = position{}
	s.mu.Unlock()
	select {
	case s.grown <- struct{}{}: // a Next that waits looks again
	default:
	}
}

// Reached tells whether all that was appended before the Fence is committed. Without one it is not.
func (s *Spool) Reached() bool {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	at, fence := s.reader.at, s.fence
	return fence.segment > 0 && (at.segment > fence.segment || at.segment == fence.segment && at.offset >= fence.offset)
}
