package provider

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// stripe is the API of stripe.com: any call, and a fee by amount where a card is charged.
var stripe = Preset{
	Name: "stripe", Host: "api.stripe.com", Credential: "bearer", dialect: stripeDialect{},
	Endpoints: []Endpoint{
		{Name: "charges.create", Method: "POST", Path: "/v1/charges", Body: BodyForm, Meters: true},
		{Name: "charges.capture", Method: "POST", Path: "/v1/charges/{id}/capture", Body: BodyForm, Meters: true},
		{Name: "payment_intents.create", Method: "POST", Path: "/v1/payment_intents", Body: BodyForm, Meters: true},
		{Name: "payment_intents.confirm", Method: "POST", Path: "/v1/payment_intents/{id}/confirm", Body: BodyForm, Meters: true},
		{Name: "payment_intents.capture", Method: "POST", Path: "/v1/payment_intents/{id}/capture", Body: BodyForm, Meters: true},
		{Name: "invoices.pay", Method: "POST", Path: "/v1/invoices/{id}/pay", Body: BodyForm, Meters: true},
		{Name: "get", Method: "GET", Path: "/v1/{" + stripeSelling + "...}"},
		{Name: "post", Method: "POST", Path: "/v1/{" + stripeSelling + "...}", Body: BodyForm},
		{Name: "delete", Method: "DELETE", Path: "/v1/{" + stripeSelling + "...}"},
		// Payouts, transfers, connected accounts, cards that are issued, webhooks, keys, and whatever Stripe adds.
		{Name: "any.get", Method: "GET", Path: "/v1/{path...}", Closed: true},
		{Name: "any.post", Method: "POST", Path: "/v1/{path...}", Body: BodyForm, Closed: true},
		{Name: "any.delete", Method: "DELETE", Path: "/v1/{path...}", Closed: true},
	},
}

// stripeSelling are the resources with which a service sells: their money comes in, or goes back to who paid it.
const stripeSelling = "balance|balance_transactions|billing|billing_portal|charges|checkout|climate|confirmation_tokens|country_specs|coupons|" +
	"credit_notes|customer_sessions|customers|disputes|entitlements|events|exchange_rates|file_links|files|identity|invoice_payments|" +
	"invoice_rendering_templates|invoiceitems|invoices|mandates|payment_intents|payment_links|payment_method_configurations|" +
	"payment_method_domains|payment_methods|plans|prices|products|promotion_codes|quotes|radar|refunds|reporting|reviews|setup_attempts|" +
	"setup_intents|shipping_rates|sigma|sources|subscription_items|subscription_schedules|subscriptions|tax|tax_codes|tax_rates|" +
	"terminal|test_helpers|tokens"

// stripeForOthers are form fields that send a charge's money to another account, or act for one.
var stripeForOthers = []string{"transfer_data", "on_behalf_of", "application_fee_amount", "application_fee_percent", "application_fee", "destination", "account", "stripe_account"}

// largestCharge is the most cents that Stripe charges at once.
const largestCharge = 99_999_999

// largestAmount bounds what an answer may say in the smallest unit of any currency.
const largestAmount = 1_000_000_000_000

type stripeDialect struct{}

func (stripeDialect) readRequest(e Endpoint, r RawRequest) (Request, error) {
	rq := flatRequest()
	if strings.HasSuffix(r.Path, "/") || strings.Contains(r.Path, ";") {
		return rq, badRequest("path", "a trailing slash or a semicolon could hide a charge behind a call without a fee")
	}
	form, query, err := stripeForm(r)
	if err != nil {
		return rq, err
	}
	if !e.Meters {
		if e.Method == "POST" && !stripeFree(r.Path) {
			rq.Tier = tierBilledLater
		}
		return rq, nil
	}
	for _, key := range []string{"amount", "amount_to_capture", "currency"} {
		if len(form[key]) > 1 {
			return rq, badRequest(key, "this field stands twice")
		}
		if query.Has(key) {
			return rq, badRequest(key, "this field must stand in the body")
		}
	}
	currency := strings.ToLower(form.Get("currency"))
	if _, ok := r.Currencies.cents(0, currency); !ok {
		return rq, badRequest("currency", "%q has no exchange rate in the policy: give it under currencies", clip(currency))
	}
	amount, err := formAmount(form)
	if err != nil {
		return rq, err
	}
	if amount < largestCharge {
		amount, _ = r.Currencies.cents(amount, currency)
	}
	rq.Bound[sentinel.AmountCents], rq.Bound[sentinel.Messages] = amount, 1
	return rq, nil
}

// stripeForm reads the fields of a request from its body and its query, and refuses those that act for another account.
func stripeForm(r RawRequest) (form, query url.Values, err error) {
	if form, err = url.ParseQuery(string(r.Body)); err != nil {
		return nil, nil, badRequest("body", "not a valid form")
	}
	if query, err = url.ParseQuery(r.Query); err != nil {
		return nil, nil, badRequest("query", "not a valid query")
	}
	if r.OnBehalf {
		return form, query, nil
	}
	for _, name := range []string{"stripe-account", "stripe-context"} {
		if r.Header != nil && r.Header(name) != "" {
			return nil, nil, badRequest(name, "this header acts for another account: the policy allows it with on_behalf: true")
		}
	}
	for _, fields := range []url.Values{form, query} {
		for key := range fields {
			for segment := range strings.SplitSeq(key, "[") {
				if slices.Contains(stripeForOthers, strings.TrimSuffix(segment, "]")) {
					return nil, nil, badRequest(clip(key), "this field sends money to another account or acts for one: the policy allows it with on_behalf: true")
				}
			}
		}
	}
	return form, query, nil
}

// tierBilledLater marks a call that no price list knows: it makes Stripe take money later, or by a product with a
// price of its own (subscriptions, checkout, invoices, payouts, terminals and so on). The policy says what
// happens to calls without a price; they are never silently free.
const tierBilledLater = "billed_later"

// stripeFreeKinds are resources whose creation and change moves no money and has no fee.
var stripeFreeKinds = map[string]bool{
	"customers": true, "refunds": true, "payment_methods": true, "setup_intents": true, "products": true, "prices": true, "plans": true,
	"coupons": true, "promotion_codes": true, "tax_rates": true, "invoiceitems": true, "tokens": true, "sources": true, "webhook_endpoints": true,
	"files": true, "file_links": true, "ephemeral_keys": true, "charges": true, "payment_intents": true, "disputes": true, "test_helpers": true,
	"shipping_rates": true, "payment_method_configurations": true, "payment_method_domains": true, "customer_sessions": true,
}

// stripeBilledActions are parts of free resources that take money.
var stripeBilledActions = map[string]bool{
	"subscriptions": true, "confirm": true, "capture": true, "increment_authorization": true, "verify_microdeposits": true, "apply_customer_balance": true, "pay": true,
}

// stripeFree tells whether a POST to a path has no fee.
func stripeFree(path string) bool {
	segments := strings.Split(strings.TrimPrefix(path, "/v1/"), "/")
	for _, s := range segments[1:] {
		if stripeBilledActions[s] {
			return false
		}
	}
	return stripeFreeKinds[segments[0]]
}

// formAmount gives the most cents that a form can move. A capture or confirmation may name none: it
// moves what the charge was made for.
func formAmount(form url.Values) (int64, error) {
	var most int64
	named := false
	for _, key := range []string{"amount", "amount_to_capture"} {
		v := form.Get(key)
		if v == "" {
			continue
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 || n > largestCharge {
			return 0, badRequest(key, "a whole number up to %d is expected", largestCharge)
		}
		most, named = max(most, n), true
	}
	if !named {
		return largestCharge, nil
	}
	return most, nil
}

func (stripeDialect) withModel(Endpoint, RawRequest, Request, string) ([]byte, string, error) {
	return nil, "", badRequest("", "Stripe has no models")
}

// stripeMembers are what an answer's fee depends on.
var stripeMembers = []string{"object", "amount", "amount_captured", "amount_received", "amount_paid", "paid", "captured", "status", "currency"}

func (stripeDialect) newMeter(s MeterSpec) Meter {
	switch {
	case s.Status >= 300, s.Header != nil && s.Header("idempotent-replayed") == "true": // a replay moves no money again
		return nothingUsed{}
	case !s.Endpoint.Meters:
		return oneRequest{}
	}
	return newJSONMeter(s, s.Currencies.stripeUsage, stripeMembers)
}

// methodOtherCurrency marks money that was moved in a currency without an exchange rate: its smallest units are
// counted as cents. Requests that name such a currency are refused; a confirmation or capture does not name it.
const methodOtherCurrency = "other_currency"

// stripeUsage finds the amount that a charge, payment intent or invoice really moved: a fee is due when
// money was taken, not when a call was made.
func (x Currencies) stripeUsage(found *scanner) (Metered, bool) {
	out := Metered{Usage: sentinel.Usage{sentinel.Requests: 1}, Reported: true}
	var moved int64
	switch unquote(found.get("object")) {
	case "charge":
		if string(found.get("paid")) != "true" || string(found.get("captured")) == "false" {
			return out, true
		}
		moved = cents64(found.get("amount_captured"))
		if moved == 0 {
			moved = cents64(found.get("amount"))
		}
	case "payment_intent":
		if unquote(found.get("status")) != "succeeded" {
			return out, true
		}
		moved = cents64(found.get("amount_received"))
	case "invoice":
		if unquote(found.get("status")) != "paid" {
			return out, true
		}
		if moved = cents64(found.get("amount_paid")); moved == 0 {
			return out, true
		}
	default:
		return Metered{}, false
	}
	var c clamp
	moved = c.within(moved, largestAmount)
	cents, known := x.cents(moved, strings.ToLower(unquote(found.get("currency"))))
	out.Usage[sentinel.AmountCents], out.Usage[sentinel.Messages] = c.within(cents, largestCharge), 1
	if out.Method = c.method(); !known {
		out.Method, out.Reported = methodOtherCurrency, false
	}
	return out, true
}

func cents64(raw []byte) int64 {
	var n int64
	if json.Unmarshal(raw, &n) != nil {
		return 0
	}
	return n
}

func (stripeDialect) errorBody(r Refusal) Shape {
	kind := "invalid_request_error"
	if r.Status >= 500 {
		kind = "api_error"
	}
	return jsonShape(map[string]any{"error": map[string]any{"message": r.Message, "type": kind, "code": r.Code}})
}
