package alerts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Channel is a way to reach people. It escapes every text of a message, never puts a secret into one, and
// gives where the message is kept, when it can be changed or answered there.
type Channel interface {
	Send(ctx context.Context, d Outgoing) (ref string, err error)
}

// Outgoing is one message for one channel.
type Outgoing struct {
	Message
	Root  string // where the channel keeps the group's first message; empty: this is the first
	Retry bool   // an earlier try may have arrived
	// Chart makes the chart of the message; it is asked by channels that show one. It, or what it gives, may be nil.
	Chart func(context.Context) *Chart
}

// picture draws the message's chart, nil where there is none.
func (o Outgoing) picture(ctx context.Context, look Picture) ([]byte, error) {
	if o.Chart == nil {
		return nil, nil
	}
	c := o.Chart(ctx)
	if c == nil {
		return nil, nil
	}
	return c.PNG(look)
}

// Partly says that a message arrived and a part of it did not: its chart, or one of its receivers. It is not sent again.
type Partly struct{ Err error }

// Error says what did not arrive.
func (p *Partly) Error() string { return p.Err.Error() }

// Unwrap gives the fault.
func (p *Partly) Unwrap() error { return p.Err }

// partly makes a Partly of the faults, nil where there are none.
func partly(faults ...error) error {
	if err := errors.Join(faults...); err != nil {
		return &Partly{err}
	}
	return nil
}

// Limited says when a channel wants to be asked again.
type Limited struct {
	After time.Duration
	Err   error
}

// Error says what the channel said.
func (l *Limited) Error() string { return l.Err.Error() }

// Unwrap gives the channel's error.
func (l *Limited) Unwrap() error { return l.Err }

// ErrRefused marks what a channel will never take: a wrong address, a revoked credential.
var ErrRefused = errors.New("refused")

// Bounds of sending.
const (
	leaseTTL    = 3 * time.Second // after a crash another process sends within this time
	renewEvery  = time.Second     // while a channel takes its time
	sendTimeout = 8 * time.Second
	channelGap  = 1100 * time.Millisecond
	idle        = 250 * time.Millisecond
	firstRetry  = 2 * time.Second
	lastRetry   = time.Minute
	refusedWait = 5 * time.Minute // somebody may mend the channel
	giveUp      = 72 * time.Hour
	dueGroups   = 100
)

// Sender looks at groups whose time has come, and empties the outbox. Many processes may run one; the database
// lets one of them work.
type Sender struct {
	Store    Store
	Machine  func() *Machine
	Channels func() map[string]Channel
	Chart    func(context.Context, Message) *Chart // may be nil
	Observe  func(channel string, o Outcome)       // counts tries; may be nil
	// Outage gives what is told, and to which channels, when the store itself is away; nil for nothing.
	Outage func() (Message, []string)
	Holder string
	Log    zerolog.Logger

	last  map[string]time.Time // of sends by channel
	leads atomic.Bool
	sight sight
	away  atomic.Int64 // how long the store has been, in ns
}

// Outcome is how a try to send ended.
type Outcome string

// The outcomes.
const (
	Taken       Outcome = "taken"
	TakenInPart Outcome = "taken_in_part"
	Retried     Outcome = "retried"
	GivenUp     Outcome = "given_up"
)

// Leads tells whether this process is the one that sends: what one process alone should do is its task too.
func (s *Sender) Leads() bool { return s.leads.Load() }

// Run works until ctx ends.
func (s *Sender) Run(ctx context.Context) error {
	s.last, s.sight = map[string]time.Time{}, sight{led: true}
	var held int64 = -1
	defer func() {
		if held >= 0 { // the next one need not wait; a lease that is another's is left alone
			s.release(context.WithoutCancel(ctx), held)
		}
	}()
	for {
		asked, cancel := context.WithTimeout(ctx, leaseTTL)
		fence, ok, err := s.Store.Lease(asked, s.Holder, leaseTTL)
		cancel()
		s.leads.Store(ok)
		s.look(ctx, ok, err)
		if ok && fence != held {
			held = fence
			pause(ctx, channelGap) // the one before may have sent just now
			continue
		}
		if ok {
			err = s.once(ctx, fence)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !errors.Is(err, sentinel.ErrFenced) {
			s.Log.Warn().Err(err).Msg("alerts not sent, kept in the outbox")
			pause(ctx, firstRetry)
		}
		pause(ctx, idle)
	}
}

// release gives the lease back at an orderly end.
func (s *Sender) release(ctx context.Context, held int64) {
	ctx, cancel := context.WithTimeout(ctx, leaseTTL)
	defer cancel()
	if _, err := s.Store.Claim(ctx, held, time.Unix(0, 0), 0); err == nil { // nothing is due at that time: only the fence is asked for
		_, _, _ = s.Store.Lease(ctx, s.Holder, 0)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// once applies the clocks of due groups and sends one delivery a channel.
func (s *Sender) once(ctx context.Context, fence int64) error {
	now := time.Now().UTC()
	keys, err := s.Store.DueGroups(ctx, now, dueGroups)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if _, err := apply(ctx, s.Store, s.Machine(), key, Input{Now: now}); err != nil {
			return err
		}
	}
	list, err := s.Store.Claim(ctx, fence, now, s.Machine().Timing.Interval)
	if err != nil || len(list) == 0 {
		return err
	}
	results := make(chan sentinel.DeliveryResult, len(list))
	for _, d := range list {
		go func(last time.Time) {
			pause(ctx, time.Until(last.Add(channelGap)))
			results <- s.deliver(ctx, d)
		}(s.last[d.Channel])
	}
	var faults []error
	renew := time.NewTicker(renewEvery)
	defer renew.Stop()
	for left := len(list); left > 0; {
		var r sentinel.DeliveryResult
		select {
		case <-renew.C:
			_, _, _ = s.Store.Lease(ctx, s.Holder, leaseTTL) // a failure shows at Finish
			continue
		case r = <-results:
			left--
		}
		if err := s.Store.Finish(context.WithoutCancel(ctx), fence, r); err != nil {
			faults = append(faults, err)
		}
	}
	for _, d := range list {
		s.last[d.Channel] = time.Now()
	}
	return errors.Join(faults...)
}

// deliver tries one delivery once.
func (s *Sender) deliver(ctx context.Context, d sentinel.Delivery) sentinel.DeliveryResult {
	m, err := decode(d.Body)
	if err != nil {
		return sentinel.DeliveryResult{ID: d.ID, Dead: true, Fault: "the stored message cannot be read"}
	}
	channel, ok := s.Channels()[d.Channel]
	if !ok {
		return sentinel.DeliveryResult{ID: d.ID, Dead: true, Fault: "there is no such channel any more"}
	}
	out := Outgoing{Message: m, Root: d.Root, Retry: d.Attempts > 1}
	if d.Kind == sentinel.DeliverEdit && d.Root == "" {
		return sentinel.DeliveryResult{ID: d.ID, Done: true} // nothing to change: the first message never went out
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if s.Chart != nil && d.Root == "" {
		out.Chart = func(ctx context.Context) *Chart { return s.Chart(ctx, m) }
	}
	ref, err := channel.Send(ctx, out)
	if _, ok := errors.AsType[*Partly](err); ok {
		s.Log.Warn().Str("channel", d.Channel).Str("delivery", d.ID).Str("fault", Plain(err.Error(), maxText)).Msg("alert taken in part")
		s.observe(d.Channel, TakenInPart)
		return sentinel.DeliveryResult{ID: d.ID, Done: true, Ref: ref}
	}
	if err == nil {
		s.observe(d.Channel, Taken)
		return sentinel.DeliveryResult{ID: d.ID, Done: true, Ref: ref}
	}
	wait := retryAfter(err, d.Attempts)
	r := sentinel.DeliveryResult{ID: d.ID, Retry: time.Now().UTC().Add(wait), Fault: Plain(err.Error(), maxText)}
	_, r.Pause = errors.AsType[*Limited](err)
	r.Dead = time.Since(d.Created) > giveUp
	s.observe(d.Channel, map[bool]Outcome{true: GivenUp, false: Retried}[r.Dead])
	s.Log.Warn().Str("channel", d.Channel).Str("delivery", d.ID).Int("attempt", d.Attempts).Bool("given_up", r.Dead).Str("fault", r.Fault).Msg("alert not taken")
	return r
}

func (s *Sender) observe(channel string, o Outcome) {
	if s.Observe != nil {
		s.Observe(channel, o)
	}
}

// retryAfter doubles the pause, and does what the channel says.
func retryAfter(err error, attempts int) time.Duration {
	if limited, ok := errors.AsType[*Limited](err); ok {
		return min(max(limited.After, time.Second), time.Hour)
	}
	if errors.Is(err, ErrRefused) {
		return refusedWait
	}
	return min(firstRetry<<min(max(attempts-1, 0), 10), lastRetry)
}

// Record writes one event at once, for whoever has no inbox.
func Record(ctx context.Context, st Store, m *Machine, e Event) error {
	rule, ok := m.Rules[e.Rule]
	if !ok {
		return fmt.Errorf("there is no alert rule %q", e.Rule)
	}
	_, err := apply(ctx, st, m, rule.GroupKey(e.Scope), Input{Now: time.Now().UTC(), Events: []Event{e}})
	return err
}

// Answer applies a person's act to the open incidents of a group. Where none is open, what is said of an anomaly counts for the last one: people often
// know only afterwards what it was. Where the machine has no rule of that group it is sentinel.ErrNoAlert, and sentinel.ErrIncidentOver where nothing
// was changed: none is open, and the last one is over for longer than what is said of it counts, or the press is on one before it.
func Answer(ctx context.Context, st Store, m *Machine, group string, p Press) error {
	if _, ok := m.Rules[ruleOf(group)]; !ok {
		return sentinel.ErrNoAlert
	}
	changed := 0
	if !p.Ended {
		effects, err := apply(ctx, st, m, group, Input{Now: time.Now().UTC(), Presses: []Press{p}})
		if err != nil {
			return err
		}
		changed = effects.Pressed
	}
	if changed == 0 && slices.Contains([]Act{Confirm, Dismiss, Plan}, p.Act) {
		noted, err := st.NoteLast(ctx, group, pastTense[p.Act], Plain(p.By, 80))
		if err != nil {
			return fmt.Errorf("note what was said of group %s: %w", group, err)
		}
		changed = noted
	}
	if changed == 0 {
		return sentinel.ErrIncidentOver
	}
	return nil
}

// apply has the machine decide on one group, and gives what came of it.
func apply(ctx context.Context, st Store, m *Machine, key string, in Input) (effects sentinel.AlertEffects, err error) {
	rule := ruleOf(key)
	err = st.UpdateGroup(ctx, key, m.Rules[rule].InhibitedBy, func(g sentinel.AlertGroup, near []sentinel.IncidentRef) (sentinel.AlertGroup, sentinel.AlertEffects) {
		g.Rule = rule
		in.Near = near
		g, effects = m.Apply(g, in)
		return g, effects
	})
	if err != nil {
		return sentinel.AlertEffects{}, fmt.Errorf("apply alerts of group %s: %w", key, err)
	}
	return effects, nil
}
