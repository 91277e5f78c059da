// Package alerts tells people: it routes alerts to channels, each incident once, through an outbox in the
// database, so that a message is neither lost with a process nor sent by two.
package alerts

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Store keeps incidents and their outbox. Raise writes both in one transaction.
type Store interface {
	Raise(ctx context.Context, a sentinel.Alert, channels []string) (id string, fresh bool, err error)
	Claim(ctx context.Context, n int, lease time.Duration) ([]sentinel.Delivery, error)
	Delivered(ctx context.Context, id int64) error
	Retry(ctx context.Context, id int64, after time.Duration, why string) error
}

// Channel reaches people. An error is tried again; a *Later says when. A message that is repeated after a
// crash carries the same incident id, so that people see that it is one.
type Channel interface {
	Send(ctx context.Context, d sentinel.Delivery) error
}

// Later says that a channel wants to be left alone for a while.
type Later struct {
	After time.Duration
	Err   error
}

// Error is the cause's text.
func (l *Later) Error() string { return l.Err.Error() }

// Unwrap gives the cause.
func (l *Later) Unwrap() error { return l.Err }

// Route sends alerts of a severity and above to channels.
type Route struct {
	From sentinel.Severity
	To   []string
}

// Book is who is told, and how. It never changes; a new policy makes a new one.
type Book struct {
	Channels map[string]Channel
	Routes   []Route
}

// channels gives the names of all whom an alert concerns, each once, in the order of the routes.
func (b *Book) channels(s sentinel.Severity) []string {
	var out []string
	seen := map[string]bool{}
	for _, r := range b.Routes {
		for _, name := range r.To {
			if s >= r.From && !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	return out
}

// Bounds.
const (
	maxWaiting  = 4096 // alerts that wait to be raised
	claimed     = 16   // messages taken at once
	lease       = time.Minute
	sendTimeout = 20 * time.Second
	poll        = 2 * time.Second // for messages of other processes and retries
	firstRetry  = 2 * time.Second
	lastRetry   = 10 * time.Minute
	perChannel  = time.Second // between two messages of one channel
	maxReason   = 300
)

// Manager raises and sends. It is safe for concurrent use.
type Manager struct {
	store   Store
	log     zerolog.Logger
	waiting chan sentinel.Alert
	wake    chan struct{}

	mu    sync.Mutex
	book  *Book
	paced map[string]time.Time // when a channel may be used again
	lost  int64
}

// New makes a Manager with an empty book.
func New(s Store, log zerolog.Logger) *Manager {
	return &Manager{store: s, log: log, waiting: make(chan sentinel.Alert, maxWaiting), wake: make(chan struct{}, 1), book: &Book{}, paced: map[string]time.Time{}}
}

// Use publishes a new book.
func (m *Manager) Use(b *Book) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.book = b
}

func (m *Manager) current() *Book {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.book
}

// Notify hands an alert over without waiting. When too many wait already it is dropped, counted and logged.
func (m *Manager) Notify(a sentinel.Alert) {
	select {
	case m.waiting <- a:
	default:
		m.mu.Lock()
		m.lost++
		m.mu.Unlock()
		m.log.Error().Str("rule", a.Rule).Str("scope", a.Scope).Msg("alert dropped: too many wait")
	}
}

// Lost is the number of alerts dropped since the start.
func (m *Manager) Lost() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lost
}

// Run raises and sends until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	var both sync.WaitGroup
	both.Go(func() { m.raise(ctx) })
	both.Go(func() { m.send(ctx) })
	both.Wait()
	return nil
}

// raise writes alerts to the store, each until it is there.
func (m *Manager) raise(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-m.waiting:
			for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
				id, fresh, err := m.store.Raise(ctx, a, m.current().channels(a.Severity))
				if err == nil {
					if fresh {
						m.log.Warn().Str("incident", id).Str("rule", a.Rule).Str("severity", a.Severity.String()).Msg(a.Title)
						m.nudge()
					}
					break
				}
				m.log.Error().Err(err).Msg("incident not written")
				if !sleep(ctx, pause) {
					return
				}
			}
		}
	}
}

func (m *Manager) nudge() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// send takes messages that are due and sends them, each channel at its pace.
func (m *Manager) send(ctx context.Context) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		due, err := m.store.Claim(ctx, claimed, lease)
		if err != nil && ctx.Err() == nil {
			m.log.Error().Err(err).Msg("messages not read")
		}
		for _, d := range due {
			m.deliver(ctx, d)
		}
		if len(due) == claimed {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-m.wake:
		}
	}
}

func (m *Manager) deliver(ctx context.Context, d sentinel.Delivery) {
	channel, ok := m.current().Channels[d.Channel]
	if !ok {
		m.settle(ctx, d, fmt.Errorf("channel %s is not in the policy any more", d.Channel))
		return
	}
	if wait := m.turn(d.Channel, time.Now()); wait > 0 {
		m.put(ctx, d, wait, "waits for its turn")
		return
	}
	sending, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	m.settle(ctx, d, channel.Send(sending, d))
}

// turn says how long a channel has to wait, and takes the turn when it need not.
func (m *Manager) turn(channel string, now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if wait := m.paced[channel].Sub(now); wait > 0 {
		return wait
	}
	m.paced[channel] = now.Add(perChannel)
	return 0
}

// settle ends a message, or puts it off.
func (m *Manager) settle(ctx context.Context, d sentinel.Delivery, err error) {
	if err == nil {
		if err := m.store.Delivered(ctx, d.ID); err != nil {
			m.log.Error().Err(err).Msg("message sent, and not noted: it may come twice")
		}
		return
	}
	wait := min(lastRetry, firstRetry<<min(d.Attempt, 16))
	var later *Later
	if errors.As(err, &later) {
		wait = max(later.After, perChannel)
		m.mu.Lock()
		m.paced[d.Channel] = time.Now().Add(wait)
		m.mu.Unlock()
	}
	m.log.Warn().Err(err).Str("channel", d.Channel).Str("incident", d.Incident.ID).Dur("again_in", wait).Msg("message not sent")
	m.put(ctx, d, wait+rand.N(wait/8+time.Millisecond), err.Error()) //nolint:gosec // jitter needs no secrecy
}

func (m *Manager) put(ctx context.Context, d sentinel.Delivery, wait time.Duration, why string) {
	if len(why) > maxReason {
		why = why[:maxReason]
	}
	if err := m.store.Retry(ctx, d.ID, wait, why); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Msg("message not put off: it comes again when its lease ends")
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
