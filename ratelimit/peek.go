package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Use is what a limit counts at one moment, in its measure.
type Use struct {
	Limit    sentinel.Limit
	Used     int64 // counted against the limit: Posted + Held + Orphaned; of a rate, what is not free now
	Posted   int64 // settled (Window only)
	Held     int64 // by calls in flight
	Orphaned int64 // holds that died unsettled and stay charged (Window only)
}

// maxPeek bounds the cells of one look.
const maxPeek = 4096

// Peek looks at limits of an organisation without touching them, all at one moment.
func (r *Redis) Peek(ctx context.Context, org string, limits []sentinel.Limit) ([]Use, error) {
	if len(limits) > maxPeek {
		return nil, fmt.Errorf("look at %d limits: at most %d at once", len(limits), maxPeek)
	}
	if len(limits) == 0 {
		return nil, nil
	}
	keys, args := make([]string, 0, len(limits)), make([]any, 0, 3*len(limits))
	for _, l := range limits {
		keys = append(keys, prefix(org)+keyOf(l))
		args = append(args, string(kindOf(l.Kind)), periodOf(l), l.Max)
	}
	reply, err := r.run(ctx, r.scripts.peek, keys, args)
	if err != nil {
		return nil, fmt.Errorf("look at limits of %s: %w", org, err)
	}
	list, _ := reply.([]any)
	if len(list) != len(limits) {
		return nil, fmt.Errorf("look at limits of %s: the script's reply is malformed", org)
	}
	out := make([]Use, len(limits))
	for i, one := range list {
		if out[i], err = readUse(limits[i], one); err != nil {
			return nil, fmt.Errorf("look at limit %s: %w", limits[i].Cell, err)
		}
	}
	return out, nil
}

// readUse reads one cell's part of the reply. Void holds that died are still in the cell's sum: they are taken off here.
func readUse(l sentinel.Limit, reply any) (Use, error) {
	list, _ := reply.([]any)
	n := &numbers{list: list}
	u := Use{Limit: l, Used: n.next(), Posted: n.next()}
	for len(n.list) > 1 && !n.bad {
		kind, _ := n.list[0].(string)
		n.list = n.list[1:]
		amount := n.next()
		if kind == "c" {
			u.Orphaned += amount
		} else {
			u.Used -= amount
		}
	}
	if n.bad {
		return u, errors.New("the script's reply is malformed")
	}
	if l.Kind != sentinel.Rate {
		u.Held = max(0, u.Used-u.Posted-u.Orphaned)
	}
	return u, nil
}

// ErrBusy says that a counter changed while it was to be reset. Trying again helps.
var ErrBusy = errors.New("the counter is in use")

// resetTries bounds how often a reset begins again because calls settled in between.
const resetTries = 32

// Reset forgives what a limit's current window has posted, or what a rate counts, and says how much that was. Holds
// of calls in flight stay counted.
func (r *Redis) Reset(ctx context.Context, org string, l sentinel.Limit) (forgiven string, err error) {
	key := prefix(org) + keyOf(l)
	if l.Kind == sentinel.Rate {
		if err := r.client.Del(ctx, key).Err(); err != nil {
			return "", fmt.Errorf("reset %s: %w", l.Cell, err)
		}
		return "0", nil
	}
	for range resetTries {
		seen, err := r.client.HMGet(ctx, key, "u", "s").Result()
		if err != nil {
			return "", fmt.Errorf("reset %s: %w", l.Cell, err)
		}
		used, _ := seen[0].(string)
		posted, _ := seen[1].(string)
		rest, ok := less(used, posted)
		if !ok { // nothing was ever posted
			return "0", nil
		}
		done, err := r.scripts.reset.Run(ctx, r.client, []string{key}, used, posted, rest).Int()
		if err != nil {
			return "", fmt.Errorf("reset %s: %w", l.Cell, err)
		}
		if done == 1 {
			return posted, nil
		}
	}
	return "", fmt.Errorf("reset %s: %w", l.Cell, ErrBusy)
}

// less is used − posted; counters of soft budgets can be larger than an int64.
func less(used, posted string) (string, bool) {
	u, ok1 := new(big.Int).SetString(used, 10)
	p, ok2 := new(big.Int).SetString(posted, 10)
	if !ok1 || !ok2 {
		return "", false
	}
	if u.Sub(u, p).Sign() < 0 {
		u.SetInt64(0)
	}
	return u.String(), true
}
