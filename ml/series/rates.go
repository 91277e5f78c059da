package series

import (
	"encoding/csv"
	"io"
	"strconv"
)

// Rates are a client's calls by the hour.
type Rates struct {
	Name   string
	Hourly []float64
}

// ReadRates reads CSV: a header, then a line for each client with its name and its hourly counts, which end at the first cell without a number.
func ReadRates(r io.Reader) ([]Rates, error) {
	rows, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, err
	}
	var out []Rates
	for _, row := range rows[min(1, len(rows)):] {
		one := Rates{Name: row[0]}
		for _, cell := range row[1:] {
			v, err := strconv.ParseFloat(cell, 64)
			if err != nil {
				break
			}
			one.Hourly = append(one.Hourly, v)
		}
		out = append(out, one)
	}
	return out, nil
}
