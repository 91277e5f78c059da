package detect

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/saas-sentinel/saas-sentinel/ml/series"
)

// Header is the header of what WriteCSV writes.
var Header = []string{"timestamp", "anomaly_score", "p_value", "alert", "top_feature", "contribution"}

// WriteCSV judges every row of a frame, in order and by the rows up to it, and writes one row for each.
// It returns an explanation of each alert.
func WriteCSV(w io.Writer, f *series.Frame) (events []Event, err error) {
	buffered := bufio.NewWriter(w)
	out := csv.NewWriter(buffered)
	d := New(f.Names)
	row := make([]float64, len(f.Columns))
	err = out.Write(Header)
	for i := 0; i < len(f.Times) && err == nil; i++ {
		for c, column := range f.Columns {
			row[c] = column[i]
		}
		p := d.Step(f.Times[i], row)
		alert := "0"
		if p.Alert {
			alert = "1"
			events = append(events, d.Explain(p))
		}
		err = out.Write([]string{f.Stamps[i], number(p.Score), number(p.P), alert, p.Feature, number(p.Share)})
	}
	out.Flush()
	if err == nil {
		err = out.Error()
	}
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return events, fmt.Errorf("write scores: %w", err)
	}
	return events, nil
}

// number keeps six significant digits, and never writes NaN.
func number(v float64) string {
	if math.IsNaN(v) {
		v = 0
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}
