// Package series reads and checks the time series that the detectors and forecasters work on.
package series

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxRows bounds one file: five minutes apart, this is 190 years.
const maxRows = 20_000_000

// Metrics are the columns of a service's series in their order: requests and tokens of the
// interval, US dollars, milliseconds, and a share of 0 to 1.
var Metrics = []string{"requests", "prompt_tokens", "completion_tokens", "cost_usd", "latency_ms", "error_rate"}

// Value is the column of a plain series.
const Value = "value"

// Frame is one table of series with a common time axis. Columns[c][i] is the value of Names[c] at
// Times[i], NaN where the file has none.
type Frame struct {
	Times   []time.Time // UTC, ascending
	Stamps  []string    // as they were written
	Names   []string
	Columns [][]float64
	Report  Report
}

// Column gives a column by name.
func (f *Frame) Column(name string) ([]float64, bool) {
	at := slices.Index(f.Names, name)
	if at < 0 {
		return nil, false
	}
	return f.Columns[at], true
}

// Read reads a CSV with a header: timestamp and value, or timestamp and Metrics. Other columns are ignored.
// Times are RFC 3339 or "2006-01-02 15:04:05" in UTC. Numbers that are missing or not finite become NaN and
// are reported, as are gaps and repeated times; times that go back, cells that are no numbers, and files without
// rows are errors that name the line.
func Read(r io.Reader) (*Frame, error) {
	in := csv.NewReader(bufio.NewReaderSize(r, 1<<16))
	in.ReuseRecord, in.FieldsPerRecord, in.TrimLeadingSpace = true, -1, true
	head, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty: want a header line such as timestamp,value")
	}
	if err != nil {
		return nil, located(err)
	}
	f, at, err := columns(head)
	if err != nil {
		return nil, err
	}
	for {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, located(err)
		}
		if err := f.add(row, at); err != nil {
			line, _ := in.FieldPos(0)
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if len(f.Times) == 0 {
		return nil, errors.New("the file has a header and no rows: give at least one")
	}
	f.finish()
	return f, nil
}

// located says where CSV is broken: at the line where a row begins, as a quote that nobody closes is noticed at the file's end.
func located(err error) error {
	var broken *csv.ParseError
	if !errors.As(err, &broken) {
		return err
	}
	return fmt.Errorf("line %d: a quote stands alone (%w): close it, or write a quote within a cell twice", broken.StartLine, broken.Err)
}

// columns finds the known columns in a header; at[0] is the time's place.
func columns(head []string) (*Frame, []int, error) {
	place := map[string]int{}
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		if _, twice := place[name]; twice {
			return nil, nil, fmt.Errorf("the header names %s twice: rename one of them", shown([]string{name}))
		}
		place[name] = i
	}
	if _, ok := place["timestamp"]; !ok {
		return nil, nil, fmt.Errorf("the header %s has no column timestamp: %s", shown(head), remedy(head))
	}
	f, at := &Frame{}, []int{place["timestamp"]}
	names := Metrics
	if _, ok := place[Value]; ok {
		names = []string{Value}
	}
	for _, name := range names {
		if i, ok := place[name]; ok {
			f.Names, at = append(f.Names, name), append(at, i)
		}
	}
	if len(f.Names) == 0 {
		return nil, nil, fmt.Errorf("the header %s has neither %s nor any of %s: %s", shown(head), Value, strings.Join(Metrics, ", "), remedy(head))
	}
	f.Columns = make([][]float64, len(f.Names))
	return f, at, nil
}

// shown quotes the begin of cells: a file without line feeds is one header.
func shown(cells []string) string {
	const most = 80
	text := strings.Join(cells, ",")
	if len(text) > most {
		return strconv.Quote(text[:most]) + "…"
	}
	return strconv.Quote(text)
}

// remedy says what to do about a header without the columns that are wanted.
func remedy(head []string) string {
	text := strings.Join(head, ",")
	switch {
	case strings.ContainsRune(text, 0):
		return "save the file as UTF-8"
	case strings.ContainsRune(text, '\r'):
		return "end lines with line feeds, the file has carriage returns alone"
	case len(head) == 1 && strings.ContainsAny(text, ";\t|"):
		return "part cells with commas"
	}
	return "name the columns as in timestamp,value"
}

func (f *Frame) add(row []string, at []int) error {
	if len(f.Times) >= maxRows {
		return fmt.Errorf("more than %d rows: split the file", maxRows)
	}
	if most := slices.Max(at); most >= len(row) {
		return fmt.Errorf("%s, the header needs %d: add those that lack, a missing number may be empty", Count(len(row), "cell"), most+1)
	}
	stamp := strings.TrimSpace(row[at[0]])
	t, err := parseTime(stamp)
	if err != nil {
		return err
	}
	if n := len(f.Times); n > 0 && t.Before(f.Times[n-1]) {
		return fmt.Errorf("time %s is before the row above it (%s): sort the file by time", stamp, f.Stamps[n-1])
	}
	if len(f.Times) > 0 && t.Sub(f.Times[0]) == math.MaxInt64 {
		return fmt.Errorf("time %s is more than 292 years after the first row's (%s): correct the year", stamp, f.Stamps[0])
	}
	for c, i := range at[1:] {
		v, err := parseValue(row[i])
		if err != nil {
			return fmt.Errorf("column %s: %w", f.Names[c], err)
		}
		if name := f.Names[c]; name != Value && (v < 0 || name == "error_rate" && v > 1) {
			v = math.NaN()
			f.Report.Outside++
		}
		f.Columns[c] = append(f.Columns[c], v)
	}
	f.Times, f.Stamps = append(f.Times, t), append(f.Stamps, strings.Clone(stamp))
	return nil
}

var layouts = []string{time.RFC3339Nano, time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly}

func parseTime(s string) (time.Time, error) {
	for _, l := range layouts {
		if t, err := time.ParseInLocation(l, s, time.UTC); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("time %s is neither RFC 3339 nor YYYY-MM-DD HH:MM:SS: write it as 2026-01-31T12:00:00Z", shown([]string{s}))
}

func parseValue(s string) (float64, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "", "nan", "null", "na", "n/a", "none", "inf", "+inf", "-inf", "infinity", "-infinity":
		return math.NaN(), nil
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%s is not a number: write it as 1234.5, or leave the cell empty", shown([]string{s}))
	}
	if math.Abs(v) > mostValue {
		return math.NaN(), nil
	}
	return v, nil
}

// mostValue is more than anything that is counted or paid; sums of powers of larger numbers would not be finite.
const mostValue = 1e30

func (f *Frame) finish() {
	r := &f.Report
	steps := make([]time.Duration, 0, len(f.Times))
	for i := 1; i < len(f.Times); i++ {
		if d := f.Times[i].Sub(f.Times[i-1]); d > 0 {
			steps = append(steps, d)
		} else {
			r.Duplicates++
		}
	}
	if len(steps) > 0 {
		sorted := slices.Sorted(slices.Values(steps))
		r.Step = sorted[len(sorted)/2]
		for _, d := range steps {
			if d > r.Step+r.Step/2 {
				r.Gaps++
			}
		}
	}
	for c, column := range f.Columns {
		n, same := 0, true
		first := math.NaN()
		for _, v := range column {
			if math.IsNaN(v) {
				continue
			}
			if n++; n == 1 {
				first = v
			}
			same = same && v == first
		}
		r.Missing += len(column) - n
		switch {
		case n == 0:
			r.Bare = append(r.Bare, f.Names[c])
		case n > 1 && same:
			r.Constant = append(r.Constant, f.Names[c])
		}
	}
}
