package admin

import (
	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// PageQuery asks for a part of a list.
type PageQuery struct {
	Cursor string `query:"cursor" maxLength:"100" doc:"next of the page before; the first page has none."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

// badCursor is the answer to one of somebody's own.
func badCursor() error { return huma.Error400BadRequest("cursor: it is not one that this API gave") }

// after is the row that a page begins after.
func (q PageQuery) after() (sentinel.Cursor, error) {
	c, err := sentinel.ParseCursor(q.Cursor)
	if err != nil {
		return c, badCursor()
	}
	return c, nil
}

// afterRow is after where rows are told apart by the bytes of an id: it fills row with them.
func (q PageQuery) afterRow(row []byte) (sentinel.Cursor, error) {
	c, err := q.after()
	if err != nil || c == (sentinel.Cursor{}) {
		return c, err
	}
	if len(c.Row) != len(row) {
		return c, badCursor()
	}
	copy(row, c.Row)
	return c, nil
}

// next is the cursor of the page after a list: none after one that is not full.
func next[T any](list []T, limit int, of func(T) sentinel.Cursor) string {
	if len(list) < limit {
		return ""
	}
	return of(list[len(list)-1]).String()
}

// each shows a list's rows.
func each[T, U any](list []T, show func(T) U) []U {
	out := make([]U, len(list))
	for i, one := range list {
		out[i] = show(one)
	}
	return out
}
