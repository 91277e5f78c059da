package provider

import (
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
	rq.Tier = stripeTier(true, currency != "usd")
	rq.Bound[sentinel.AmountCents], rq.Bound[sentinel.Messages] = amount, 1
	return rq, nil
}

// stripeForm reads the fields of a request from its body and its query, and refuses those that act for another account.
func stripeForm(r RawRequest) (form, query url.Values, err error) {
	if form, err = formFields("body", string(r.Body)); err != nil {
		return nil, nil, err
	}
	if query, err = formFields("query", r.Query); err != nil {
		return nil, nil, err
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

func (stripeDialect) errorBody(r Refusal) Shape {
	kind := "invalid_request_error"
	if r.Status >= 500 {
		kind = "api_error"
	}
	return jsonShape(map[string]any{"error": map[string]any{"message": r.Message, "type": kind, "code": r.Code}})
}
