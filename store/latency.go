package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

var (
	latencyQuestion = question("latency", "{flat}", sentinel.VersionFlat, "{unpriced}", sentinel.VersionUnpriced)
	trendQuestion   = question("trend")
)

// LatencyQuery asks how long the newest calls took, and how they ended.
type LatencyQuery struct {
	From, To time.Time         // [From, To); a zero time is no bound
	By       string            // a dimension
	Filter   map[string]string // dimension → the value that it must have
	Limit    int               // calls that are looked at, 0 is 1,000, at most 10,000
}

// LatencyRow is one group's part, or that of all. Times are of calls that were not refused.
type LatencyRow struct {
	Key                                       string
	All                                       bool // of every group
	Calls, Refused, Limited, Failed, Unpriced int64
	Oldest                                    time.Time
	FirstByte, Duration                       [3]time.Duration // of 50, 95 and 99 of 100
}

// Latency gives the groups with the most calls first, and the row of all last, which is there even without a call.
func (s *Store) Latency(ctx context.Context, q LatencyQuery) ([]LatencyRow, error) {
	key, err := entriesTable.dimension(q.By, "")
	if err != nil {
		return nil, err
	}
	w := between(q.From, q.To)
	if err := w.filter(q.Filter); err != nil {
		return nil, err
	}
	rows, err := s.db(ctx).Query(ctx, filled(latencyQuestion, "{key}", key, "{where}", w.String(), "{limit}", w.limit(q.Limit)), w.args...)
	if err != nil {
		return nil, explain("latency", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r LatencyRow, err error) {
		var oldest *time.Time
		err = row.Scan(&r.Key, &r.All, &r.Calls, &r.Refused, &r.Limited, &r.Failed, &r.Unpriced, &oldest, &r.FirstByte, &r.Duration)
		if oldest != nil {
			r.Oldest = oldest.UTC()
		}
		return r, err
	})
	return list, explain("latency", err)
}

// Bounds of a trend: what it reads at most is their product.
const (
	maxSpans   = 60
	spanSample = 200 // calls of a span that are looked at
)

// LatencySpan is how long the newest calls of a span took that were not refused.
type LatencySpan struct {
	At                  time.Time
	Calls               int64            // that were looked at, at most 200
	FirstByte, Duration [3]time.Duration // of 50, 95 and 99 of 100
}

// LatencyTrend gives the spans of [from, to) that have a call, in their order.
func (s *Store) LatencyTrend(ctx context.Context, from, to time.Time, span time.Duration) ([]LatencySpan, error) {
	if span <= 0 || !from.Before(to) || to.Sub(from) > maxSpans*span {
		return nil, fmt.Errorf("latency from %s to %s by %s: at most %d spans", from.Format(time.RFC3339), to.Format(time.RFC3339), span, maxSpans)
	}
	rows, err := s.db(ctx).Query(ctx, trendQuestion, from, to, span, spanSample)
	if err != nil {
		return nil, explain("latency", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l LatencySpan, err error) {
		err = row.Scan(&l.At, &l.Calls, &l.FirstByte, &l.Duration)
		l.At = l.At.UTC()
		return l, err
	})
	return list, explain("latency", err)
}
