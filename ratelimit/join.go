package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Party is a process that counts in Redis, by the spool in which its records wait for the ledger.
type Party struct{ Org, Spool string }

// Round is one try to count again what Redis has lost. Every process stops for it where all of its records up to then are in the ledger and none after them,
// and says so for a moment at a time; who finds all of them stopped gives the counters back.
type Round struct {
	Known bool          // Redis has the counters: nothing is lost
	ID    int64         // becomes the memory mark: the moment since when counters are known, Unix microseconds by Redis' clock
	Lost  time.Duration // since somebody noticed
}

// PartLife is for how long Redis believes what a process said with Join.
const PartLife = 5 * time.Second

// claimLife is for how long nobody else begins to ask the ledger.
const claimLife = 15 * time.Second

// Forgot tells that Redis was found to have lost an organisation's counters. It is for one reader, and says a thing once however many calls
// were refused.
func (r *Redis) Forgot() <-chan struct{} { return r.forgot }

// CountersOf names the place in which an organisation's calls are counted: its own, or its group's.
func (r *Redis) CountersOf(org string) string { return r.shared(org) }

func (r *Redis) roundKey(org string) string { return r.shared(org) + "recount:round" }
func (r *Redis) lossKey(org string) string  { return r.shared(org) + "recount:lost" }
func (r *Redis) partKey(p Party) string     { return r.shared(p.Org) + "recount:part:" + p.Spool }

// Join tells whether Redis has the counters, and where not, takes part in the round: stopped is the one for which this process has stopped, given one that
// it will stop for no longer; both may be 0. A round that one gives up is over for all.
func (r *Redis) Join(ctx context.Context, p Party, stopped, given int64) (Round, error) {
	keys := []string{r.memoryKey(p.Org), r.roundKey(p.Org), r.lossKey(p.Org), r.partKey(p)}
	list, err := r.scripts.join.Run(ctx, r.client, keys, stopped, given, PartLife.Milliseconds()).Slice()
	if err != nil {
		return Round{}, fmt.Errorf("ask redis for its memory of %s: %w", p.Org, err)
	}
	memory, _ := list[0].(string)
	n := &numbers{list: list}
	if memory != "" {
		since := n.next()
		if n.bad {
			return Round{}, fmt.Errorf("redis' memory mark of %s is %q: remove it, and the counters are counted again", p.Org, memory)
		}
		r.lost.Store(false)
		r.local.know(since)
		return Round{Known: true}, nil
	}
	n.list = list[1:]
	round := Round{ID: n.next(), Lost: time.Duration(n.next()) * time.Millisecond}
	if n.bad {
		return Round{}, errors.New("the reply of join.lua is malformed")
	}
	r.lost.Store(true)
	return round, nil
}

// Stopped says that calls which this process lets through from now on are not counted in a round.
func (r *Redis) Stopped(round int64) { r.local.know(round) }

// Leave ends a process' part. A round for which it has stopped is over for all.
func (r *Redis) Leave(ctx context.Context, p Party, given int64) error {
	if given != 0 {
		if round, err := r.Join(ctx, p, 0, given); err != nil || round.Known {
			return err
		}
	}
	if err := r.client.Del(ctx, r.partKey(p)).Err(); err != nil {
		return fmt.Errorf("leave the round of %s: %w", p.Org, err)
	}
	return nil
}

// Absent lists the parties that take no part, and tells whether all others have stopped for the round. One whose organisation has its
// counters needs not.
func (r *Redis) Absent(ctx context.Context, org string, parties []Party, round int64) (absent []Party, stopped bool, err error) {
	keys := make([]string, 0, 2*len(parties))
	for _, p := range parties {
		keys = append(keys, r.partKey(p), r.memoryKey(p.Org))
	}
	stopped = true
	if len(keys) == 0 {
		return nil, stopped, nil
	}
	list, err := r.client.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, false, fmt.Errorf("ask redis who counts %s again: %w", org, err)
	}
	for i, p := range parties {
		part, _ := list[2*i].(string)
		_, known := list[2*i+1].(string)
		switch {
		case known:
		case part == "":
			absent = append(absent, p)
		case part != fmt.Sprint(round):
			stopped = false
		}
	}
	return absent, stopped, nil
}

// Claim tells one process at a time that it is its turn to ask the ledger.
func (r *Redis) Claim(ctx context.Context, org string, round int64) (bool, error) {
	_, err := r.client.SetArgs(ctx, r.claimKey(org, round), "1", redis.SetArgs{Mode: "NX", TTL: claimLife}).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, fmt.Errorf("claim the counting of %s: %w", org, err)
	}
	return err == nil, nil
}

// Unclaim lets the next one begin: the ledger was asked in vain.
func (r *Redis) Unclaim(ctx context.Context, org string, round int64) {
	_ = r.client.Del(ctx, r.claimKey(org, round)) // it ends by itself soon
}

func (r *Redis) claimKey(org string, round int64) string {
	return fmt.Sprintf("%srecount:claim:%d", r.prefix(org), round)
}
