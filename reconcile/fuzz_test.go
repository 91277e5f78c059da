package reconcile

import (
	"bytes"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// transport answers with the pages that it has, one after another, and then not at all.
type transport struct{ pages [][]byte }

func (p *transport) RoundTrip(*http.Request) (*http.Response, error) {
	if len(p.pages) == 0 {
		return nil, errors.New("no more pages")
	}
	body := p.pages[0]
	p.pages = p.pages[1:]
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body))}, nil
}

// FuzzReports holds that whatever a provider answers is either refused or read to the same sums again, on whole days.
func FuzzReports(f *testing.F) {
	for _, seed := range []string{
		`{"data":[{"start_time":1792454400,"results":[{"input_tokens":5000,"output_tokens":1000,"input_cached_tokens":4000,"num_model_requests":5,"model":"gpt-5-mini-2025-08-07","amount":{"value":0.06,"currency":"usd"},"line_item":"gpt-5-mini-2025-08-07, input"}]}],"has_more":false}`,
		`{"data":[{"starting_at":"2026-10-20T00:00:00Z","results":[{"uncached_input_tokens":1500,"cache_creation":{"ephemeral_1h_input_tokens":1000},"cache_read_input_tokens":200,"output_tokens":500,"model":"claude-haiku-4-5-20251001","currency":"USD","amount":"123.78912"}]}]}`,
		`{"data":[{"id":"txn_1","currency":"usd","created":1792454400,"fee":59,"type":"charge"}],"has_more":true}`,
		`{"ResultsByTime":[{"TimePeriod":{"Start":"2026-10-20"},"Total":{"UnblendedCost":{"Amount":"0.0000054","Unit":"USD"}},"Estimated":true}],"NextPageToken":"a"}`,
	} {
		f.Add([]byte(seed))
	}
	from := time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, page []byte) {
		for name, kind := range Kinds {
			var last Sums
			for range 2 {
				r := Report{URL: "https://report.example", Key: sentinel.NewSecret("k"), HTTP: &http.Client{Transport: &transport{[][]byte{page, page, page, page}}}}
				sums, err := kind.Read(t.Context(), r, from, from.AddDate(0, 0, 1))
				if err != nil {
					break
				}
				for c, s := range sums {
					if !c.Day.Equal(c.Day.Truncate(24 * time.Hour)) {
						t.Errorf("%s: %v is no day", name, c.Day)
					}
					if s.Requests < 0 || s.InputTokens < 0 || s.CachedTokens < 0 || s.OutputTokens < 0 {
						t.Errorf("%s, %v: %+v has less than nothing", name, c, s)
					}
					if last != nil && last[c] != s {
						t.Errorf("%s, %v: %+v and then %+v", name, c, last[c], s)
					}
				}
				last = sums
			}
		}
	})
}

// FuzzCUR does the same with files.
func FuzzCUR(f *testing.F) {
	f.Add("line_item_usage_start_date,line_item_product_code,line_item_line_item_type,line_item_unblended_cost\n2026-10-20T01:00:00Z,AmazonS3,Usage,0.0000050000\n")
	f.Add("lineItem/UsageStartDate,lineItem/ProductCode,lineItem/LineItemType,lineItem/UnblendedCost\n\"2026-10-20 01:00:00.000\",AmazonS3,DiscountedUsage,1e-9\n")
	from := time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, file string) {
		sums, err := CUR(strings.NewReader(file), "", from, from.AddDate(0, 0, 1))
		if err != nil {
			return
		}
		for c := range sums {
			if c != (Cell{Day: from}) {
				t.Errorf("%q has %+v", file, c)
			}
		}
	})
}

// FuzzAmount compares with what a float has of the same number, which is near.
func FuzzAmount(f *testing.F) {
	for _, seed := range []string{"0", "-1.25e-3", `"123.78912"`, "1e99", "1e999999999", "0x1p99", "1/3", "+.5", "1_0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var a amount
		if a.UnmarshalJSON([]byte(text)) != nil {
			return
		}
		if n := a.Num().BitLen() + a.Denom().BitLen(); n > 1200 {
			t.Errorf("%q takes %d bits", text, n)
		}
		want, _, err := big.ParseFloat(strings.Trim(text, `"`), 10, 300, big.ToNearestEven)
		if err != nil {
			t.Fatalf("%q is read as %s, and is no decimal number", text, a.String())
		}
		got := new(big.Float).SetPrec(300).SetRat(&a.Rat)
		if d := new(big.Float).Sub(got, want); d.Sign() != 0 && d.MantExp(nil) > got.MantExp(nil)-250 {
			t.Errorf("%q is read as %s", text, a.String())
		}
	})
}
