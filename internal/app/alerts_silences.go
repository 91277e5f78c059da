package app

import (
	"context"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/alerts"
)

// silencesEvery is how often a process reads what people asked to be kept quiet.
const silencesEvery = 2 * time.Second

// silenced is a book's machine with the silences that people asked for.
type silenced struct {
	book    *book
	asked   *[]sentinel.AlertSilence
	machine *alerts.Machine
}

// machine is the policy's machine, with the silences that people asked for while the gateway runs.
func (al *alerting) machine() *alerts.Machine {
	b, asked := al.book.Load(), al.silences.Load()
	if asked == nil || len(*asked) == 0 {
		return b.machine
	}
	if s := al.silenced.Load(); s != nil && s.book == b && s.asked == asked {
		return s.machine
	}
	m := *b.machine
	m.Silences = slices.Concat(m.Silences, *asked)
	al.silenced.Store(&silenced{b, asked, &m})
	return &m
}

// readSilences keeps the silences that people asked for up to date. While the database is away the last ones hold, until they end.
func (al *alerting) readSilences(ctx context.Context) error {
	for ctx.Err() == nil {
		list, err := al.app.store.Silences(ctx, sentinel.Cursor{}, sentinel.MaxSilences)
		if err == nil {
			al.silences.Store(&list)
		} else if ctx.Err() == nil {
			al.app.log.Warn().Err(err).Msg("silences not read, the last ones hold")
		}
		sleep(ctx, silencesEvery)
	}
	return nil
}
