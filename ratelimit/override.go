package ratelimit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

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
	return r.ChangeOverride(ctx, org, o.Cell, &o, nil)
}

// EndOverride takes an override back; there need not be one.
func (r *Redis) EndOverride(ctx context.Context, org, cell string) error {
	return r.ChangeOverride(ctx, org, cell, nil, nil)
}

// ChangeOverride puts an override in the place of the one that a cell has, or ends that where to is nil. allowed, where it is not nil, is asked about
// the one that is there, nil for none: nobody changes that before the new one holds. Its error is given as it is.
func (r *Redis) ChangeOverride(ctx context.Context, org, cell string, to *Override, allowed func(*Override) error) error {
	text := ""
	if to != nil {
		now := r.clock.now()
		switch {
		case cell == "" || to.Max <= 0:
			return errors.New("an override needs a cell and an amount above 0")
		case !to.Until.After(now) || to.Until.After(now.AddDate(0, longestMonths, 0)):
			return fmt.Errorf("an override ends in the future, at most %d months ahead: not at %s", longestMonths, to.Until.Format(time.RFC3339))
		}
		b, err := json.Marshal(to)
		if err != nil {
			return err
		}
		text = string(b)
	}
	for range replaceTries {
		all, texts, err := r.readOverrides(ctx, org)
		if err != nil {
			return err
		}
		if _, there := all[cell]; to != nil && !there && len(all) >= maxOverrides {
			return fmt.Errorf("%s has %d overrides: at most %d are possible", org, len(all), maxOverrides)
		}
		if allowed != nil {
			var there *Override
			if o, ok := all[cell]; ok {
				there = &o
			}
			if err := allowed(there); err != nil {
				return err
			}
		}
		done, err := r.swapOverride(ctx, org, cell, texts[cell], text).Int()
		if err != nil {
			return fmt.Errorf("override %s: %w", cell, err)
		}
		if done == 1 {
			return nil
		}
	}
	return sentinel.ErrLimitBusy
}

// swapOverride puts one text in the place of another that a cell has, empty for none, and replies 1; 0 where there is another by now.
func (r *Redis) swapOverride(ctx context.Context, org, cell, seen, text string) *redis.Cmd {
	return r.scripts.override.Run(ctx, r.client, []string{r.overridesKey(org)}, cell, seen, text)
}

// Overrides lists those that have not ended, and forgets the others.
func (r *Redis) Overrides(ctx context.Context, org string) (map[string]Override, error) {
	all, _, err := r.readOverrides(ctx, org)
	return all, err
}

// readOverrides is Overrides, with their texts.
func (r *Redis) readOverrides(ctx context.Context, org string) (all map[string]Override, texts map[string]string, err error) {
	texts, err = r.client.HGetAll(ctx, r.overridesKey(org)).Result()
	if err != nil {
		return nil, nil, fmt.Errorf("read the overrides of %s: %w", org, err)
	}
	all = map[string]Override{}
	for cell, text := range texts {
		var o Override
		if err := json.Unmarshal([]byte(text), &o); err != nil || !o.Until.After(r.clock.now()) {
			_ = r.swapOverride(ctx, org, cell, text, "").Err() // one that was renewed since stays; else it is tried again at the next look
			delete(texts, cell)
			continue
		}
		all[cell] = o
	}
	return all, texts, nil
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
		_ = r.look(read, org()) // the reading before goes on
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
