package ratelimit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Override is a limit's other amount for a time.
type Override struct {
	Cell  string    `json:"cell"`
	Max   int64     `json:"max"` // in the limit's measure
	Until time.Time `json:"until"`
	By    string    `json:"by"`  // who set it
	Why   string    `json:"why"` // for those who find it
}

// Bounds of overrides: how many an organisation has at once, and for how long one holds.
const (
	maxOverrides   = 1000
	longestMonths  = 13
	overridesEvery = time.Second // how often a process reads them
)

func (r *Redis) overridesKey(org string) string { return r.prefix(org) + "overrides" }

// SetOverride gives a cell another amount until a time; every process uses it within about a second.
func (r *Redis) SetOverride(ctx context.Context, org string, o Override) error {
	now := time.Now()
	switch {
	case o.Cell == "" || o.Max <= 0:
		return errors.New("an override needs a cell and an amount above 0")
	case !o.Until.After(now) || o.Until.After(now.AddDate(0, longestMonths, 0)):
		return fmt.Errorf("an override ends in the future, at most %d months ahead: not at %s", longestMonths, o.Until.Format(time.RFC3339))
	}
	old, err := r.Overrides(ctx, org)
	if err != nil {
		return err
	}
	if len(old) >= maxOverrides {
		return fmt.Errorf("%s has %d overrides: at most %d are possible", org, len(old), maxOverrides)
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := r.client.HSet(ctx, r.overridesKey(org), o.Cell, text).Err(); err != nil {
		return fmt.Errorf("override %s: %w", o.Cell, err)
	}
	return nil
}

// EndOverride takes an override back; there need not be one.
func (r *Redis) EndOverride(ctx context.Context, org, cell string) error {
	if err := r.client.HDel(ctx, r.overridesKey(org), cell).Err(); err != nil {
		return fmt.Errorf("end the override of %s: %w", cell, err)
	}
	return nil
}

// Overrides lists those that have not ended, and forgets the others.
func (r *Redis) Overrides(ctx context.Context, org string) (map[string]Override, error) {
	all, err := r.client.HGetAll(ctx, r.overridesKey(org)).Result()
	if err != nil {
		return nil, fmt.Errorf("read the overrides of %s: %w", org, err)
	}
	out := map[string]Override{}
	for cell, text := range all {
		var o Override
		if err := json.Unmarshal([]byte(text), &o); err != nil || !o.Until.After(time.Now()) {
			_ = r.client.HDel(ctx, r.overridesKey(org), cell).Err() // it is tried again at the next look
			continue
		}
		out[cell] = o
	}
	return out, nil
}

// Watch keeps the overrides and the pauses of an organisation current until ctx ends. While Redis cannot be reached the last known ones hold.
func (r *Redis) Watch(ctx context.Context, org func() string) error {
	tick := time.NewTicker(overridesEvery)
	defer tick.Stop()
	for {
		read, cancel := context.WithTimeout(ctx, overridesEvery)
		if all, err := r.Overrides(read, org()); err == nil {
			r.overrides.Store(&all)
		}
		r.Hear(read, org())
		cancel()
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return nil
			case p := <-r.pauses.news:
				r.tell(ctx, org(), p)
			case <-tick.C:
				waiting = false
			}
		}
	}
}

// overridden gives an ask with the amounts that hold now. An override applies from the moment it is known to its end, to the
// millisecond, and never touches the ask that it was given.
func (r *Redis) overridden(a sentinel.Ask, now time.Time) sentinel.Ask {
	all := r.overrides.Load()
	if all == nil || len(*all) == 0 {
		return a
	}
	changed := func(list []sentinel.Candidate) []sentinel.Candidate {
		list = slices.Clone(list)
		for i := range list {
			c := &list[i]
			c.Limits = slices.Clone(c.Limits)
			for j := range c.Limits {
				if o, ok := (*all)[c.Limits[j].Cell]; ok && now.Before(o.Until) {
					c.Limits[j].Max = o.Max
				}
			}
		}
		return list
	}
	out := a
	out.Candidates, out.Shadows = changed(a.Candidates), slices.Clone(a.Shadows)
	for i := range out.Shadows {
		out.Shadows[i] = changed(out.Shadows[i])
	}
	return out
}
