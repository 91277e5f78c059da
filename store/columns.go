package store

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// column ties one column of a table to one field of T, in both directions.
type column[T any] struct {
	name    string
	kind    string                  // PostgreSQL type
	collect func(rows []*T) any     // the field of many rows, as an array
	target  func(row *T) (scan any) // where to read the field into
}

// The kinds of columns. Each takes the place of the field in a row.

func text[T any, V ~string](name string, field func(*T) *V) column[T] {
	return column[T]{name, "text",
		func(rows []*T) any {
			return collect(rows, func(r *T) string { return clean(string(*field(r))) })
		},
		func(r *T) any { return field(r) }}
}

func bigint[T any, V ~int64](name string, field func(*T) *V) column[T] {
	return column[T]{name, "bigint",
		func(rows []*T) any { return collect(rows, func(r *T) int64 { return int64(*field(r)) }) },
		func(r *T) any { return field(r) }}
}

// integer keeps a count out of the sums, which have every bigint.
func integer[T any](name string, field func(*T) *int64) column[T] {
	c := bigint(name, field)
	c.kind = "integer"
	return c
}

func smallint[T any, V ~uint8 | ~int16](name string, field func(*T) *V) column[T] {
	return column[T]{name, "smallint",
		func(rows []*T) any { return collect(rows, func(r *T) int16 { return int16(*field(r)) }) },
		func(r *T) any { return field(r) }}
}

func action[T any](name string, field func(*T) *sentinel.Action) column[T] {
	return column[T]{name, "text",
		func(rows []*T) any { return collect(rows, func(r *T) string { return field(r).String() }) },
		func(r *T) any { return actionText{field(r)} }}
}

// actionText reads an action by its name.
type actionText struct{ to *sentinel.Action }

// ScanText is pgx's door for text. A name of a later release reads as the action whose name is
// "unknown": one row must not hide the others.
func (a actionText) ScanText(v pgtype.Text) error {
	found, ok := sentinel.ActionByName(v.String)
	if !ok {
		found = math.MaxUint8
	}
	*a.to = found
	return nil
}

func collect[T, V any](rows []*T, field func(*T) V) []V {
	out := make([]V, len(rows))
	for i, r := range rows {
		out[i] = field(r)
	}
	return out
}

// callColumns are the first columns of every table of calls.
func callColumns[T any](call func(*T) *sentinel.Call) []column[T] {
	return []column[T]{
		{"ts", "timestamptz",
			func(rows []*T) any { return collect(rows, func(r *T) time.Time { return call(r).At }) },
			func(r *T) any { return &call(r).At }},
		{"call_id", "uuid",
			func(rows []*T) any {
				return collect(rows, func(r *T) pgtype.UUID { return pgtype.UUID{Bytes: call(r).ID, Valid: true} })
			},
			func(r *T) any { return (*[16]byte)(&call(r).ID) }},
		text("org", func(r *T) *string { return &call(r).Caller.Org }),
		text("team", func(r *T) *string { return &call(r).Caller.Team }),
		text("service", func(r *T) *string { return &call(r).Caller.Service }),
		text("tags", func(r *T) *string { return &call(r).Caller.Tags }),
		text("provider", func(r *T) *string { return &call(r).Provider }),
		text("endpoint", func(r *T) *string { return &call(r).Endpoint }),
		text("model", func(r *T) *string { return &call(r).Model }),
		text("tier", func(r *T) *string { return &call(r).Tier }),
		{"stream", "boolean",
			func(rows []*T) any { return collect(rows, func(r *T) bool { return call(r).Stream }) },
			func(r *T) any { return &call(r).Stream }},
		text("demand", func(r *T) *sentinel.Demand { return &call(r).Demand }),
	}
}

func usageColumns[T any](usage func(*T) *sentinel.Usage) []column[T] {
	var columns []column[T]
	for u := range sentinel.Unit(sentinel.UnitCount) {
		columns = append(columns, bigint(u.String(), func(r *T) *int64 { return &usage(r)[u] }))
	}
	return columns
}

var entryColumns = concat(
	callColumns(func(e *sentinel.Entry) *sentinel.Call { return &e.Call }),
	[]column[sentinel.Entry]{
		smallint("attempt", func(e *sentinel.Entry) *int16 { return &e.Attempt }),
		text("asked", func(e *sentinel.Entry) *string { return &e.Asked }),
		action("action", func(e *sentinel.Entry) *sentinel.Action { return &e.Action }),
		text("reason", func(e *sentinel.Entry) *sentinel.Reason { return &e.Reason }),
		{"status", "integer",
			func(rows []*sentinel.Entry) any {
				return collect(rows, func(e *sentinel.Entry) int32 { return int32(e.Status) })
			},
			func(e *sentinel.Entry) any { return &e.Status }},
	},
	usageColumns(func(e *sentinel.Entry) *sentinel.Usage { return &e.Usage }),
	[]column[sentinel.Entry]{
		bigint("cost_nusd", func(e *sentinel.Entry) *sentinel.NanoUSD { return &e.Cost }),
		text("price_version", func(e *sentinel.Entry) *string { return &e.PriceVersion }),
		text("policy_version", func(e *sentinel.Entry) *string { return &e.PolicyVersion }),
		smallint("source", func(e *sentinel.Entry) *sentinel.Source { return &e.Source }),
		text("method", func(e *sentinel.Entry) *string { return &e.Method }),
		integer("own_input_tokens", func(e *sentinel.Entry) *int64 { return &e.Own.Input }),
		integer("own_output_tokens", func(e *sentinel.Entry) *int64 { return &e.Own.Output }),
		bigint("duration_ns", func(e *sentinel.Entry) *time.Duration { return &e.Duration }),
		bigint("first_byte_ns", func(e *sentinel.Entry) *time.Duration { return &e.FirstByte }),
		text("shadow", func(e *sentinel.Entry) *sentinel.Shadows { return &e.Shadow }),
	},
)

var intentColumns = concat(
	callColumns(func(i *sentinel.Intent) *sentinel.Call { return &i.Call }),
	[]column[sentinel.Intent]{
		smallint("attempt", func(i *sentinel.Intent) *int16 { return &i.Attempt }),
		text("asked", func(i *sentinel.Intent) *string { return &i.Asked }),
		action("action", func(i *sentinel.Intent) *sentinel.Action { return &i.Action }),
		text("reason", func(i *sentinel.Intent) *sentinel.Reason { return &i.Reason }),
	},
	usageColumns(func(i *sentinel.Intent) *sentinel.Usage { return &i.Bound }),
	[]column[sentinel.Intent]{
		bigint("bound_cost_nusd", func(i *sentinel.Intent) *sentinel.NanoUSD { return &i.BoundCost }),
		text("hold", func(i *sentinel.Intent) *sentinel.Hold { return &i.Hold }),
		text("price_version", func(i *sentinel.Intent) *string { return &i.PriceVersion }),
		text("policy_version", func(i *sentinel.Intent) *string { return &i.PolicyVersion }),
		text("instance", func(i *sentinel.Intent) *string { return &i.Instance }),
	},
)

func concat[T any](lists ...[]column[T]) []column[T] {
	var all []column[T]
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func names[T any](columns []column[T], prefix string) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = prefix + c.name
	}
	return strings.Join(list, ", ")
}

// source is what an insert selects from: one array a column, from $1 on. A text or number that is the same in every row is one
// value instead: most calls have three units of dozens, and an array costs the server as much as a column of a table.
func source[T any](columns []column[T], rows []*T) (sql string, args []any) {
	var list, arrays, names []string
	for _, c := range columns {
		values := c.collect(rows)
		if one, ok := same(values); ok {
			args = append(args, one)
			list = append(list, fmt.Sprintf("$%d::%s", len(args), c.kind))
			continue
		}
		args = append(args, values)
		list, names = append(list, "r."+c.name), append(names, c.name)
		arrays = append(arrays, fmt.Sprintf("$%d::%s[]", len(args), c.kind))
	}
	return strings.Join(list, ", ") + " FROM unnest(" + strings.Join(arrays, ", ") + ") AS r (" + strings.Join(names, ", ") + ")", args
}

// same gives the one value of texts or numbers that are all equal. Keys are neither, so that there is always an array.
func same(values any) (one any, ok bool) {
	switch v := values.(type) {
	case []string:
		return v[0], !slices.ContainsFunc(v, func(s string) bool { return s != v[0] })
	case []int64:
		return v[0], !slices.ContainsFunc(v, func(n int64) bool { return n != v[0] })
	}
	return nil, false
}

func arrays[T any](columns []column[T], rows []*T) []any {
	args := make([]any, len(columns))
	for i, c := range columns {
		args[i] = c.collect(rows)
	}
	return args
}

func targets[T any](columns []column[T], row *T) []any {
	list := make([]any, len(columns))
	for i, c := range columns {
		list[i] = c.target(row)
	}
	return list
}

// clean drops what PostgreSQL's text cannot hold: NUL bytes and invalid UTF-8.
func clean(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}
