package provider

import (
	"math/big"
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
	units := int64(100)
	switch {
	case strings.Contains(wholeOnly, " "+code+" "):
		units = 1
	case strings.Contains(thousandths, " "+code+" "):
		units = 1000
	}
	// amount ÷ units × rate nano-dollars, in cents of 10,000,000 nano-dollars.
	const nanoPerCent = int64(sentinel.USD / 100)
	n := new(big.Int).Mul(big.NewInt(amount), big.NewInt(int64(rate)))
	per := new(big.Int).Mul(big.NewInt(units), big.NewInt(nanoPerCent))
	n.Add(n, new(big.Int).Rsh(per, 1))
	if n.Quo(n, per); !n.IsInt64() {
		return amount, false
	}
	return n.Int64(), true
}
