package reconcile

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// openAIPage is a page of https://platform.openai.com/docs/api-reference/usage.
type openAIPage struct {
	Data []struct {
		StartTime int64 `json:"start_time"`
		Results   []struct {
			Model    string `json:"model"`
			Requests count  `json:"num_model_requests"`
			Input    count  `json:"input_tokens"` // cached ones included
			Cached   count  `json:"input_cached_tokens"`
			Output   count  `json:"output_tokens"`
			LineItem string `json:"line_item"` // "gpt-5-mini-2025-08-07, input"
			Amount   struct {
				Value    amount `json:"value"`
				Currency string `json:"currency"`
			} `json:"amount"`
		} `json:"results"`
	} `json:"data"`
	cursor
}

// openAI reads tokens from the usage of completions and embeddings, and money from the costs, whose line items begin with the
// model's name. The key is an admin key.
func openAI(ctx context.Context, r Report, from, to time.Time) (Sums, error) {
	out, money := Sums{}, exactly{}
	for _, part := range []struct{ path, group, limit string }{
		{"usage/completions", "model", "31"}, {"usage/embeddings", "model", "31"}, {"costs", "line_item", "180"},
	} {
		err := r.openAIPages(ctx, part.path, url.Values{
			"start_time": {strconv.FormatInt(from.Unix(), 10)}, "end_time": {strconv.FormatInt(to.Unix(), 10)},
			"bucket_width": {"1d"}, "group_by": {part.group}, "limit": {part.limit},
		}, func(p openAIPage) error {
			for _, day := range p.Data {
				for _, u := range day.Results {
					if part.group == "model" {
						out.add(cellOf(time.Unix(day.StartTime, 0), u.Model), Sum{Requests: int64(u.Requests), InputTokens: int64(u.Input), CachedTokens: int64(u.Cached), OutputTokens: int64(u.Output)})
						continue
					}
					if u.Amount.Currency != "" && !strings.EqualFold(u.Amount.Currency, "usd") {
						return fmt.Errorf("costs in %q: only US dollars can be compared", u.Amount.Currency)
					}
					model, _, _ := strings.Cut(u.LineItem, ", ")
					money.add(cellOf(time.Unix(day.StartTime, 0), model), &u.Amount.Value.Rat)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, money.into(out)
}

// openAIPages reads a report of an organisation to its end.
func (r Report) openAIPages(ctx context.Context, path string, q url.Values, use func(openAIPage) error) error {
	return pages(ctx, r, "/v1/organization/"+path, q, http.Header{"Authorization": {"Bearer " + r.Key.Reveal()}}, use)
}
