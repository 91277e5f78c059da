package provider

import (
	"encoding/json"
	"net/url"
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
		{Name: "get", Method: "GET", Path: "/v1/{path...}"},
		{Name: "post", Method: "POST", Path: "/v1/{path...}"},
		{Name: "delete", Method: "DELETE", Path: "/v1/{path...}"},
	},
}

// largestCharge is the most cents that Stripe charges at once.
const largestCharge = 99_999_999

type stripeDialect struct{}

func (stripeDialect) readRequest(e Endpoint, r RawRequest) (Request, error) {
	rq := flatRequest()
	if strings.HasSuffix(r.Path, "/") || strings.Contains(r.Path, ";") {
		return rq, badRequest("path", "a trailing slash or a semicolon could hide a charge behind a call without a fee")
	}
	if e.Body == BodyNone {
		return rq, nil
	}
	if ct, _, _ := strings.Cut(r.ContentType, ";"); len(r.Body) > 0 && !strings.EqualFold(strings.TrimSpace(ct), "application/x-www-form-urlencoded") {
		return rq, badRequest("content-type", "application/x-www-form-urlencoded is expected")
	}
	form, err := url.ParseQuery(string(r.Body))
	if err != nil {
		return rq, badRequest("body", "not a valid form")
	}
	query, err := url.ParseQuery(r.Query)
	if err != nil {
		return rq, badRequest("query", "not a valid query")
	}
	for _, key := range []string{"amount", "amount_to_capture", "currency"} {
		if len(form[key]) > 1 {
			return rq, badRequest(key, "this field stands twice")
		}
		if query.Has(key) {
			return rq, badRequest(key, "this field must stand in the body")
		}
	}
	if c := form.Get("currency"); c != "" && !strings.EqualFold(c, "usd") {
		return rq, badRequest("currency", "only usd is priced yet")
	}
	amount, err := formAmount(form)
	if err != nil {
		return rq, err
	}
	rq.Bound[sentinel.AmountCents], rq.Bound[sentinel.Messages] = amount, 1
	return rq, nil
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
			return 0, badRequest(key, "a whole number of cents up to %d is expected", largestCharge)
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
var stripeMembers = []string{"object", "amount", "amount_captured", "amount_received", "paid", "captured", "status", "currency"}

func (stripeDialect) newMeter(s MeterSpec) Meter {
	switch {
	case s.Status >= 300:
		return nothingUsed{}
	case !s.Endpoint.Meters:
		return oneRequest{}
	}
	return newJSONMeter(s, stripeUsage, stripeMembers)
}

// methodOtherCurrency marks money that was moved in a currency without a price: the call counts as one
// request. Requests that name such a currency are refused; a confirmation or capture does not name it.
const methodOtherCurrency = "other_currency"

// stripeUsage finds the amount that a charge or payment intent really moved: a fee is due when
// money was taken, not when a call was made.
func stripeUsage(found *scanner) (Metered, bool) {
	out := Metered{Usage: sentinel.Usage{sentinel.Requests: 1}, Reported: true}
	var cents int64
	switch unquote(found.get("object")) {
	case "charge":
		if string(found.get("paid")) != "true" || string(found.get("captured")) == "false" {
			return out, true
		}
		cents = cents64(found.get("amount_captured"))
		if cents == 0 {
			cents = cents64(found.get("amount"))
		}
	case "payment_intent":
		if unquote(found.get("status")) != "succeeded" {
			return out, true
		}
		cents = cents64(found.get("amount_received"))
	default:
		return Metered{}, false
	}
	if c := unquote(found.get("currency")); c != "" && c != "usd" {
		out.Method = methodOtherCurrency
		return out, true
	}
	var c clamp
	out.Usage[sentinel.AmountCents], out.Usage[sentinel.Messages] = c.within(cents, largestCharge), 1
	out.Method = c.method()
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
