package reconcile

import (
	"context"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// anthropicPage is a page of Anthropic's usage and cost admin API: https://docs.anthropic.com/en/api/usage-cost-api.
type anthropicPage struct {
	Data []struct {
		StartingAt time.Time `json:"starting_at"`
		Results    []struct {
			Model    string `json:"model"`
			Uncached count  `json:"uncached_input_tokens"`
			Cached   count  `json:"cache_read_input_tokens"`
			Output   count  `json:"output_tokens"`
			Creation struct {
				Hour count `json:"ephemeral_1h_input_tokens"`
				Five count `json:"ephemeral_5m_input_tokens"`
			} `json:"cache_creation"`
			Amount   *amount `json:"amount"` // in cents
			Currency string  `json:"currency"`
		} `json:"results"`
	} `json:"data"`
	cursor
}

// anthropic reads tokens from the usage report, which has no count of requests, and money from the cost report. The key is
// an admin key.
func anthropic(ctx context.Context, r Report, from, to time.Time) (Sums, error) {
	out, money := Sums{}, exactly{}
	for _, part := range []struct{ path, group string }{{"usage_report/messages", "model"}, {"cost_report", "description"}} {
		err := r.anthropicPages(ctx, part.path, url.Values{
			"starting_at": {from.Format(time.RFC3339)}, "ending_at": {to.Format(time.RFC3339)},
			"bucket_width": {"1d"}, "group_by[]": {part.group}, "limit": {"31"},
		}, func(p anthropicPage) error {
			for _, day := range p.Data {
				for _, u := range day.Results {
					cell := cellOf(day.StartingAt, u.Model)
					if u.Amount == nil {
						out.add(cell, Sum{InputTokens: int64(u.Uncached + u.Cached + u.Creation.Hour + u.Creation.Five), CachedTokens: int64(u.Cached), OutputTokens: int64(u.Output)})
						continue
					}
					if u.Currency != "" && !strings.EqualFold(u.Currency, "usd") {
						return fmt.Errorf("costs in %q: only US dollars can be compared", u.Currency)
					}
					money.add(cell, new(big.Rat).Quo(&u.Amount.Rat, big.NewRat(100, 1)))
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

// anthropicPages reads a report of an organisation to its end.
func (r Report) anthropicPages(ctx context.Context, path string, q url.Values, use func(anthropicPage) error) error {
	return pages(ctx, r, "/v1/organizations/"+path, q, http.Header{"X-Api-Key": {r.Key.Reveal()}, "Anthropic-Version": {"2023-06-01"}}, use)
}
