package mockapi

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// stripeKinds are the resources that can be made, by the first segment of their path.
var stripeKinds = map[string]struct{ object, prefix string }{
	"charges":         {"charge", "ch_"},
	"customers":       {"customer", "cus_"},
	"payment_intents": {"payment_intent", "pi_"},
	"payment_methods": {"payment_method", "pm_"},
	"products":        {"product", "prod_"},
	"prices":          {"price", "price_"},
	"refunds":         {"refund", "re_"},
	"subscriptions":   {"subscription", "sub_"},
	"invoices":        {"invoice", "in_"},
}

// stripeRecords keeps what was made, at most maxRecords of it: past that the oldest goes.
type stripeRecords struct {
	mu    sync.Mutex
	next  int
	byID  map[string]map[string]any
	order []string
}

func newStripeRecords() *stripeRecords { return &stripeRecords{byID: map[string]map[string]any{}} }

// make stores fields as a new resource and gives a copy of it.
func (s *stripeRecords) make(kind string, fields map[string]any) map[string]any {
	k := stripeKinds[kind]
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.order) >= maxRecords {
		delete(s.byID, s.order[0])
		s.order = s.order[1:]
	}
	s.next++
	id := fmt.Sprintf("%smock%08d", k.prefix, s.next)
	v := map[string]any{"id": id, "object": k.object, "created": epoch + s.next, "livemode": false, "metadata": map[string]any{}}
	maps.Copy(v, fields)
	s.byID[id] = v
	s.order = append(s.order, id)
	return maps.Clone(v)
}

// change merges fields into a resource, and gives a copy of it; nil when there is none.
func (s *stripeRecords) change(id string, fields map[string]any) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.byID[id]
	if v == nil {
		return nil
	}
	maps.Copy(v, fields)
	return maps.Clone(v)
}

// list gives the newest first, at most limit.
func (s *stripeRecords) list(object string, limit int) (page []any, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	page = []any{}
	for i := len(s.order) - 1; i >= 0; i-- {
		v := s.byID[s.order[i]]
		if v == nil || v["object"] != object {
			continue
		}
		if len(page) == limit {
			return page, true
		}
		page = append(page, maps.Clone(v))
	}
	return page, false
}

// stripe serves creation, retrieval, change, listing and deletion of the common resources, and the
// confirm and capture of a payment.
func stripe(x *exchange) {
	if x.r.Method == http.MethodGet && x.path == "/v1/balance_transactions" {
		x.balanceTransactions()
		return
	}
	segments := strings.Split(strings.TrimPrefix(x.path, "/v1/"), "/")
	kind, id, verb := segments[0], "", ""
	if len(segments) > 1 {
		id = segments[1]
	}
	if len(segments) > 2 {
		verb = segments[2]
	}
	x.w.Header().Set("Request-Id", fmt.Sprintf("req_%016x", x.draw()))
	if _, ok := x.begin(stripeEndpoint(x.r.Method, kind, id, verb), ""); !ok {
		return
	}
	known := stripeKinds[kind].object != ""
	switch {
	case kind == "balance" && x.r.Method == http.MethodGet:
		sum := []any{map[string]any{"amount": 1_000_000, "currency": "usd", "source_types": map[string]any{"card": 1_000_000}}}
		x.answer(http.StatusOK, map[string]any{"object": "balance", "available": sum, "pending": sum, "livemode": false}, stripeUsage(nil))
	case !known || len(segments) > 3:
		x.refuse(http.StatusNotFound, "resource_missing", "Unrecognized request URL ("+x.r.Method+": "+x.path+")")
	case x.r.Method == http.MethodGet && id == "":
		limit, err := strconv.Atoi(x.r.URL.Query().Get("limit"))
		if err != nil || limit < 1 || limit > 100 {
			limit = 10
		}
		page, more := x.server.stripe.list(stripeKinds[kind].object, limit)
		x.answer(http.StatusOK, map[string]any{"object": "list", "url": x.path, "has_more": more, "data": page}, stripeUsage(nil))
	case x.r.Method == http.MethodGet:
		x.stripeFound(x.server.stripe.change(id, nil), id)
	case x.r.Method == http.MethodDelete:
		x.stripeFound(x.server.stripe.change(id, map[string]any{"deleted": true}), id)
	case x.r.Method == http.MethodPost && id == "":
		x.stripeCreate(kind)
	case x.r.Method == http.MethodPost:
		x.stripeChange(kind, id, verb)
	default:
		x.refuse(http.StatusMethodNotAllowed, "method_not_allowed", x.r.Method+" is not supported")
	}
}

// stripeEndpoint names what moves money, and the rest by its method.
func stripeEndpoint(method, kind, id, verb string) string {
	money := kind == "charges" || kind == "payment_intents"
	switch {
	case method == http.MethodPost && money && id == "":
		return kind + ".create"
	case method == http.MethodPost && money && (verb == "confirm" && kind == "payment_intents" || verb == "capture"):
		return kind + "." + verb
	}
	return strings.ToLower(method)
}

func (x *exchange) stripeCreate(kind string) {
	form, err := formFields(string(x.body))
	if err != nil {
		x.refuse(http.StatusBadRequest, "parameter_invalid", err.Error())
		return
	}
	if kind == "charges" || kind == "payment_intents" {
		if n, _ := form["amount"].(int64); n < 1 || form["currency"] == nil {
			x.refuse(http.StatusBadRequest, "parameter_missing", "amount and currency are required, and amount is a positive integer")
			return
		}
		if form["source"] == "tok_chargeDeclined" || form["payment_method"] == "pm_card_chargeDeclined" {
			x.refuse(http.StatusPaymentRequired, "card_declined", "Your card was declined.")
			return
		}
		settlePayment(kind, form)
	}
	v := x.server.stripe.make(kind, form)
	x.answer(http.StatusOK, v, stripeUsage(v))
}

// settlePayment sets the state of a new payment: captured, waiting for its capture, or waiting to be confirmed.
func settlePayment(kind string, form map[string]any) {
	amount := form["amount"]
	if kind == "charges" {
		captured := form["capture"] != "false"
		form["paid"], form["status"], form["captured"] = true, "succeeded", captured
		form["amount_captured"], form["amount_refunded"], form["refunded"] = int64(0), int64(0), false
		if captured {
			form["amount_captured"] = amount
		}
		return
	}
	form["status"], form["amount_received"] = "requires_confirmation", int64(0)
	form["client_secret"] = "pi_mock_secret_mock"
	if form["confirm"] == "true" {
		maps.Copy(form, confirmed(form))
	}
}

// confirmed are the fields that a confirmation sets.
func confirmed(intent map[string]any) map[string]any {
	if intent["capture_method"] == "manual" {
		return map[string]any{"status": "requires_capture", "amount_capturable": intent["amount"]}
	}
	return map[string]any{"status": "succeeded", "amount_received": intent["amount"]}
}

func (x *exchange) stripeChange(kind, id, verb string) {
	now := x.server.stripe.change(id, nil)
	if now == nil {
		x.stripeFound(nil, id)
		return
	}
	form, err := formFields(string(x.body))
	if err != nil {
		x.refuse(http.StatusBadRequest, "parameter_invalid", err.Error())
		return
	}
	switch {
	case verb == "":
		x.answer(http.StatusOK, x.server.stripe.change(id, form), stripeUsage(nil))
		return
	case kind == "payment_intents" && verb == "confirm" && now["status"] == "requires_confirmation":
		form = confirmed(now)
	case kind == "payment_intents" && verb == "capture" && now["status"] == "requires_capture":
		form = map[string]any{"status": "succeeded", "amount_received": captureAmount(form, "amount_to_capture", now)}
	case kind == "charges" && verb == "capture" && now["captured"] == false:
		form = map[string]any{"captured": true, "amount_captured": captureAmount(form, "amount", now)}
	default:
		x.refuse(http.StatusBadRequest, "unexpected_state", "cannot "+verb+" "+id+" in its state")
		return
	}
	v := x.server.stripe.change(id, form)
	x.answer(http.StatusOK, v, stripeUsage(v))
}

func captureAmount(form map[string]any, key string, now map[string]any) any {
	if n, ok := form[key].(int64); ok {
		return n
	}
	return now["amount"]
}

func (x *exchange) stripeFound(v map[string]any, id string) {
	if v == nil {
		x.refuse(http.StatusNotFound, "resource_missing", "No such resource: '"+id+"'")
		return
	}
	x.answer(http.StatusOK, v, stripeUsage(nil))
}

// stripeUsage bills the money that this answer says has moved, in US dollars only: nothing for a
// payment that still waits for its capture.
func stripeUsage(v map[string]any) sentinel.Usage {
	var u sentinel.Usage
	u[sentinel.Requests] = 1
	if v["status"] != "succeeded" || v["currency"] != "usd" {
		return u
	}
	moved, _ := v["amount_received"].(int64)
	if v["object"] == "charge" {
		moved, _ = v["amount_captured"].(int64)
	}
	if moved > 0 {
		u[sentinel.AmountCents], u[sentinel.Messages] = moved, 1
	}
	return u
}

// formFields reads "a=1&metadata[order]=7" as Stripe does: whole numbers become numbers where the
// API has them, one level of brackets becomes an object, and deeper ones keep their text.
func formFields(body string) (map[string]any, error) {
	values, err := url.ParseQuery(body)
	if err != nil {
		return nil, fmt.Errorf("the form cannot be read: %w", err)
	}
	fields := map[string]any{}
	for key, vs := range values {
		text := vs[len(vs)-1]
		name, inner, nested := strings.Cut(strings.TrimSuffix(key, "]"), "[")
		switch {
		case nested && inner != "":
			m, ok := fields[name].(map[string]any)
			if !ok {
				m = map[string]any{}
				fields[name] = m
			}
			m[inner] = text
		case strings.HasPrefix(name, "amount"):
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("Invalid integer: %s", text) //nolint:staticcheck // Stripe's own sentence
			}
			fields[name] = n
		default:
			fields[name] = text
		}
	}
	return fields, nil
}
