package forecast

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ml/series"
)

// Regular is a series on an even grid of times.
type Regular struct {
	Column   string
	Step     time.Duration
	Last     time.Time
	Layout   string // of the times as they were written
	Values   []float64
	Filled   int // grid points without a row, filled in
	Repeated int // rows of a grid point that had one already: the last one counts
}

// mostFilled is the share of grid points that may be filled in.
const mostFilled = 0.3

// Regularise puts the frame's value (or its cost, or its first column) on a grid of steps; step 0 is the usual distance
// of the rows. A point without a value takes that of a season before, or else of the point before. A step above the
// rows' distance is refused: whether rows add up to it, or are averaged, the file does not say.
func Regularise(f *series.Frame, step time.Duration, season int) (Regular, error) {
	if step < 0 || season < 1 {
		return Regular{}, fmt.Errorf("a step of %s and a season of %d: want 0 or more, and 1 or more", step, season)
	}
	if usual := f.Report.Step; usual > 0 && step/2 >= usual {
		return Regular{}, fmt.Errorf("--freq %s is above the rows' distance of %s: sum or average the rows to that step first", step, usual)
	}
	r := Regular{Column: f.Names[0], Step: step, Last: f.Times[len(f.Times)-1], Layout: time.DateTime}
	for _, name := range []string{"cost_usd", series.Value} {
		if slices.Contains(f.Names, name) {
			r.Column = name
		}
	}
	if strings.Contains(f.Stamps[0], "T") {
		r.Layout = time.RFC3339
	}
	if r.Step == 0 {
		r.Step = f.Report.Step
	}
	if r.Step <= 0 {
		return r, fmt.Errorf("%w: one point in time tells nothing of the next; give two or more", ErrShort)
	}
	n := int(r.Last.Sub(f.Times[0])/r.Step) + 1
	if n > maxSeries {
		return r, fmt.Errorf("%s from first to last at steps of %s are %d points, above %d; shorten the file, or sum its rows to a larger step", r.Last.Sub(f.Times[0]), r.Step, n, maxSeries)
	}
	r.Values = make([]float64, n)
	for i := range r.Values {
		r.Values[i] = math.NaN()
	}
	column, _ := f.Column(r.Column)
	for i, at := range f.Times {
		// Counted from the last row, whose time the forecast continues.
		k := n - 1 - int((r.Last.Sub(at)+r.Step/2)/r.Step)
		if k < 0 || math.IsNaN(column[i]) {
			continue
		}
		if !math.IsNaN(r.Values[k]) {
			r.Repeated++
		}
		r.Values[k] = column[i]
	}
	if err := r.fill(season); err != nil {
		if usual := f.Report.Step; usual > r.Step {
			return r, fmt.Errorf("%w, or take the rows' distance, %s", err, usual)
		}
		return r, err
	}
	return r, nil
}

func (r *Regular) fill(season int) error {
	first := slices.IndexFunc(r.Values, func(v float64) bool { return !math.IsNaN(v) })
	if first < 0 {
		return fmt.Errorf("column %s holds no number within the bounds of ±1e30: nothing can be told from it", r.Column)
	}
	r.Values = r.Values[first:]
	for i, v := range r.Values {
		if !math.IsNaN(v) {
			continue
		}
		r.Filled++
		if i >= season {
			r.Values[i] = r.Values[i-season]
		} else {
			r.Values[i] = r.Values[i-1]
		}
	}
	if share := float64(r.Filled) / float64(len(r.Values)); share > mostFilled {
		return fmt.Errorf("%.0f %% of the points at steps of %s have no value, at most %.0f %% are filled in: sum or average the rows to a larger step", 100*share, r.Step, 100*mostFilled)
	}
	return nil
}

// Header is the header of what WriteCSV writes.
var Header = []string{"timestamp", "mean", "lo80", "hi80", "lo95", "hi95", "total", "total_lo80", "total_hi80"}

// WriteCSV writes one row a step.
func WriteCSV(w io.Writer, r Regular, f Forecast) error {
	out := csv.NewWriter(w)
	rows := [][]string{Header}
	for i := range f.Mean {
		row := []string{r.Last.Add(time.Duration(i+1) * r.Step).Format(r.Layout)}
		for _, v := range [][]float64{f.Mean, f.Lo80, f.Hi80, f.Lo95, f.Hi95, f.Total, f.TotalLo80, f.TotalHi80} {
			row = append(row, strconv.FormatFloat(v[i], 'g', 10, 64))
		}
		rows = append(rows, row)
	}
	if err := out.WriteAll(rows); err != nil {
		return fmt.Errorf("write forecast: %w", err)
	}
	return nil
}
