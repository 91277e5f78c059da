package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Chosen indices of a reply that are not a candidate's.
const (
	noneFits = -1
	noMemory = -2 // the organisation's counters are gone
)

// Reserve holds the first candidate whose limits all fit, or none. The same call id again gives
// the same reservation without a second hold. A reply that does not come leaves no hold behind: Resolve gives it back.
func (r *Redis) Reserve(ctx context.Context, a sentinel.Ask) (sentinel.Reservation, error) {
	now := time.Now()
	a = r.overridden(a, r.clock.now())
	if out, ok := r.denials.refuse(a, now); ok {
		return out, nil
	}
	out, err := r.reserve(ctx, a)
	switch {
	case err == nil:
		r.denials.remember(a, out, now)
		r.local.see(a, out, now)
	case errors.Is(err, ErrUnavailable) && !errors.Is(err, errResting) && !errors.Is(err, ErrForgotten):
		r.wonder(doubt{ask: &a})
	}
	return out, err
}

func (r *Redis) reserve(ctx context.Context, a sentinel.Ask) (sentinel.Reservation, error) {
	keys, args := r.admitArguments(a)
	reply, err := r.run(ctx, r.scripts.admit, keys, args)
	if err != nil {
		return sentinel.Reservation{}, fmt.Errorf("reserve for call %s: %w", a.Call, err)
	}
	out, err := readReservation(a, reply)
	r.remembers(err)
	if err != nil {
		return sentinel.Reservation{}, fmt.Errorf("reserve for call %s: %w", a.Call, err)
	}
	return out, nil
}

// remembers notes whether Redis has an organisation's counters.
func (r *Redis) remembers(err error) {
	r.lost.Store(errors.Is(err, ErrForgotten))
	if !errors.Is(err, ErrForgotten) {
		return
	}
	select {
	case r.forgot <- struct{}{}:
	default: // it is known
	}
}

// admitArguments lays an ask out as admit.lua reads it.
func (r *Redis) admitArguments(a sentinel.Ask) (keys []string, args []any) {
	keys = []string{r.recordKey(a.Org, a.Call), r.memoryKey(a.Org)}
	index := map[string]int{}
	at := func(cell string) int {
		key := r.place(a.Org, cell)
		if index[key] == 0 {
			keys = append(keys, key)
			index[key] = len(keys)
		}
		return index[key]
	}
	list := func(candidates []sentinel.Candidate) {
		args = append(args, len(candidates))
		for i := range candidates {
			c := &candidates[i]
			args = append(args, countOf(c))
			for i := range c.Limits {
				l := &c.Limits[i]
				what := lettersOf(l)
				if place := at(keyOf(*l)); place != i+firstCell || l.Rollover > 0 {
					what += " " + strconv.Itoa(place)
				}
				if l.Rollover > 0 {
					what = fmt.Sprintf("%s %d %d %d %d", what, at(keyOf(before(*l))), sentinel.ShareOf(l.Max, l.Rollover), keptFor(*l).Milliseconds(), l.Max)
				}
				args = append(args, what, mostOf(l), spanOf(l), amountOf(c, l.Measure))
			}
		}
	}
	args = append(args, a.TTL.Milliseconds(), r.begins, len(a.Shadows))
	list(a.Candidates)
	for _, candidates := range a.Shadows {
		list(candidates)
	}
	return keys, args
}

// firstCell is the place among a script's keys of the first limit's cell, from 1: the call's record and the memory mark stand before it.
const firstCell = 3

// lettersOf says a limit's kind, how it is held (void or charged when it expires, or not at all), whether it is soft, and whether a first
// refusal is to be reported.
func lettersOf(l *sentinel.Limit) string {
	held := flag(l.Charge)
	if l.Look {
		held = "-"
	}
	return string(kindOf(l.Kind)) + held + flag(l.Soft) + flag(warnsFull(l))
}

// spanOf is a rate's period in microseconds, and of others the end in Unix milliseconds.
func spanOf(l *sentinel.Limit) int64 {
	if l.Kind == sentinel.Rate {
		return periodOf(*l)
	}
	return l.End.UnixMilli()
}

// countOf is a candidate's number of limits, and how far its answer may be cut.
func countOf(c *sentinel.Candidate) any {
	if c.Cut.Most == 0 {
		return len(c.Limits)
	}
	return fmt.Sprintf("%d %d %d", len(c.Limits), c.Cut.Least, c.Cut.Most)
}

// amountOf is what a candidate takes of a measure, and how that falls with a shorter answer.
func amountOf(c *sentinel.Candidate, m sentinel.Measure) any {
	if c.Cut.Most == 0 {
		return c.Bound[m]
	}
	return fmt.Sprintf("%d %d %d", c.Bound[m], c.Cut.Base[m], c.Cut.Step[m])
}

// mostOf is a limit's amount: of a rate with what its call must leave beside it, of others without that.
func mostOf(l *sentinel.Limit) any {
	kept := l.Kept()
	if l.Kind == sentinel.Rate && kept > 0 {
		return fmt.Sprintf("%d %d", l.Max, kept)
	}
	return l.Max - kept
}

// before is the window before a limit's.
func before(l sentinel.Limit) sentinel.Limit {
	l.Start = l.Before
	return l
}

// keptFor is how long a window's counter outlives it: one that carries over is needed at the first call of the next.
func keptFor(l sentinel.Limit) time.Duration {
	if l.Rollover == 0 {
		return windowKept
	}
	return windowKept + l.End.Sub(l.Start)
}

// warnsFull tells whether a first refusal is to be reported. A call that must leave a part is refused before the budget is spent.
func warnsFull(l *sentinel.Limit) bool {
	if l.Spare > 0 {
		return false
	}
	for _, share := range l.WarnAt {
		if share == sentinel.FullShare {
			return true
		}
	}
	return false
}

// numbers walks a script's reply of integers and integer texts.
type numbers struct {
	list []any
	bad  bool
}

func (n *numbers) next() int64 {
	if len(n.list) == 0 {
		n.bad = true
		return 0
	}
	first := n.list[0]
	n.list = n.list[1:]
	switch v := first.(type) {
	case int64:
		return v
	case string:
		i, err := strconv.ParseInt(v, 10, 64)
		switch {
		case errors.Is(err, strconv.ErrRange): // soft budgets may be overspent without end
			return math.MaxInt64
		case err == nil:
			return i
		}
	}
	n.bad = true
	return 0
}

// times bounds a count that a reply announces.
func (n *numbers) times(most int) int64 {
	if c := n.next(); c >= 0 && c <= int64(most) {
		return c
	}
	n.bad = true
	return 0
}

func readReservation(a sentinel.Ask, reply any) (sentinel.Reservation, error) {
	list, _ := reply.([]any)
	n := &numbers{list: list}
	var out sentinel.Reservation
	out.Chosen, out.Tokens = choiceOf(n.next())
	if out.Chosen == noMemory {
		return sentinel.Reservation{}, ErrForgotten
	}
	if out.Chosen < noneFits || out.Chosen >= len(a.Candidates) {
		return out, errors.New("it was held for another ask")
	}
	a.Candidates = shortened(a.Candidates, out.Chosen, out.Tokens)
	subject := a.Candidates[max(out.Chosen, 0)]
	hold := receipt{bucket: n.next(), at: n.next()}
	same := hold.add(a.Candidates, out.Chosen, n.marks(), 0)
	shadows := n.times(len(a.Shadows))
	for i := range shadows {
		var s sentinel.Reservation
		s.Chosen, s.Tokens = choiceOf(n.next())
		if s.Chosen < noneFits || s.Chosen >= len(a.Shadows[i]) {
			return out, errors.New("it was held for another ask")
		}
		out.Shadows = append(out.Shadows, s)
		if marks := n.marks(); out.Chosen >= 0 {
			same = hold.add(shortened(a.Shadows[i], s.Chosen, s.Tokens), s.Chosen, marks, int(i)+1) && same
		}
	}
	out.Denials = n.denials(a.Candidates, func(d sentinel.Denial) {
		if l := d.Limit; n.next() == 1 {
			out.Crossed = append(out.Crossed, sentinel.Crossing{Cell: l.Cell, Start: l.Start, Share: sentinel.FullShare, Posted: l.Max - d.Remaining, Max: l.Max})
		}
	})
	for i := range n.times(len(subject.Limits)) {
		out.Levels = append(out.Levels, sentinel.Level{Limit: &subject.Limits[i], Remaining: n.next(), Reset: micros(n.next())})
	}
	for i := range shadows {
		out.Shadows[i].Denials = n.denials(a.Shadows[i], func(sentinel.Denial) {})
	}
	switch {
	case n.bad:
		return out, errors.New("the script's reply is malformed")
	case !same || int(shadows) != len(a.Shadows):
		return out, errors.New("it was held for another ask")
	case out.Chosen >= 0:
		out.Hold = hold.encode()
	}
	return out, nil
}

// choiceOf reads which candidate was chosen, and to how many tokens its answer was cut.
func choiceOf(code int64) (chosen int, tokens int64) {
	const most = 16 // candidates
	if code < 0 {
		return int(code), 0
	}
	return int(code % most), code / most
}

// shortened gives candidates of which the chosen one has the bound of a shorter answer.
func shortened(list []sentinel.Candidate, chosen int, tokens int64) []sentinel.Candidate {
	if tokens == 0 {
		return list
	}
	list = slices.Clone(list)
	list[chosen].Bound = list[chosen].Cut.At(tokens)
	return list
}

// marks reads the marks of a hold.
func (n *numbers) marks() []int64 {
	var marks []int64
	for range n.times(maxHeld) {
		marks = append(marks, n.next())
	}
	return marks
}

// denials reads what kept candidates away; each reads what follows a denial.
func (n *numbers) denials(of []sentinel.Candidate, each func(sentinel.Denial)) (out []sentinel.Denial) {
	for range n.times(len(of)) {
		c, i, remaining, wait := n.next(), n.next(), n.next(), n.next()
		if c < 0 || int(c) >= len(of) || i < 0 || int(i) >= len(of[c].Limits) {
			n.bad = true
			return out
		}
		d := sentinel.Denial{Limit: &of[c].Limits[i], Remaining: remaining, RetryAfter: micros(wait)}
		out = append(out, d)
		each(d)
	}
	return out
}

func micros(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

// Settle ends a reservation. It resolves at most once: a second settlement is a duplicate and
// changes nothing; one that comes after the hold has expired still posts what the call took. One that fails
// because Redis is away is repeated by Resolve.
func (r *Redis) Settle(ctx context.Context, s sentinel.Settlement) (sentinel.Settled, error) {
	out, err := r.settle(ctx, s)
	r.local.ended(s.Call, err == nil)
	if errors.Is(err, ErrUnavailable) {
		r.wonder(doubt{settle: &s})
	}
	return out, err
}

func (r *Redis) settle(ctx context.Context, s sentinel.Settlement) (sentinel.Settled, error) {
	hold, err := decodeHold(s.Hold)
	if err != nil {
		return sentinel.Settled{}, fmt.Errorf("settle call %s: %w", s.Call, err)
	}
	keys, args := r.settleArguments(s, hold)
	reply, err := r.run(ctx, r.scripts.settle, keys, args)
	if err != nil {
		return sentinel.Settled{}, fmt.Errorf("settle call %s: %w", s.Call, err)
	}
	list, _ := reply.([]any)
	n := &numbers{list: list}
	done := n.next()
	if done == noMemory {
		r.remembers(ErrForgotten)
		return sentinel.Settled{}, fmt.Errorf("settle call %s: %w", s.Call, ErrForgotten)
	}
	if n.bad || done == 0 {
		return sentinel.Settled{Duplicate: true}, nil
	}
	out := sentinel.Settled{UnderReserved: underReserved(hold, s.Actual)}
	if out.UnderReserved {
		r.exceeded.Add(1)
	}
	for len(n.list) > 0 && !n.bad {
		i, share, posted := n.next(), n.next(), n.next()
		if !n.bad && i >= 0 && int(i) < len(hold.held) {
			out.Crossed = append(out.Crossed, hold.held[i].crossing(share, posted))
		}
	}
	return out, nil
}

// UnderReserved counts the calls that used more than was held for them, and were posted in full.
func (r *Redis) UnderReserved() int64 { return r.exceeded.Load() }

func underReserved(r receipt, actual sentinel.Amounts) bool {
	for _, h := range r.held {
		if h.shadow == 0 && actual[h.measure] > h.amount {
			return true
		}
	}
	return false
}

// settleArguments lays a settlement out as settle.lua reads it.
func (r *Redis) settleArguments(s sentinel.Settlement, hold receipt) (keys []string, args []any) {
	keys = []string{r.recordKey(s.Org, s.Call), r.memoryKey(s.Org)}
	if hold.at == localAt { // Redis may hold the call, too, where only its reply was lost: that hold is given back under its own record
		keys[0] += localRecord
	}
	args = []any{hold.bucket, hold.at, r.begins}
	for _, h := range hold.held {
		keys = append(keys, r.place(s.Org, h.key))
		args = append(args, string(h.kind)+flag(h.charge), h.amount, h.actual(s), h.rest())
	}
	return keys, args
}

func (r *Redis) recordKey(org string, call sentinel.CallID) string {
	return r.prefix(org) + "call:" + call.String()
}

// memoryKey is the key whose absence says that Redis has forgotten an organisation's counters. It holds since when they are known.
func (r *Redis) memoryKey(org string) string { return r.prefix(org) + "memory" }
