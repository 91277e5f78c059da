// Package declare describes APIs that are billed by what their requests and answers say, in YAML alone:
// endpoints, and price rules whose conditions and counts are CEL expressions. It compiles and evaluates
// them; it is pure, and every expression has a bound of cost.
package declare

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

// EndpointYAML is one call of an API as people describe it.
type EndpointYAML struct {
	Name        string            `yaml:"name" doc:"A name for the ledger. Default: method and path."`
	Method      string            `yaml:"method,required" enum:"GET,POST,PUT,PATCH,DELETE,HEAD" doc:"The HTTP method."`
	Path        string            `yaml:"path,required" doc:"Path template such as /v1/forecast/{city}; {rest...} at the end takes the rest."`
	Body        string            `yaml:"body" enum:"json,form,bytes,events" doc:"How rules read the request's body; bytes counts it only. Default: they do not, and it streams past. events is a stream of events that AWS's clients sign one by one (application/vnd.amazon.eventstream), of an API of type sigv4: it streams past too, and each event is verified and signed anew."`
	Terms       map[string]string `yaml:"terms" doc:"Texts that conditions and counts can name, as terms.NAME."`
	ChargedWhen string            `yaml:"charged_when" doc:"CEL: whether the provider bills the call, by status, answer and answer_header. Default: status < 400."`
	Price       []PriceYAML       `yaml:"price,required" doc:"What a call costs, such as {per_request_usd: 0.001}, or 0 if it is free; or a list of prices, of which the first whose when holds applies. What has no price is not routable."`
}

// PriceYAML is one price of an endpoint.
type PriceYAML struct {
	SKU           string       `yaml:"sku" doc:"The provider's name of this price, for the ledger. Needed where an endpoint has several."`
	When          string       `yaml:"when" doc:"CEL: whether the price applies, by path, query, header, body and body_bytes of the request. Default: always."`
	PerRequestUSD *Dollars     `yaml:"per_request_usd" doc:"Dollars a call."`
	Charges       []ChargeYAML `yaml:"charges" doc:"What else is billed, by what is counted."`
}

// ChargeYAML is one thing that is counted and billed.
type ChargeYAML struct {
	Unit     string   `yaml:"unit,required" doc:"What is counted: messages, characters, seconds, pages, images, bytes, amount_cents, requests, input_tokens and so on."`
	Count    string   `yaml:"count,required" doc:"CEL: how many, a whole number; of the request or, with at_most, of the answer."`
	AtMost   string   `yaml:"at_most" doc:"CEL: a true upper bound by the request alone, held until the answer is there. Required where count reads the answer."`
	Estimate string   `yaml:"estimate" doc:"CEL: how many where count has no value in an answer, by answer, answer_bytes and bound, which is what was held by unit: the entry is marked estimated, method formula, and is at most the bound. Default: the bound."`
	USD      *Dollars `yaml:"usd,required" doc:"Dollars for as many units as per says."`
	Per      int64    `yaml:"per" doc:"How many units usd is for, such as 1000. Default: 1."`
}

// Dollars is an amount of dollars, exact to the pico-dollar.
type Dollars struct{ pico *big.Int }

// picoPlaces are the decimals of a dollar that are kept.
const picoPlaces = 12

// maxDollars bounds a price: as a rate it must fit into pico-dollars.
const maxDollars = 1_000_000

// UnmarshalText reads a decimal number of dollars.
func (d *Dollars) UnmarshalText(b []byte) error {
	text := strings.ReplaceAll(string(b), "_", "")
	if strings.Trim(text, "0123456789.") != "" || strings.Count(text, ".") > 1 || strings.Trim(text, ".") == "" || len(text) > 40 {
		return fmt.Errorf("%q is not an amount of dollars: write for instance 0.0004", clip(string(b)))
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return fmt.Errorf("%q is not an amount of dollars: write for instance 0.0004", clip(string(b)))
	}
	if r.Cmp(big.NewRat(maxDollars, 1)) > 0 {
		return errors.New("above a million dollars")
	}
	if r.Mul(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(picoPlaces), nil))); !r.IsInt() {
		return fmt.Errorf("%s has more than %d decimals", clip(string(b)), picoPlaces)
	}
	d.pico = r.Num()
	return nil
}

// SchemaHint describes an amount.
func (*Dollars) SchemaHint() strictyaml.Hint {
	return strictyaml.Hint{Pattern: `^[0-9_]*[0-9][0-9_]*(\.[0-9_]*)?$`, Examples: []string{"0.0004", "12.50"}, Number: true}
}

// rate gives the exact rate of one of so many units; of seconds, of an hour's.
func (d *Dollars) rate(unit sentinel.Unit, per int64) (sentinel.PicoUSD, error) {
	if d == nil || d.pico == nil { // its text is a fault already
		return 0, nil
	}
	n := d.pico
	if unit == sentinel.Seconds {
		n = new(big.Int).Mul(n, big.NewInt(3600))
	}
	q, rest := new(big.Int).QuoRem(n, big.NewInt(per), new(big.Int))
	if rest.Sign() != 0 {
		return 0, fmt.Errorf("divided by %d it is not a whole number of pico-dollars", per)
	}
	if !q.IsInt64() {
		return 0, errors.New("too large for one unit")
	}
	return sentinel.PicoUSD(q.Int64()), nil
}

// clip shortens a text that a message quotes.
func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}
