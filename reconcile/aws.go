package reconcile

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// costPage is an answer of Cost Explorer:
// https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetCostAndUsage.html.
type costPage struct {
	ResultsByTime []struct {
		TimePeriod struct{ Start string }
		Total      map[string]struct {
			Amount amount
			Unit   string
		}
		Estimated bool // until AWS closes the month's bill
	}
	NextPageToken string
}

// costExplorer reads the unblended cost of each day. AWS charges 0.01 dollars for every such request.
func costExplorer(ctx context.Context, r Report, from, to time.Time) (Sums, error) {
	question := map[string]any{
		"TimePeriod":  map[string]string{"Start": from.Format(time.DateOnly), "End": to.Format(time.DateOnly)},
		"Granularity": "DAILY", "Metrics": []string{"UnblendedCost"},
	}
	if r.Service != "" {
		question["Filter"] = map[string]any{"Dimensions": map[string]any{"Key": "SERVICE", "Values": []string{r.Service}}}
	}
	out, money := Sums{}, exactly{}
	for range maxPages {
		body, err := json.Marshal(question)
		if err != nil {
			return nil, err
		}
		rq, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL+"/", bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		rq.Header.Set("Content-Type", "application/x-amz-json-1.1")
		rq.Header.Set("X-Amz-Target", "AWSInsightsIndexService.GetCostAndUsage")
		var p costPage
		if err := r.do(rq, body, &p); err != nil {
			return nil, err
		}
		for _, day := range p.ResultsByTime {
			at, err := time.Parse(time.DateOnly, day.TimePeriod.Start)
			if err != nil {
				return nil, fmt.Errorf("cost explorer: %w", err)
			}
			cost := day.Total["UnblendedCost"]
			if cost.Unit != "" && cost.Unit != "USD" {
				return nil, fmt.Errorf("costs in %q: only US dollars can be compared", cost.Unit)
			}
			money.add(cellOf(at, ""), &cost.Amount.Rat)
			out.add(cellOf(at, ""), Sum{Provisional: day.Estimated})
		}
		if p.NextPageToken == "" {
			return out, money.into(out)
		}
		question["NextPageToken"] = p.NextPageToken
	}
	return nil, errPages
}

// CUR reads a cost and usage report of AWS as CSV, with the column names of either version. Service is the product code, such as
// "AmazonS3"; empty is all. Taxes, credits and the like are left out: no call causes them.
func CUR(file io.Reader, service string, from, to time.Time) (Sums, error) {
	rows := csv.NewReader(file)
	rows.ReuseRecord = true
	head, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("cost and usage report: %w", err)
	}
	var at [4]int
	for i, name := range [...]string{"line_item_usage_start_date", "line_item_product_code", "line_item_line_item_type", "line_item_unblended_cost"} {
		if at[i] = slices.IndexFunc(head, func(h string) bool { return snake(h) == name }); at[i] < 0 {
			return nil, fmt.Errorf("cost and usage report: there is no column %s: is the file a CUR in CSV?", name)
		}
	}
	out, money := Sums{}, exactly{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return out, money.into(out)
		}
		if err != nil {
			return nil, fmt.Errorf("cost and usage report: %w", err)
		}
		if service != "" && row[at[1]] != service || !strings.HasSuffix(row[at[2]], "Usage") {
			continue
		}
		line, _ := rows.FieldPos(0)
		day, err := curTime(row[at[0]])
		if err != nil {
			return nil, fmt.Errorf("cost and usage report, line %d: %w", line, err)
		}
		if day.Before(from) || !day.Before(to) {
			continue
		}
		var cost amount
		if err := cost.UnmarshalJSON([]byte(row[at[3]])); err != nil {
			return nil, fmt.Errorf("cost and usage report, line %d: %w", line, err)
		}
		money.add(cellOf(day, ""), &cost.Rat)
	}
}

// snake turns the older "lineItem/UnblendedCost" into the newer "line_item_unblended_cost".
func snake(name string) string {
	var b strings.Builder
	for i, c := range strings.TrimPrefix(name, "\ufeff") {
		switch {
		case c == '/':
			b.WriteByte('_')
		case 'A' <= c && c <= 'Z':
			if i > 0 && name[i-1] != '/' {
				b.WriteByte('_')
			}
			b.WriteRune(c + 'a' - 'A')
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// curTime reads both forms of a CUR's time.
func curTime(text string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	return time.Parse(time.DateTime, strings.TrimSuffix(text, ".000"))
}
