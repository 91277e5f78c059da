package alerts

import (
	"context"
	"errors"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// blindAfter is how long the store may be away before people are told without it.
const blindAfter = 10 * time.Second

// sight is whether the sender sees its store. Every other message waits in the store, so that of its own absence cannot.
type sight struct {
	led   bool // this process sent when the store was last there; also where it never was
	told  bool
	since time.Time // of the store's absence
}

// look notes the outcome of a request for the lease, and tells people once when the store has been away for long. Of many processes the one
// tells that sent before.
func (s *Sender) look(ctx context.Context, leads bool, err error) {
	if err == nil || errors.Is(err, sentinel.ErrFenced) {
		s.sight = sight{led: leads}
		s.away.Store(0)
		return
	}
	if s.sight.since.IsZero() {
		s.sight.since = time.Now()
	}
	away := time.Since(s.sight.since)
	s.away.Store(int64(away))
	if away < blindAfter || s.sight.told || !s.sight.led || s.Outage == nil {
		return
	}
	s.sight.told = true
	m, to := s.Outage()
	m.ID, m.At, m.Kind = "outage/"+s.sight.since.UTC().Format(time.RFC3339), time.Now().UTC(), sentinel.DeliverMessage
	channels := s.Channels()
	for _, name := range to {
		c, ok := channels[name]
		if !ok {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, sendTimeout)
		_, err := c.Send(ctx, Outgoing{Message: m})
		cancel()
		if _, partly := errors.AsType[*Partly](err); err != nil && !partly {
			s.observe(name, GivenUp)
			s.Log.Warn().Str("channel", name).Str("fault", Plain(err.Error(), maxText)).Msg("the absence of the database was not told")
			continue
		}
		s.observe(name, Taken)
	}
}

// Away tells for how long the store has not answered, 0 while it does.
func (s *Sender) Away() time.Duration { return time.Duration(s.away.Load()) }
