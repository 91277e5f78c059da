package export

import (
	"encoding/csv"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Writer takes charges one by one. Close ends the file, not what it is written to.
type Writer interface {
	Write(c sentinel.Charge) error
	Close() error
}

// focusColumns are the columns of a FOCUSRow, by its tags.
var focusColumns = func() (columns []string) {
	row := reflect.TypeFor[FOCUSRow]()
	for i := range row.NumField() {
		name, _, _ := strings.Cut(row.Field(i).Tag.Get("parquet"), ",")
		columns = append(columns, name)
	}
	return columns
}()

// rowWriter turns each charge into cells.
type rowWriter struct {
	to    *csv.Writer
	cells func(sentinel.Charge) []string
}

func newRowWriter(w io.Writer, head []string, cells func(sentinel.Charge) []string) (Writer, error) {
	to := csv.NewWriter(w)
	return &rowWriter{to, cells}, to.Write(head)
}

func (w *rowWriter) Write(c sentinel.Charge) error { return w.to.Write(w.cells(c)) }

func (w *rowWriter) Close() error {
	w.to.Flush()
	return w.to.Error()
}

// NewFOCUSCSV writes FOCUS rows as CSV; an empty cell is null. Texts are exactly those of the ledger, as the specification
// demands, so a spreadsheet may take one that begins with = for a formula: use NewCSV for people.
func NewFOCUSCSV(w io.Writer) (Writer, error) {
	return newRowWriter(w, focusColumns, func(c sentinel.Charge) []string { return focusCells(FOCUS(c)) })
}

// focusCells writes fields by their type: amounts as decimals, times as the specification's ISO 8601, null as nothing.
func focusCells(r FOCUSRow) []string {
	v := reflect.ValueOf(r)
	cells := make([]string, v.NumField())
	for i := range cells {
		f := v.Field(i)
		if f.Kind() == reflect.Pointer {
			if f.IsNil() {
				continue
			}
			f = f.Elem()
		}
		switch x := f.Interface().(type) {
		case time.Time:
			cells[i] = x.UTC().Format(time.RFC3339)
		case string:
			cells[i] = x
		case int64:
			if cells[i] = strconv.FormatInt(x, 10); strings.Contains(v.Type().Field(i).Tag.Get("parquet"), "decimal(9:") {
				cells[i] = decimal(x)
			}
		default:
			cells[i] = fmt.Sprint(x)
		}
	}
	return cells
}

// NewCSV writes charges for spreadsheets: every unit has a column, and no cell can become a formula.
func NewCSV(w io.Writer) (Writer, error) {
	head := []string{"start", "end", "org", "team", "service", "provider", "endpoint", "model", "tier", "calls", "estimated", "cost_usd", "doubted", "own_input_tokens", "own_output_tokens"}
	for u := range sentinel.Unit(sentinel.UnitCount) {
		head = append(head, u.String())
	}
	return newRowWriter(w, head, func(c sentinel.Charge) []string {
		cells := []string{c.Start.Format(time.RFC3339), c.End.Format(time.RFC3339)}
		for _, s := range []string{c.Caller.Org, c.Caller.Team, c.Caller.Service, c.Provider, c.Endpoint, c.Model, c.Tier} {
			cells = append(cells, Safe(s))
		}
		count := func(counts ...int64) {
			for _, n := range counts {
				cells = append(cells, strconv.FormatInt(n, 10))
			}
		}
		count(c.Calls, c.Estimated)
		cells = append(cells, decimal(int64(c.Cost)))
		count(c.Doubted, c.Own.Input, c.Own.Output)
		count(c.Usage[:]...)
		return cells
	})
}

// Safe keeps a spreadsheet from taking a text for a formula: a leading = + - @, tab or line end gets an apostrophe before it,
// as OWASP's page on CSV injection advises. A caller can choose a model's name.
func Safe(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t\r\n") || strings.HasPrefix(s, "＝") || strings.HasPrefix(s, "＋") ||
		strings.HasPrefix(s, "－") || strings.HasPrefix(s, "＠") {
		return "'" + s
	}
	return s
}
