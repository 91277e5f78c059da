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

// Open is a call in flight, by the ledger. Of another organisation that shares limits its part in those counts.
type Open struct {
	Org  string
	Call sentinel.CallID
	Hold sentinel.Hold
}

// Recount is what Redis gets back.
type Recount struct {
	Round   int64   // in which the parties stopped
	Parties []Party // that have to be stopped still when it is done
	Windows []Seed
	Open    []Open
}

// maxSeeds bounds the counters and calls that one organisation gets back in one script.
const maxSeeds = 1 << 16

// Seed gives a forgotten organisation its counters and the holds of its calls in flight back, in the round in which all parties have stopped.
// Of several that do it one is first. Cells that are not named begin at nothing.
func (r *Redis) Seed(ctx context.Context, org string, c Recount) (first bool, err error) {
	cells, records, err := r.restored(org, c)
	if err != nil {
		return false, fmt.Errorf("seed %s: %w", org, err)
	}
	if n := len(cells) + len(records); n > maxSeeds {
		return false, fmt.Errorf("seed %d counters and calls of %s: at most %d are possible", n, org, maxSeeds)
	}
	keys := []string{r.memoryKey(org), r.roundKey(org), r.lossKey(org)}
	args := []any{c.Round, len(c.Parties), len(cells)}
	for _, p := range c.Parties {
		keys = append(keys, r.partKey(p), r.memoryKey(p.Org))
	}
	for _, cell := range cells {
		keys, args = append(keys, cell.key), cell.arguments(args)
	}
	for _, record := range records {
		keys, args = append(keys, record.key), append(args, record.text, record.lifeMS)
	}
	n, err := r.scripts.seed.Run(ctx, r.client, keys, args...).Int()
	if err != nil {
		return false, fmt.Errorf("seed %d counters of %s: %w", len(cells), org, err)
	}
	return n == 1, nil
}

// text is the sum as Redis has it.
func (s sum) text() string {
	n := new(big.Int).SetUint64(s.high)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(s.low)).String()
}

// restored lays out what comes back: cells by what the ledger has posted and what is in flight, and the records of calls in flight.
func (r *Redis) restored(org string, c Recount) ([]*restoredCell, []restoredRecord, error) {
	all := restoration{at: map[string]*restoredCell{}}
	for _, s := range c.Windows {
		key := keyOf(s.Limit)
		cell := all.cell(r.place(org, key), isAcross(key))
		cell.window, cell.endMS, cell.untilMS = true, s.Limit.End.UnixMilli(), s.Limit.End.Add(windowKept).UnixMilli()
		cell.posted, cell.used, cell.warned = sum{}.plus(s.Posted), sum{}.plus(s.Posted), warnedOf(s)
	}
	var records []restoredRecord
	for _, o := range c.Open {
		hold, err := decodeHold(o.Hold)
		if err != nil {
			return nil, nil, fmt.Errorf("call %s in flight: %w", o.Call, err)
		}
		for _, h := range hold.held {
			if across := isAcross(h.key); h.kind != 'R' && (across || o.Org == org) {
				all.cell(r.place(o.Org, h.key), across).hold(hold.bucket, hold.at, h)
			}
		}
		if o.Org == org {
			records = append(records, r.restoredRecord(o, hold))
		}
	}
	return all.list, records, nil
}

// restoration collects cells in the order in which they are met.
type restoration struct {
	at   map[string]*restoredCell
	list []*restoredCell
}

func (a *restoration) cell(key string, across bool) *restoredCell {
	c := a.at[key]
	if c == nil {
		c = &restoredCell{key: key, across: across, held: map[string]sum{}}
		a.at[key] = c
		a.list = append(a.list, c)
	}
	return c
}

// restoredCell is a counter as seed.lua writes it.
type restoredCell struct {
	key            string
	across, window bool
	endMS, untilMS int64
	used, posted   sum
	warned         int64
	oldest         int64 // bucket; 0 for none
	held           map[string]sum
}

// hold adds a call's part. Of a window that the ledger does not name what is posted is nothing.
func (c *restoredCell) hold(bucket, at int64, h held) {
	if h.amount == 0 {
		return
	}
	field := "v"
	if h.charge {
		field = "c"
	}
	field = fmt.Sprintf("%s%d", field, bucket)
	c.used, c.held[field] = c.used.plus(h.amount), c.held[field].plus(h.amount)
	if c.oldest == 0 || bucket < c.oldest {
		c.oldest = bucket
	}
	if h.kind == 'W' {
		c.window, c.endMS, c.untilMS = true, h.endMS, h.endMS+windowKept.Milliseconds()
		return
	}
	dies := (bucket + 2) * bucketMS
	if at == localAt { // then it is no bucket
		dies = bucket/1000 + recordFor.Milliseconds()
	}
	c.untilMS = max(c.untilMS, dies)
	c.endMS = c.untilMS
}

// arguments lays a cell out as seed.lua reads it.
func (c *restoredCell) arguments(args []any) []any {
	posted, oldest := any(""), any("")
	if c.window {
		posted = c.posted.text()
	}
	if c.oldest > 0 {
		oldest = c.oldest
	}
	args = append(args, c.endMS, c.untilMS, c.used.text(), posted, c.warned, oldest, flag(c.across), 2*len(c.held))
	for field, amount := range c.held {
		args = append(args, field, amount.text())
	}
	return args
}

// restoredRecord is a call's right to be settled.
type restoredRecord struct {
	key, text string
	lifeMS    int64
}

// restoredRecord has of the admission's reply what a settlement compares; no admission repeats a call that is in flight.
func (r *Redis) restoredRecord(o Open, hold receipt) restoredRecord {
	record := restoredRecord{key: r.recordKey(o.Org, o.Call), text: fmt.Sprintf("0 %d %d 0 0", hold.bucket, hold.at), lifeMS: recordFor.Milliseconds()}
	if hold.at == localAt {
		record.key += localRecord
	}
	return record
}

// localRecord ends the key of a call's record that was let through without Redis.
const localRecord = ":local"

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
