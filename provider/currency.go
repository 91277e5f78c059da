package provider

import (
	"math"
	"math/bits"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Currencies are exchange rates that the policy gives: what one whole unit of a currency, named in lower case, is
// worth. US dollars need none.
type Currencies map[string]sentinel.NanoUSD

// Currencies without a smaller unit, and those with a thousandth, as Stripe counts them
// (https://docs.stripe.com/currencies).
const (
	wholeOnly   = " bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf "
	thousandths = " bhd jod kwd omr tnd "
)

// cents converts an amount in a currency's smallest unit to hundredths of a US dollar, rounded half up. Without a rate the
// smallest units are given as they are, and it is not ok. An unnamed currency is the dollar.
func (x Currencies) cents(amount int64, code string) (int64, bool) {
	if code == "" || code == "usd" {
		return amount, true
	}
	rate, ok := x[code]
	if !ok {
		return amount, false
	}
	units := uint64(100)
	switch {
	case strings.Contains(wholeOnly, " "+code+" "):
		units = 1
	case strings.Contains(thousandths, " "+code+" "):
		units = 1000
	}
	// amount ÷ units × rate nano-dollars, in cents of 10,000,000 nano-dollars.
	const nanoPerCent = uint64(sentinel.USD / 100)
	if amount < 0 || rate < 0 {
		return amount, false
	}
	per := units * nanoPerCent
	hi, lo := bits.Mul64(uint64(amount), uint64(rate))
	lo, carry := bits.Add64(lo, per/2, 0)
	if hi += carry; hi >= per {
		return amount, false
	}
	n, _ := bits.Div64(hi, lo, per)
	if n > math.MaxInt64 {
		return amount, false
	}
	return int64(n), true
}
