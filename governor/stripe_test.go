package governor

import (
	"testing"

	"github.com/saas-sentinel/saas-sentinel/provider"
)

// TestStripesFees are 2.9 % and 0.30 dollars of what was taken, and 1.5 % more of a card of another country: that is held, and booked where
// nobody can read the answer.
func TestStripesFees(t *testing.T) {
	s := state(t, "  stripe: {preset: stripe, credential: vault:secret/stripe#key}\n")
	charge := provider.RawRequest{Path: "/v1/charges", ContentType: "application/x-www-form-urlencoded", Body: []byte("amount=2000&currency=usd")}
	for name, tt := range map[string]pricedCall{
		"a charge":           {"stripe/charges.create", charge, 200, nil, `{"object":"charge","paid":true,"amount_captured":2000,"captured":true,"currency":"usd"}`, 1_180_000_000, 880_000_000, "standard", "", ""},
		"a German card":      {"stripe/charges.create", charge, 200, nil, `{"object":"charge","paid":true,"amount_captured":2000,"currency":"usd","payment_method_details":{"type":"card","card":{"country":"DE"}}}`, 1_180_000_000, 1_180_000_000, "international", "", ""},
		"not to be read":     {"stripe/charges.create", charge, 200, nil, `<html>`, 1_180_000_000, 1_180_000_000, "international", "bound", ""},
		"a replay":           {"stripe/charges.create", charge, 200, map[string]string{"idempotent-replayed": "true"}, `{"object":"charge","paid":true,"amount_captured":2000}`, 1_180_000_000, 0, "international", "", ""},
		"a subscription":     {"stripe/post", provider.RawRequest{Path: "/v1/subscriptions"}, 0, nil, ``, 0, 0, "", "", `no price is known for stripe on post by the price list "billed_later"`},
		"a customer is free": {"stripe/post", provider.RawRequest{Path: "/v1/customers"}, 200, nil, `{}`, 0, 0, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) { tt.run(t, s) })
	}
}
