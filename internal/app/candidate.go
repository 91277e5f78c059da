package app

import "github.com/saas-sentinel/saas-sentinel/governor"

// beside puts the configured candidate beside the policy in force: it judges each call, and decides nothing. One that is missing or broken
// keeps no call waiting: what was there stays, and the log says why.
func (a *App) beside() {
	state := a.governor.State()
	next, err := a.loadCandidate()
	switch {
	case err != nil:
		a.metrics.reloads.WithLabelValues("candidate failed").Inc()
		a.log.Error().Err(err).Msg("candidate policy not read, the one before goes on")
		return
	case versionOf(next) == versionOf(state.Candidate):
		return
	}
	changed := *state
	changed.Candidate = next
	a.governor.Swap(&changed)
	a.log.Info().Str("candidate", versionOf(next)).Str("was", versionOf(state.Candidate)).Msg("candidate policy judges calls in shadow")
}

// loadCandidate is nil where none is configured.
func (a *App) loadCandidate() (*governor.State, error) {
	if a.config.Candidate == "" {
		return nil, nil
	}
	return LoadState(a.config.Candidate)
}

func versionOf(s *governor.State) string {
	if s == nil {
		return ""
	}
	return s.Policy.Version
}
