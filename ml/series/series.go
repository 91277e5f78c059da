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

// Report says what a reader should know about a file that could be read.
type Report struct {
	Step       time.Duration // the usual distance of rows; 0 with fewer than two
	Gaps       int           // distances above one and a half steps
	Duplicates int           // rows with the time of the row before
	Missing    int           // cells without a number
	Outside    int           // cells of a service that cannot be: below 0, or an error rate above 1; they are missing too
	Constant   []string      // columns with one value only
}

// Notes puts the report into sentences; none when there is nothing to say.
func (r Report) Notes() []string {
	var out []string
	if r.Gaps > 0 {
		out = append(out, fmt.Sprintf("%d gaps wider than 1.5 steps of %s", r.Gaps, r.Step))
	}
	if r.Duplicates > 0 {
		out = append(out, fmt.Sprintf("%d rows repeat the time of the row before", r.Duplicates))
	}
	if r.Missing > 0 {
		out = append(out, fmt.Sprintf("%d cells hold no number that can be and count as missing", r.Missing))
	}
	if r.Outside > 0 {
		out = append(out, fmt.Sprintf("%d of them are below 0, or an error rate above 1", r.Outside))
	}
	for _, c := range r.Constant {
		out = append(out, "column "+c+" never changes")
	}
	return out
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
		return nil, fmt.Errorf("read the header: %w", err)
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
		var broken *csv.ParseError
		if errors.As(err, &broken) {
			return nil, fmt.Errorf("line %d: %w", broken.Line, broken.Err)
		}
		if err != nil {
			return nil, err
		}
		if err := f.add(row, at); err != nil {
			line, _ := in.FieldPos(0)
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if len(f.Times) == 0 {
		return nil, errors.New("the file has a header and no rows")
	}
	f.finish()
	return f, nil
}

// columns finds the known columns in a header; at[0] is the time's place.
func columns(head []string) (*Frame, []int, error) {
	place := map[string]int{}
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		if _, twice := place[name]; twice {
			return nil, nil, fmt.Errorf("the header names %q twice", name)
		}
		place[name] = i
	}
	if _, ok := place["timestamp"]; !ok {
		return nil, nil, fmt.Errorf("the header %q has no column timestamp", strings.Join(head, ","))
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
		return nil, nil, fmt.Errorf("the header %q has neither %s nor any of %s", strings.Join(head, ","), Value, strings.Join(Metrics, ", "))
	}
	f.Columns = make([][]float64, len(f.Names))
	return f, at, nil
}

func (f *Frame) add(row []string, at []int) error {
	if len(f.Times) >= maxRows {
		return fmt.Errorf("more than %d rows: split the file", maxRows)
	}
	if most := slices.Max(at); most >= len(row) {
		return fmt.Errorf("%d cells, the header needs %d", len(row), most+1)
	}
	t, err := parseTime(row[at[0]])
	if err != nil {
		return err
	}
	if n := len(f.Times); n > 0 && t.Before(f.Times[n-1]) {
		return fmt.Errorf("time %s is before the row above it (%s): sort the file by time", row[at[0]], f.Stamps[n-1])
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
	f.Times, f.Stamps = append(f.Times, t), append(f.Stamps, strings.Clone(row[at[0]]))
	return nil
}

var layouts = []string{time.RFC3339Nano, time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly}

func parseTime(s string) (time.Time, error) {
	for _, l := range layouts {
		if t, err := time.ParseInLocation(l, s, time.UTC); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("time %q is neither RFC 3339 nor YYYY-MM-DD HH:MM:SS", s)
}

func parseValue(s string) (float64, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "", "nan", "null", "na", "n/a", "none", "inf", "+inf", "-inf", "infinity", "-infinity":
		return math.NaN(), nil
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%q is not a number", s)
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
		constant := true
		first := math.NaN()
		for _, v := range column {
			switch {
			case math.IsNaN(v):
				r.Missing++
			case math.IsNaN(first):
				first = v
			case v != first:
				constant = false
			}
		}
		if constant {
			r.Constant = append(r.Constant, f.Names[c])
		}
	}
}
