package app

import (
	"context"
	"slices"
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/simulate"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// Bounds of how scores are shared.
const (
	shareEvery   = 2 * time.Second
	keepScores   = 90 * 24 * time.Hour
	recallOf     = 90 * 24 * time.Hour // feedback that still counts
	plannedLasts = 24 * time.Hour      // before and after somebody says so
	maxUnwritten = 100_000
)

// lenience is what feedback made of a service's calibration.
type lenience struct {
	// odds divide how unusual the service is held for: above 1 after false alarms, below after confirmed ones.
	odds    float64
	planned []time.Time // around which nothing of it counts
}

// The steps and bounds of odds.
const (
	falseAlarm = 3
	confirmed  = 1.5
	mostOdds   = 1000
	leastOdds  = 0.2
)

// take counts what a person said.
func (l lenience) take(f sentinel.Feedback) lenience {
	if l.odds == 0 {
		l.odds = 1
	}
	switch f.Verdict {
	case sentinel.FeedbackFalse:
		l.odds = min(mostOdds, l.odds*falseAlarm)
	case sentinel.FeedbackTrue:
		l.odds = max(leastOdds, l.odds/confirmed)
	case sentinel.FeedbackPlanned: // the event is what is planned, from its begin
		l.planned = append(l.planned, f.At)
	}
	return l
}

// temper gives the score that is left: its odds divided. Nothing is left of what is planned.
func (l lenience) temper(score float64, at time.Time) float64 {
	for _, event := range l.planned {
		if at.Sub(event).Abs() < plannedLasts {
			return 0
		}
	}
	if l.odds == 0 || l.odds == 1 || score <= 0 {
		return score
	}
	return score / (score + (1-score)*l.odds)
}

// board is what this process knows of scores: those that are not written yet, and what people said.
type board struct {
	mu        sync.Mutex
	unwritten []sentinel.Score
	dropped   int64
	said      map[string]lenience
}

// of gives a service's calibration.
func (b *board) of(service string) lenience {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said[service]
}

// put keeps scores until they are written.
func (b *board) put(list []sentinel.Score) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if room := maxUnwritten - len(b.unwritten); len(list) > room {
		b.dropped += int64(len(list) - room)
		list = list[:room]
	}
	b.unwritten = append(b.unwritten, list...)
}

// Past is what the database keeps: calls, and how unusual services were, as people's verdicts temper that today.
func Past(ctx context.Context, st *store.Store) (simulate.Past, error) {
	b := &board{}
	if err := b.hear(ctx, st, time.Now().UTC()); err != nil {
		return simulate.Past{}, err
	}
	list, err := st.UnusualScores(ctx, time.Now().Add(-keepScores))
	if err != nil {
		return simulate.Past{}, err
	}
	slices.Reverse(list) // the oldest first
	return simulate.Past{Calls: st.EachEntry, Unusual: b.past(list)}, nil
}

// past judges minutes that are over by scores in the order of their time. What admission knew in a minute are the scores of those before it.
func (b *board) past(list []sentinel.Score) simulate.Unusual {
	return func(minute time.Time) *policy.Scores {
		from, _ := slices.BinarySearchFunc(list, minute.Add(-policy.MostMinutes*time.Minute-staysOpen), scoredAt)
		to, _ := slices.BinarySearchFunc(list, minute, scoredAt)
		if from == to {
			return nil
		}
		return b.judge(list[from:to], minute)
	}
}

func scoredAt(s sentinel.Score, t time.Time) int { return s.At.Compare(t) }

// judge makes the snapshot that admission reads from the scores of every process, as tempered by what people said.
func (b *board) judge(list []sentinel.Score, now time.Time) *policy.Scores {
	minutes := map[string]map[int]float64{} // by service and minutes ago
	for _, s := range list {
		ago := int(now.Truncate(time.Minute).Sub(s.At) / time.Minute)
		if ago < 0 || ago >= policy.MostMinutes+int(staysOpen/time.Minute) {
			continue
		}
		if minutes[s.Service] == nil {
			minutes[s.Service] = map[int]float64{}
		}
		score := b.of(s.Service).temper(s.Score, s.At)
		minutes[s.Service][ago] = max(minutes[s.Service][ago], score)
	}
	lasted := make(map[string][]float64, len(minutes))
	for service, scores := range minutes {
		lasted[service] = runs(scores)
	}
	return policy.NewScores(lasted)
}

// runs gives, at i, the best score that i+1 minutes in a row all reached and that ended at most staysOpen ago.
func runs(scores map[int]float64) []float64 {
	out := make([]float64, policy.MostMinutes)
	for end := range int(staysOpen/time.Minute) + 1 {
		least := 1.0
		for i := range out {
			if least = min(least, scores[end+i]); least == 0 {
				break
			}
			out[i] = max(out[i], least)
		}
	}
	return out
}

// share writes this process's scores, and publishes those of all.
func (a *App) share(ctx context.Context) error {
	b := &a.alerting.board
	for ctx.Err() == nil {
		now := time.Now().UTC()
		if err := a.shareOnce(ctx, b, now); err != nil && ctx.Err() == nil {
			a.log.Warn().Err(err).Msg("scores not shared: policies act on what was known last")
		}
		sleep(ctx, shareEvery)
	}
	return nil
}

func (a *App) shareOnce(ctx context.Context, b *board, now time.Time) error {
	b.mu.Lock()
	list := b.unwritten
	b.mu.Unlock()
	if len(list) > 0 {
		if err := a.store.PutScores(ctx, list); err != nil {
			return err
		}
		b.mu.Lock()
		b.unwritten = b.unwritten[len(list):]
		b.mu.Unlock()
	}
	scores, err := b.read(ctx, a.store, now)
	if err == nil {
		a.governor.Scores.Store(scores)
	}
	return err
}

// CurrentScores says who is unusual now, as every process that runs knows it.
func CurrentScores(ctx context.Context, st *store.Store, now time.Time) (*policy.Scores, error) {
	return (&board{}).read(ctx, st, now)
}

// read takes what people said and the scores of every process from the database.
func (b *board) read(ctx context.Context, st *store.Store, now time.Time) (*policy.Scores, error) {
	if err := b.hear(ctx, st, now); err != nil {
		return nil, err
	}
	scores, err := st.UnusualScores(ctx, now.Add(-policy.MostMinutes*time.Minute-staysOpen))
	if err != nil {
		return nil, err
	}
	return b.judge(scores, now), nil
}

// hear takes what people said from the database.
func (b *board) hear(ctx context.Context, st *store.Store, now time.Time) error {
	feedback, err := st.Feedback(ctx, now.Add(-recallOf))
	if err != nil {
		return err
	}
	said := map[string]lenience{}
	for _, f := range feedback {
		said[f.Service] = said[f.Service].take(f)
	}
	b.mu.Lock()
	b.said = said
	b.mu.Unlock()
	return nil
}
