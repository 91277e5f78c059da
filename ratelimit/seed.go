package ratelimit

import (
	"context"
	"fmt"
	"math/big"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Seed is what a window has posted by the ledger.
type Seed struct {
	Limit  sentinel.Limit
	Posted int64
}

// maxSeeds bounds the counters that one organisation gets back in one script.
const maxSeeds = 1 << 16

// Forgot tells that an admission was refused because Redis has lost an organisation's counters: Seed brings them back.
// It is for one reader, and says a thing once however many calls were refused.
func (r *Redis) Forgot() <-chan struct{} { return r.forgot }

// Knows tells whether Redis has an organisation's counters, and since when; two different answers say that it lost
// them in between.
func (r *Redis) Knows(ctx context.Context, org string) (since string, err error) {
	list, err := r.client.MGet(ctx, r.memoryKey(org)).Result()
	if err != nil {
		return "", fmt.Errorf("ask redis for its memory of %s: %w", org, err)
	}
	since, _ = list[0].(string)
	return since, nil
}

// Seed gives a forgotten organisation its counters back. It sets only what is absent, and only where nobody was
// faster: first is false then. Cells that are not named begin at nothing.
func (r *Redis) Seed(ctx context.Context, org string, seeds []Seed) (first bool, err error) {
	if len(seeds) > maxSeeds {
		return false, fmt.Errorf("seed %d counters of %s: at most %d are possible", len(seeds), org, maxSeeds)
	}
	keys, args := []string{r.memoryKey(org)}, make([]any, 0, 3*len(seeds))
	for _, s := range seeds {
		keys = append(keys, r.place(org, keyOf(s.Limit)))
		args = append(args, s.Posted, s.Limit.End.UnixMilli(), warnedOf(s))
	}
	n, err := r.scripts.seed.Run(ctx, r.client, keys, args...).Int()
	if err != nil {
		return false, fmt.Errorf("seed %d counters of %s: %w", len(seeds), org, err)
	}
	return n == 1, nil
}

// warnedOf is the highest share that a window's posted amount has reached: it was reported before Redis forgot.
func warnedOf(s Seed) int64 {
	top := int64(0)
	for _, share := range s.Limit.WarnAt {
		if s.Posted >= threshold(s.Limit.Max, share) {
			top = max(top, share)
		}
	}
	return top
}

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
		n, err := r.scripts.replace.Run(ctx, r.client, []string{key}, usedText, postedText, used.String(), to.String(), total, l.End.UnixMilli()).Int()
		if err != nil {
			return false, posted, err
		}
		if n == 1 {
			return true, posted, nil
		}
	}
	return false, nil, ErrBusy
}

// counted reads a field of a cell; one that is absent counts nothing.
func counted(field any) (text string, n *big.Int, ok bool) {
	if text, ok = field.(string); !ok {
		text = "0"
	}
	n, ok = new(big.Int).SetString(text, 10)
	return text, n, ok
}
