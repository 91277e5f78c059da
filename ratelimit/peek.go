package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"time"

	"github.com/redis/go-redis/v9"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Use is what a limit counts at one moment, in its measure.
type Use struct {
	Limit    sentinel.Limit
	Used     int64 // counted against the limit: Posted + Held + Orphaned; of a rate, what is not free now
	Posted   int64 // settled (Window only)
	Held     int64 // by calls in flight
	Carried  int64 // taken over from the window before, on top of the limit (Window only)
	Forgiven int64 // by resets: posted, and taken off again (Window only)
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
	keys, args := append(make([]string, 0, 1+len(limits)), r.memoryKey(org)), append(make([]any, 0, 1+3*len(limits)), r.begins)
	for _, l := range limits {
		keys = append(keys, r.place(org, keyOf(l)))
		args = append(args, string(kindOf(l.Kind)), periodOf(l), l.Max)
	}
	reply, err := r.run(ctx, r.scripts.peek, keys, args)
	if err != nil {
		return nil, fmt.Errorf("look at limits of %s: %w", org, err)
	}
	list, _ := reply.([]any)
	if len(list) == 0 {
		return nil, fmt.Errorf("look at limits of %s: %w", org, ErrForgotten)
	}
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
		switch kind {
		case "c":
			u.Orphaned += amount
		case "a":
			u.Forgiven = amount
		case "r":
			u.Carried = amount
		default:
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

// Peek is as Redis.Peek.
func (m *Model) Peek(_ context.Context, org string, limits []sentinel.Limit) ([]Use, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	out := make([]Use, len(limits))
	for i, l := range limits {
		c := m.cells[cellAt(org, keyOf(l))]
		if c == nil || !c.until.After(now) {
			c = &cell{}
		}
		out[i] = c.use(l, now)
	}
	return out, nil
}

// use sums a cell as peek.lua does.
func (c *cell) use(l sentinel.Limit, now time.Time) Use {
	if l.Kind == sentinel.Rate {
		ahead := max(0, c.rate.ahead(now.UnixMicro()))
		product := ahead * float64(l.Max) // a statement of its own: no fused multiply-add, as in Lua
		return Use{Limit: l, Used: int64(math.Ceil(product/float64(periodOf(l)) - 0.000001))}
	}
	orphaned, bucket := sum{}, now.UnixMilli()/bucketMS
	for _, p := range c.pending {
		if p.charge && p.bucket < bucket {
			orphaned = orphaned.and(p.amount)
		}
	}
	u := Use{Limit: l, Used: c.used(bucket).int64(), Posted: c.posted.int64(), Carried: c.over, Orphaned: orphaned.int64()}
	u.Held = max(0, u.Used-u.Posted-u.Orphaned)
	return u
}

// replaceTries bounds how often a correction begins again because calls settled in between.
const replaceTries = 32

// Reset forgives what a limit's current window has posted, or what a rate counts, and says how much that was. Holds
// of calls in flight stay counted.
func (r *Redis) Reset(ctx context.Context, org string, l sentinel.Limit) (forgiven string, err error) {
	if l.Kind == sentinel.Rate {
		if err := r.client.Del(ctx, r.place(org, keyOf(l))).Err(); err != nil {
			return "", fmt.Errorf("reset %s: %w", l.Cell, err)
		}
		return "0", nil
	}
	_, before, err := r.replace(ctx, org, l, true, func(*big.Int) *big.Int { return new(big.Int) })
	if err != nil {
		return "", fmt.Errorf("reset %s: %w", l.Cell, err)
	}
	return before.String(), nil
}

// Now is Redis' clock, the only one that limits are counted by: on a Cluster that of the server that has the organisation's counters.
func (r *Redis) Now(ctx context.Context, org string) (time.Time, error) {
	var client redis.Cmdable = r.client
	if cluster, ok := r.client.(*redis.ClusterClient); ok {
		master, err := cluster.MasterForKey(ctx, r.memoryKey(org))
		if err != nil {
			return time.Time{}, fmt.Errorf("redis time: %w", err)
		}
		client = master
	}
	now, err := client.Time(ctx).Result()
	if err != nil {
		return now, fmt.Errorf("redis time: %w", err)
	}
	return now, nil
}
