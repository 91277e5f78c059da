package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Other is what the sums call models, services and tags that are past the cap of their day.
const Other = "other"

// DefaultMaxSeries is how many models, services and sets of tags a day has in the sums, each, where Options say nothing.
const DefaultMaxSeries = 1000

// maxNameDays bounds the days whose names are remembered: records of more days at once ask the database again.
const maxNameDays = 40

// maxName is the longest name that the sums have, in bytes: an index takes no longer ones, and whoever sends them chose them.
const maxName = 300

// The kinds of names, as bits of entries.folded.
const (
	foldModel = 1 << iota
	foldService
	foldTags
)

var foldKinds = []int16{foldModel, foldService, foldTags}

// nameOf is what an entry has of a kind.
func nameOf(kind int16, e *sentinel.Entry) string {
	switch kind {
	case foldModel:
		return clean(e.Model)
	case foldService:
		return clean(e.Caller.Service)
	default:
		return clean(e.Caller.Tags)
	}
}

// nameDay is the list of names of one kind that a day has.
type nameDay struct {
	day  time.Time // UTC midnight
	kind int16
}

// sumNames remembers which names the sums have. The database decides: the first that come.
type sumNames struct {
	mu   sync.Mutex
	days map[nameDay]map[string]bool
}

// fold tells for each entry what the sums call other of it, and registers names that are new.
func (s *Store) fold(ctx context.Context, entries []*sentinel.Entry) ([]int16, error) {
	out := make([]int16, len(entries))
	for _, kind := range foldKinds {
		asked := map[nameDay][]string{}
		for _, e := range entries {
			if name := nameOf(kind, e); name != "" && len(name) <= maxName {
				at := nameDay{e.At.UTC().Truncate(24 * time.Hour), kind}
				asked[at] = append(asked[at], name)
			}
		}
		have := map[nameDay]map[string]bool{}
		for at, names := range asked {
			var err error
			if have[at], err = s.namesOf(ctx, at, names); err != nil {
				return nil, err
			}
		}
		for i, e := range entries {
			name := nameOf(kind, e)
			if name != "" && !have[nameDay{e.At.UTC().Truncate(24 * time.Hour), kind}][name] {
				out[i] |= kind
				s.folded.Add(1)
			}
		}
	}
	return out, nil
}

// namesOf gives the names that a day has, after those that are asked for were added as far as there is room.
func (s *Store) namesOf(ctx context.Context, at nameDay, asked []string) (map[string]bool, error) {
	s.sums.mu.Lock()
	known := s.sums.days[at]
	s.sums.mu.Unlock()
	if len(known) >= s.maxSeries || !slices.ContainsFunc(asked, func(name string) bool { return !known[name] }) {
		return known, nil
	}
	slices.Sort(asked)
	var names []string
	err := pgx.BeginFunc(ctx, s.db(ctx), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('sentinel.sum_names'))`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO sum_names SELECT $1, $2, name FROM unnest($3::text[]) AS name
			WHERE name NOT IN (SELECT name FROM sum_names WHERE day = $1 AND kind = $2)
			ORDER BY name LIMIT greatest(0, $4 - (SELECT count(*) FROM sum_names WHERE day = $1 AND kind = $2))`,
			at.day, at.kind, slices.Compact(asked), s.maxSeries)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT name FROM sum_names WHERE day = $1 AND kind = $2`, at.day, at.kind)
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, err
	}
	known = make(map[string]bool, len(names))
	for _, name := range names {
		known[name] = true
	}
	if s.db(ctx) != queries(s.pool) {
		return known, nil // the transaction around may be undone
	}
	s.sums.mu.Lock()
	defer s.sums.mu.Unlock()
	if len(s.sums.days) >= maxNameDays*len(foldKinds) || s.sums.days == nil {
		s.sums.days = map[nameDay]map[string]bool{}
	}
	s.sums.days[at] = known
	return known, nil
}

// Folded counts names that this process had summed as other, once an entry.
func (s *Store) Folded() int64 { return s.folded.Load() }

// forgetNames deletes the names of days that late rows no longer come for.
func (s *Store) forgetNames(ctx context.Context) error {
	_, err := s.db(ctx).Exec(ctx, `DELETE FROM sum_names WHERE day < current_date - 62`)
	return err
}
