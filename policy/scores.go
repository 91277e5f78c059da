package policy

import (
	"maps"
	"slices"
)

// MostMinutes is how long an anomaly rule may want a service to be unusual: an hour.
const MostMinutes = 60

// Scores say how unusual services are: for each, at i, the score that the last i+1 minutes all reached, or some i+1 minutes in a row
// within the time for which a rule goes on to hold. A Scores never changes; a new minute makes a new one.
type Scores struct{ lasted map[string][]float64 }

// NewScores makes a snapshot; the lists have at most MostMinutes scores and do not ascend. It keeps the map.
func NewScores(lasted map[string][]float64) *Scores { return &Scores{lasted} }

// Lasted is the score that a service reached for so many minutes; 0 where nothing is known.
func (s *Scores) Lasted(service string, minutes int) float64 {
	if s == nil {
		return 0
	}
	if list := s.lasted[service]; minutes >= 1 && minutes <= len(list) {
		return list[minutes-1]
	}
	return 0
}

// Services are those of which a score is known, sorted.
func (s *Scores) Services() []string {
	if s == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(s.lasted))
}
