package provider

import (
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// stripeTier names the price list of a fee: Stripe adds to the standard one where a card is of another country, and where it
// converts the money into dollars (https://stripe.com/pricing). Before the answer nobody knows the card's country.
func stripeTier(international, converted bool) string {
	switch {
	case international && converted:
		return "international_converted"
	case international:
		return "international"
	case converted:
		return "converted"
	}
	return "standard"
}

// stripeMembers are what an answer's fee depends on.
var stripeMembers = []string{
	"object", "amount", "amount_captured", "amount_received", "amount_paid", "paid", "captured", "status", "currency", "payment_method_details", "latest_charge",
}

func (stripeDialect) newMeter(s MeterSpec) Meter {
	switch {
	case s.Status >= 300, s.Header != nil && s.Header("idempotent-replayed") == "true": // a replay moves no money again
		return nothingUsed{}
	case !s.Endpoint.Meters:
		return oneRequest{}
	}
	return newJSONMeter(s, s.Currencies.stripeUsage, stripeMembers)
}

// Marks of money whose fee is not the one that was booked.
const (
	// methodOtherCurrency: it was moved in a currency without an exchange rate, whose smallest units are counted as cents. Requests
	// that name such a currency are refused; a confirmation or capture does not name it.
	methodOtherCurrency = "other_currency"
	// methodOtherPayment: it was taken from no card, such as from a bank account. That has a fee of its own; a card's was booked.
	methodOtherPayment = "other_payment"
)

// stripeUsage finds the amount that a charge, payment intent or invoice really moved: a fee is due when
// money was taken, not when a call was made.
func (x Currencies) stripeUsage(found *scanner) (Metered, bool) {
	out := Metered{Usage: sentinel.Usage{sentinel.Requests: 1}, Tier: stripeTier(false, false), Reported: true}
	moved, ok := stripeMoved(found)
	if !ok {
		return Metered{}, false
	}
	if moved == 0 {
		return out, true
	}
	var c clamp
	moved = c.within(moved, largestAmount)
	currency := strings.ToLower(unquote(found.get("currency")))
	cents, known := x.cents(moved, currency)
	out.Usage[sentinel.AmountCents], out.Usage[sentinel.Messages] = c.within(cents, largestCharge), 1
	by := stripePayment(found)
	out.Tier = stripeTier(by.international(), currency != "" && currency != "usd")
	switch out.Method = c.method(); {
	case !known:
		out.Method, out.Reported = methodOtherCurrency, false
	case by.kind != "" && by.kind != "card" && by.kind != "link":
		out.Method, out.Reported = methodOtherPayment, false
	}
	return out, true
}

// stripeMoved gives what was taken, in the currency's smallest unit; it is not ok for an object that takes nothing.
func stripeMoved(found *scanner) (moved int64, ok bool) {
	status := string(found.get("status"))
	switch string(found.get("object")) {
	case `"charge"`:
		if string(found.get("paid")) != "true" || string(found.get("captured")) == "false" {
			return 0, true
		}
		if moved = cents64(found.get("amount_captured")); moved == 0 {
			moved = cents64(found.get("amount"))
		}
		return moved, true
	case `"payment_intent"`:
		if status == `"succeeded"` {
			moved = cents64(found.get("amount_received"))
		}
		return moved, true
	case `"invoice"`:
		if status == `"paid"` {
			moved = cents64(found.get("amount_paid"))
		}
		return moved, true
	}
	return 0, false
}

// stripeMethod is what a charge tells of how it was paid.
type stripeMethod struct {
	kind    string
	country string // of the card
}

// international tells whether the card is of another country than the one whose prices the catalog has.
func (m stripeMethod) international() bool { return m.country != "" && m.country != "US" }

// stripePayment reads how a charge was paid; a payment intent has that within its latest charge, where the request expanded it.
func stripePayment(found *scanner) stripeMethod {
	var m stripeMethod
	if in := newReport(found.get("payment_method_details")); m.read(&in) && in.done() {
		return m
	}
	m = stripeMethod{}
	in := newReport(found.get("latest_charge"))
	for in.object(); in.member(); {
		if string(in.key) == "payment_method_details" {
			m.read(&in)
		} else {
			in.pass()
		}
	}
	if !in.done() {
		return stripeMethod{}
	}
	return m
}

func (m *stripeMethod) read(in *reportReader) bool {
	for in.object(); in.member(); {
		switch string(in.key) {
		case "type":
			in.word(&m.kind)
		case "card":
			for in.object(); in.member(); {
				if string(in.key) == "country" {
					in.word(&m.country)
				} else {
					in.pass()
				}
			}
		default:
			in.pass()
		}
	}
	return !in.bad
}

func cents64(raw []byte) int64 {
	var n count
	in := newReport(raw)
	if in.number(&n); !in.done() {
		return 0
	}
	return n.n
}
