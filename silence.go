package sentinel

import (
	"errors"
	"fmt"
	"path"
	"time"
)

// AlertSilence keeps matching incidents quiet in [From, Until): maintenance that somebody asked for.
type AlertSilence struct {
	ID          string
	Rule, Scope string // patterns, as path.Match has them, whose * also stands for slashes; empty matches all
	From, Until time.Time
	By, Why     string
}

// Bounds of silences.
const (
	MaxSilence     = 90 * 24 * time.Hour
	MaxSilences    = 1_000 // that have not ended
	maxSilenceText = 300   // bytes of a pattern or reason
)

// Validate gives every fault of a silence that is asked for now.
func (s AlertSilence) Validate(now time.Time) error {
	var faults []error
	if s.Rule == "" && s.Scope == "" {
		faults = append(faults, errors.New(`rule, scope: name at least one; rule "*" silences everything`))
	}
	for _, pattern := range []string{s.Rule, s.Scope} {
		if _, err := path.Match(pattern, ""); err != nil {
			faults = append(faults, fmt.Errorf("%.80q is not a pattern: write a backslash before a bracket that stands for itself", pattern))
		}
	}
	for _, text := range []string{s.Rule, s.Scope, s.Why} {
		if len(text) > maxSilenceText {
			faults = append(faults, fmt.Errorf("%.20q… is longer than %d bytes", text, maxSilenceText))
		}
	}
	switch {
	case !s.Until.After(s.From):
		faults = append(faults, errors.New("until: it is not after from"))
	case !s.Until.After(now):
		faults = append(faults, errors.New("until: it is over already"))
	case s.Until.Sub(now) > MaxSilence:
		faults = append(faults, fmt.Errorf("until: it is more than %d days away: longer ones belong into the policy", MaxSilence/(24*time.Hour)))
	}
	return errors.Join(faults...)
}
