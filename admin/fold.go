package admin

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// spanOf is how long a dimension of time is at least. The others are groups.
var spanOf = map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 23 * time.Hour, "month": 27 * 24 * time.Hour}

// places tells the dimensions of time from the others.
type places struct{ spans, groups []int }

func placesOf(by []string) (p places) {
	for i, name := range by {
		if _, time := spanOf[name]; time {
			p.spans = append(p.spans, i)
		} else {
			p.groups = append(p.groups, i)
		}
	}
	return p
}

// pick takes the values at some places.
func pick(list []string, at []int) []string {
	out := make([]string, len(at))
	for i, place := range at {
		out[i] = list[place]
	}
	return out
}

// keyAt tells groups or spans apart.
func keyAt(list []string, at []int) string { return strings.Join(pick(list, at), "\x00") }

// mostSpans is how many spans a period has at most: those of the shortest, and one that is begun at either end.
func (p places) mostSpans(q UsageQuery) int {
	shortest := q.To.Sub(q.From)
	for _, i := range p.spans {
		shortest = min(shortest, spanOf[q.By[i]])
	}
	return int(q.To.Sub(q.From)/shortest) + 2
}

// ranked lists the groups of rows, the most expensive first, with a row's keys for each.
func (p places) ranked(rows []UsageRow) []UsageRow {
	sums := map[string]*UsageRow{}
	for _, r := range rows {
		key := keyAt(r.Keys, p.groups)
		if sums[key] == nil {
			sums[key] = &UsageRow{Keys: pick(r.Keys, p.groups)}
		}
		sums[key].Add(r)
	}
	out := make([]UsageRow, 0, len(sums))
	for _, r := range sums {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(x, y UsageRow) int {
		return cmp.Or(cmp.Compare(y.Cost, x.Cost), slices.Compare(x.Keys, y.Keys))
	})
	return out
}

// fold parts rows into those of the chosen groups and, span by span, the sums of the rest.
func (p places) fold(rows, chosen []UsageRow) (own, rest []UsageRow) {
	keep := make(map[string]bool, len(chosen))
	for _, g := range chosen {
		keep[strings.Join(g.Keys, "\x00")] = true
	}
	at := map[string]int{}
	for _, r := range rows {
		if keep[keyAt(r.Keys, p.groups)] {
			own = append(own, r)
			continue
		}
		key := keyAt(r.Keys, p.spans)
		i, had := at[key]
		if !had {
			i, at[key] = len(rest), len(rest)
			rest = append(rest, UsageRow{Keys: pick(r.Keys, p.spans)})
		}
		rest[i].Add(r)
	}
	return own, rest
}

// folded answers with rows of the most expensive groups, and the sums of the others. The sums of all rows, the others' included, are the total.
func (s *Server) folded(ctx context.Context, q UsageQuery, top int) (out Usage, err error) {
	p := placesOf(q.By)
	rows, err := s.Backend.Usage(ctx, q)
	switch {
	case err != nil:
		return out, err
	case len(rows) >= maxRows && len(p.groups) > 0:
		return s.foldedLarge(ctx, q, p, top, rows)
	case len(rows) >= maxRows: // spans alone: the sum of what came is not the sum of all
		out.More = true
		out.Rows = shownSums(rows)
		q.By = nil
		rows, err = s.Backend.Usage(ctx, q)
		out.Total = total(rows)
		return out, err
	case len(p.groups) == 0:
		return Usage{Rows: shownSums(rows), Total: total(rows)}, nil
	}
	ranking := p.ranked(rows)
	own, rest := p.fold(rows, ranking[:min(top, len(ranking))])
	out = Usage{Rows: shownSums(own), Total: total(rows)}
	if len(ranking) > top {
		out.Other = &Folded{Groups: int64(len(ranking) - top), Rows: shownSums(rest)}
	}
	return out, nil
}

// foldedLarge is folded where the ledger has more rows than one answer: it asks which groups cost most, then for theirs, and last for the sums
// of all, so that the others' are never below nothing.
func (s *Server) foldedLarge(ctx context.Context, q UsageQuery, p places, top int, list []UsageRow) (out Usage, err error) {
	groups, spans := q, q
	groups.By, spans.By = pick(q.By, p.groups), pick(q.By, p.spans)
	if len(p.spans) > 0 {
		if list, err = s.Backend.Usage(ctx, groups); err != nil {
			return out, err
		}
	}
	ranking := placesOf(groups.By).ranked(list)
	var own []UsageRow
	for n := min(top, len(ranking), max(1, (maxRows-1)/p.mostSpans(q))); ; n /= 2 { // several dimensions give pairs that were not chosen: fewer groups then
		chosen := ranking[:n]
		of := q
		of.Among = map[string][]string{}
		for i, name := range groups.By {
			for _, g := range chosen {
				of.Among[name] = append(of.Among[name], g.Keys[i])
			}
		}
		rows, err := s.Backend.Usage(ctx, of)
		if err != nil {
			return out, err
		}
		if own, _ = p.fold(rows, chosen); len(rows) < maxRows || n == 1 {
			out.Other = &Folded{Groups: int64(len(ranking) - n), AtLeast: len(list) >= maxRows}
			break
		}
	}
	all, err := s.Backend.Usage(ctx, spans)
	if err != nil {
		return out, err
	}
	out.Total, out.More = total(all), len(all) >= maxRows
	if out.More { // the sum of these spans is not the sum of all
		own = upTo(own, p, all)
		spans.By = nil
		sum, err := s.Backend.Usage(ctx, spans)
		if err != nil {
			return out, err
		}
		out.Total = total(sum)
	}
	out.Rows, out.Other.Rows = shownSums(own), shownSums(without(all, own, p))
	return out, nil
}

// upTo leaves out rows of spans after the last that is listed.
func upTo(own []UsageRow, p places, all []UsageRow) []UsageRow {
	last := all[len(all)-1].Keys
	return slices.DeleteFunc(own, func(r UsageRow) bool { return slices.Compare(pick(r.Keys, p.spans), last) > 0 })
}

// without takes rows from the sums of their spans.
func without(all, own []UsageRow, p places) []UsageRow {
	rest := make(map[string]UsageRow, len(all))
	for _, r := range own {
		sum := rest[keyAt(r.Keys, p.spans)]
		sum.Add(r)
		rest[keyAt(r.Keys, p.spans)] = sum
	}
	out := make([]UsageRow, 0, len(all))
	for _, r := range all {
		left := r
		left.sub(rest[strings.Join(r.Keys, "\x00")])
		out = append(out, left)
	}
	return slices.DeleteFunc(out, func(r UsageRow) bool { return r.Calls == 0 && r.Cost == 0 })
}

func total(rows []UsageRow) Sums {
	out := Sums{Keys: []string{}}
	for _, r := range rows {
		out.add(r)
	}
	return out
}

func shownSums(rows []UsageRow) []Sums {
	return each(rows, func(r UsageRow) Sums {
		one := Sums{Keys: r.Keys}
		one.add(r)
		return one
	})
}
