package reconcile

import (
	"context"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// stripePage is a page of https://docs.stripe.com/api/balance_transactions/list.
type stripePage struct {
	Data []struct {
		ID       string `json:"id"`
		Created  int64  `json:"created"`
		Currency string `json:"currency"`
		Fee      int64  `json:"fee"` // in cents
		Type     string `json:"type"`
	} `json:"data"`
	HasMore bool `json:"has_more"`
}

// stripe reads the fees of each day. Stripe rounds every fee to cents, the ledger none.
func stripe(ctx context.Context, r Report, from, to time.Time) (Sums, error) {
	out, money := Sums{}, exactly{}
	header := http.Header{"Authorization": {"Bearer " + r.Key.Reveal()}}
	q := url.Values{
		"created[gte]": {strconv.FormatInt(from.Unix(), 10)}, "created[lt]": {strconv.FormatInt(to.Unix(), 10)}, "limit": {"100"},
	}
	for range maxPages {
		var p stripePage
		if err := r.get(ctx, "/v1/balance_transactions", q, header, &p); err != nil {
			return nil, err
		}
		for _, t := range p.Data {
			if t.Currency != "usd" {
				return nil, fmt.Errorf("balance transaction %s is in %q: only US dollars can be compared", t.ID, t.Currency)
			}
			cell := cellOf(time.Unix(t.Created, 0), "")
			money.add(cell, big.NewRat(t.Fee, 100))
			if t.Type == "charge" || t.Type == "payment" {
				out.add(cell, Sum{Requests: 1})
			}
		}
		if !p.HasMore || len(p.Data) == 0 {
			return out, money.into(out)
		}
		q.Set("starting_after", p.Data[len(p.Data)-1].ID)
	}
	return nil, errPages
}
