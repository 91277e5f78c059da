package reconcile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/pricing"
)

// Bounds of a report: no provider has pages as large or as many for one period.
const (
	maxPages = 10_000
	maxPage  = 16 << 20 // bytes
)

// Report is a provider's own usage report.
type Report struct {
	URL  string // of the API, such as https://api.openai.com
	Key  sentinel.Secret
	HTTP *http.Client
	// Sign gives the headers that AWS wants, instead of a key; nil for the others.
	Sign func(r *http.Request, body []byte) error
	// Service narrows AWS's report to one product, in Cost Explorer's words: "Amazon Simple Storage Service".
	Service string
}

// Kind is one sort of report.
type Kind struct {
	URL      string // where its API is
	ByModel  bool   // false: days only
	MoneyFor string // what its costs are, for people
	Read     func(ctx context.Context, r Report, from, to time.Time) (Sums, error)
}

// Kinds are the reports by the preset of the provider whose they are.
var Kinds = map[string]Kind{
	"openai":    {"https://api.openai.com", true, "organization costs", openAI},
	"anthropic": {"https://api.anthropic.com", true, "cost report", anthropic},
	"stripe":    {"https://api.stripe.com", false, "fees of balance transactions", stripe},
	"aws":       {"https://ce.us-east-1.amazonaws.com", false, "unblended cost", costExplorer},
}

// KindOf finds the report of a preset; AWS has one for all of its services.
func KindOf(preset string) (Kind, bool) {
	if strings.HasPrefix(preset, "aws-") {
		preset = "aws"
	}
	k, ok := Kinds[preset]
	return k, ok
}

// get asks for one page, and reads it into v.
func (r Report) get(ctx context.Context, path string, q url.Values, header http.Header, v any) error {
	rq, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL+path+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	rq.Header = header
	return r.do(rq, nil, v)
}

func (r Report) do(rq *http.Request, body []byte, v any) error {
	if r.Sign != nil {
		if err := r.Sign(rq, body); err != nil {
			return err
		}
	}
	answer, err := r.HTTP.Do(rq) //nolint:gosec // its host is the operator's, from the configuration
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxPage+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: %w", rq.Method, rq.URL.Path, err)
	case len(text) > maxPage:
		return fmt.Errorf("%s %s: the page is over %d MiB", rq.Method, rq.URL.Path, maxPage>>20)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("%s %s: status %d: is the key one that may read the organisation's usage?", rq.Method, rq.URL.Path, answer.StatusCode)
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(v); err != nil {
		return fmt.Errorf("%s %s: %w", rq.Method, rq.URL.Path, err)
	}
	return nil
}

var errPages = fmt.Errorf("the report has more than %d pages: choose a shorter period", maxPages)

// cellOf files a model under its undated name.
func cellOf(at time.Time, model string) Cell {
	return Cell{at.UTC().Truncate(24 * time.Hour), Name(model)}
}

// Name is the model's name without its snapshot's date, which ledger and report need not both have.
func Name(model string) string {
	if name, ok := pricing.Undated(model); ok {
		return name
	}
	return model
}

// amount is a decimal number of JSON, bare or as text.
type amount struct{ big.Rat }

// UnmarshalJSON reads both forms exactly: money is no float.
func (a *amount) UnmarshalJSON(text []byte) error {
	s := strings.Trim(string(text), `"`)
	if len(s) > 64 {
		return errors.New("an amount of money is longer than 64 digits")
	}
	// SetString would work out 1e1000000000 before anybody can compare it, and reads fractions and powers of two, too.
	_, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	if decimal := strings.Trim(s, "+-.eE0123456789") == ""; !decimal || len(strings.TrimLeft(exponent, "+-0")) > 2 {
		return fmt.Errorf("%q is not an amount of money", s)
	}
	if _, ok := a.SetString(s); !ok {
		return fmt.Errorf("%q is not an amount of money", s)
	}
	return nil
}

// count is how much of something was used. What is summed up of so many cannot wrap.
type count int64

const maxCount = 10_000_000_000_000

// UnmarshalJSON refuses what nobody can have used.
func (n *count) UnmarshalJSON(text []byte) error {
	var v int64
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	if v < 0 || v > maxCount {
		return fmt.Errorf("a report of %d calls or tokens cannot be", v)
	}
	*n = count(v)
	return nil
}

// exactly adds up rationals by cell, so that each cell is rounded once.
type exactly map[Cell]*big.Rat

func (e exactly) add(c Cell, usd *big.Rat) {
	if e[c] == nil {
		e[c] = new(big.Rat)
	}
	e[c].Add(e[c], usd)
}

// into rounds to nano-dollars, half to even as the ledger, and files the sums.
func (e exactly) into(s Sums) error {
	for c, usd := range e {
		n := halfEven(new(big.Rat).Mul(usd, big.NewRat(int64(sentinel.USD), 1)))
		if !n.IsInt64() {
			return sentinel.ErrAmountRange
		}
		s.add(c, Sum{Cost: sentinel.NanoUSD(n.Int64())})
	}
	return nil
}

// cursor is how OpenAI's and Anthropic's reports say that there is more.
type cursor struct {
	HasMore  bool   `json:"has_more"`
	NextPage string `json:"next_page"`
}

// next is the page that follows, "" after the last.
func (c cursor) next() string {
	if !c.HasMore {
		return ""
	}
	return c.NextPage
}

// pages follows a report's cursor to its end, and gives each page to use.
func pages[P interface{ next() string }](ctx context.Context, r Report, path string, q url.Values, header http.Header, use func(P) error) error {
	for range maxPages {
		var p P
		if err := r.get(ctx, path, q, header, &p); err != nil {
			return err
		}
		if err := use(p); err != nil {
			return err
		}
		next := p.next()
		if next == "" {
			return nil
		}
		q.Set("page", next)
	}
	return errPages
}

// halfEven rounds to a whole number.
func halfEven(r *big.Rat) *big.Int {
	n, rest := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int)) // down; the rest is 0 or more
	twice := rest.Lsh(rest, 1).Cmp(r.Denom())
	if twice > 0 || twice == 0 && n.Bit(0) == 1 {
		n.Add(n, big.NewInt(1))
	}
	return n
}
