package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/saas-sentinel/saas-sentinel/store"
)

const (
	// settledAfter is how long ago an hour is over whose sums are kept, and oldAfter a day: calls are booked within minutes, so only a spool that waited for the
	// database and what the reconciler finds still change them. Days are apart, because hours are asked for again whenever one more is over.
	settledAfter, oldAfter = 3 * time.Hour, 36 * time.Hour
	keptSpan               = 3 * time.Hour    // of an answer at least: shorter ones cost little
	pastFresh              = time.Minute      // for which a kept answer is as good as a new one
	pastUsable             = 15 * time.Minute // for which it is given while a new one is on its way
	pastTimeout            = 30 * time.Second // for which a new one is waited
	pastRows               = 100_000          // kept at most, of all answers together
)

// pastSums keeps sums of hours that are over: every page asks for them again whenever a call is booked, and they are most of what is read for it.
type pastSums struct {
	mu    sync.Mutex
	kept  map[string]*pastSum
	rows  int
	asked singleflight.Group
}

type pastSum struct {
	rows     []store.UsageRow
	at, used time.Time
}

// keepable tells whether an answer to q can be kept.
func (*pastSums) keepable(q store.UsageQuery, now time.Time) bool {
	return q.Rolled && q.To.Sub(q.From) >= keptSpan && !q.To.After(lastSettled(now))
}

// lastSettled is the end of the last hour that is over for long enough, and lastOld of the last day.
func lastSettled(now time.Time) time.Time { return now.Add(-settledAfter).Truncate(time.Hour) }
func lastOld(now time.Time) time.Time     { return now.Add(-oldAfter).Truncate(24 * time.Hour) }

// usage gives the kept answer, or asks. Rows are shared: nobody may change them.
func (p *pastSums) usage(ctx context.Context, q store.UsageQuery, ask func(context.Context, store.UsageQuery) ([]store.UsageRow, error)) ([]store.UsageRow, error) {
	now := time.Now()
	if !p.keepable(q, now) {
		return ask(ctx, q)
	}
	key := pastKey(q)
	rows, at := p.find(key, now)
	if now.Sub(at) < pastFresh {
		return rows, nil
	}
	answer := p.asked.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pastTimeout) // whoever asks next wants it, too
		defer cancel()
		began := time.Now()
		rows, err := ask(ctx, q)
		if err == nil {
			p.keep(key, rows, began)
		}
		return rows, err
	})
	if !at.IsZero() {
		return rows, nil
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-answer:
		rows, _ := r.Val.([]store.UsageRow)
		return rows, r.Err
	}
}

// find gives what is kept that can still be used, and since when.
func (p *pastSums) find(key string, now time.Time) (rows []store.UsageRow, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.kept[key]
	if s == nil || now.Sub(s.at) > pastUsable {
		return nil, at
	}
	s.used = now
	return s.rows, s.at
}

// keep remembers an answer, in place of those that nobody has asked for longest.
func (p *pastSums) keep(key string, rows []store.UsageRow, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept == nil {
		p.kept = map[string]*pastSum{}
	}
	p.drop(key)
	for p.rows+len(rows)+1 > pastRows && len(p.kept) > 0 {
		p.drop(slices.MinFunc(slices.Collect(maps.Keys(p.kept)), func(a, b string) int { return p.kept[a].used.Compare(p.kept[b].used) }))
	}
	p.kept[key] = &pastSum{rows, now, now}
	p.rows += len(rows) + 1 // an empty answer takes a place as well
}

func (p *pastSums) drop(key string) {
	if s := p.kept[key]; s != nil {
		p.rows -= len(s.rows) + 1
		delete(p.kept, key)
	}
}

func pastKey(q store.UsageQuery) string {
	var filter, among []string
	for _, name := range slices.Sorted(maps.Keys(q.Filter)) {
		filter = append(filter, name, q.Filter[name])
	}
	for _, name := range slices.Sorted(maps.Keys(q.Among)) {
		among = append(append(among, name, ""), q.Among[name]...)
	}
	zone := ""
	if q.Zone != nil {
		zone = q.Zone.String()
	}
	return fmt.Sprintf("%d %d %s %d %q %q %q", q.From.Unix(), q.To.Unix(), zone, q.Limit, strings.Join(q.By, ","), filter, among)
}
