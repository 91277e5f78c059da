package ratelimit

import (
	"context"
	"fmt"
	"math/big"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Raise lifts what a window has posted to what the ledger says, if it is still what was seen: of several processes that saw
// the same, one does it. It never lowers, and what a reset forgave stays forgiven.
func (r *Redis) Raise(ctx context.Context, org string, seen Use, to int64) (done bool, err error) {
	if to -= seen.Forgiven; to <= seen.Posted {
		return false, nil
	}
	done, _, err = r.replace(ctx, org, seen.Limit, false, func(posted *big.Int) *big.Int {
		if !posted.IsInt64() || posted.Int64() != seen.Posted {
			return nil
		}
		return big.NewInt(to)
	})
	if err != nil {
		return false, fmt.Errorf("raise %s to %d: %w", seen.Limit.Cell, to, err)
	}
	return done, nil
}

// replace corrects what a cell has posted, by optimistic tries; next gives nil to leave it as it is. To forgive keeps in mind
// what is taken off, and warns anew. It also says what was posted before.
func (r *Redis) replace(ctx context.Context, org string, l sentinel.Limit, forgive bool, next func(posted *big.Int) *big.Int) (done bool, before *big.Int, err error) {
	key := r.place(org, keyOf(l))
	for range replaceTries {
		seen, err := r.client.HMGet(ctx, key, "u", "s", "a").Result()
		if err != nil {
			return false, nil, err
		}
		usedText, used, ok1 := counted(seen[0])
		postedText, posted, ok2 := counted(seen[1])
		_, forgiven, ok3 := counted(seen[2])
		if !ok1 || !ok2 || !ok3 {
			return false, nil, fmt.Errorf("the cell holds %q, which are not all numbers", seen)
		}
		to := next(posted)
		if to == nil || to.Cmp(posted) == 0 {
			return false, posted, nil
		}
		used.Add(used, to).Sub(used, posted)
		if used.Cmp(to) < 0 {
			used.Set(to)
		}
		total := ""
		if forgive {
			total = forgiven.Add(forgiven, posted).String()
		}
		n, err := r.scripts.replace.Run(ctx, r.client, []string{key, r.memoryKey(org)}, usedText, postedText, used.String(), to.String(), total, l.End.UnixMilli()).Int()
		if err != nil {
			return false, posted, err
		}
		if n == 1 {
			return true, posted, nil
		}
	}
	return false, nil, sentinel.ErrLimitBusy
}

// counted reads a field of a cell; one that is absent counts nothing.
func counted(field any) (text string, n *big.Int, ok bool) {
	if text, ok = field.(string); !ok {
		text = "0"
	}
	n, ok = new(big.Int).SetString(text, 10)
	return text, n, ok
}
