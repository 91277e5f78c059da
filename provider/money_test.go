package provider

import (
	"errors"
	"math"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// meterOf meters a whole JSON answer whose call was bounded.
func meterOf(p Preset, e Endpoint, body string) Metered {
	m := p.NewMeter(MeterSpec{Endpoint: e, Status: 200, ContentType: "application/json", Bound: sentinel.Usage{
		sentinel.InputTokens: 100, sentinel.OutputTokens: AsModelAllows, sentinel.AmountCents: 5000, sentinel.Messages: 1,
	}})
	m.Write([]byte(body))
	return m.Finish(true)
}

func TestAnAnswerThatReportsNothingStaysAtItsBound(t *testing.T) {
	want := sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 100, sentinel.AmountCents: 5000, sentinel.Messages: 1}
	for body, p := range map[string]Preset{`{"usage":{}}`: openAI, `{"usage":{"total_tokens":5}}`: openAI, `{"object":"cha`: stripe} {
		if got := meterOf(p, p.Endpoints[0], body); got.Usage != want || got.Method != "bound" || got.Reported {
			t.Errorf("%s: %+v, want %v", body, got, want)
		}
	}
	if got := meterOf(openAI, openAI.Endpoints[0], `{"usage":{"prompt_tokens":0}}`); !got.Reported || got.Usage != (sentinel.Usage{sentinel.Requests: 1}) {
		t.Errorf("a report of nothing used: %+v", got)
	}
}

// A confirmation names no currency: with a rate 700,000 yen are 4,704 dollars, without one they are an estimate.
func TestOtherCurrenciesAreConverted(t *testing.T) {
	rates := Currencies{"jpy": 6_720_000, "eur": 1_084_250_000, "kwd": 3_260_000_000, "xau": math.MaxInt64}
	for body, want := range map[string]struct {
		cents  int64
		method string
	}{
		`{"object":"payment_intent","amount_received":700000,"currency":"jpy","status":"succeeded"}`: {470_400, ""},
		`{"object":"charge","amount":2000,"captured":true,"currency":"EUR","paid":true}`:             {2169, ""}, // 2168.5
		`{"object":"charge","amount":1500,"captured":true,"currency":"kwd","paid":true}`:             {489, ""},
		`{"object":"charge","amount":700,"captured":true,"currency":"usd","paid":true}`:              {700, ""},
		`{"object":"charge","amount":700,"captured":true,"currency":"chf","paid":true}`:              {700, methodOtherCurrency},
		`{"object":"charge","amount":999999999999,"captured":true,"currency":"xau","paid":true}`:     {largestCharge, methodOtherCurrency}, // more cents than int64 has
		`{"object":"invoice","status":"paid","amount_paid":5000,"currency":"usd"}`:                   {5000, ""},
		`{"object":"invoice","status":"open","amount_paid":0,"currency":"usd"}`:                      {0, ""},
		`{"object":"charge","amount":9000000000000,"captured":true,"currency":"usd","paid":true}`:    {largestCharge, methodClamped},
	} {
		m := stripe.NewMeter(MeterSpec{Endpoint: stripe.Endpoints[0], Status: 200, Currencies: rates})
		m.Write([]byte(body))
		if got := m.Finish(true); got.Usage[sentinel.AmountCents] != want.cents || got.Method != want.method || got.Reported != (want.method != methodOtherCurrency) {
			t.Errorf("%s: %+v, want %d cents by %q", body, got, want.cents, want.method)
		}
	}
}

// Stripe answers a repeated idempotency key with the first answer, and takes no money again.
func TestAReplayIsNotChargedAgain(t *testing.T) {
	m := stripe.NewMeter(MeterSpec{Endpoint: stripe.Endpoints[0], Status: 200, Header: func(n string) string {
		return map[string]string{"idempotent-replayed": "true"}[n]
	}})
	m.Write([]byte(`{"object":"charge","amount":700,"captured":true,"currency":"usd","paid":true}`))
	if got := m.Finish(true); got.Usage != (sentinel.Usage{}) || !got.Reported {
		t.Errorf("a replay used %+v", got)
	}
}

func TestWhatStripeBillsLaterIsNotFree(t *testing.T) {
	p, e := use(t, "stripe", "post")
	for path, want := range map[string]string{
		"/v1/customers": "", "/v1/customers/cus_1": "", "/v1/customers/cus_1/subscriptions": tierBilledLater, "/v1/refunds": "",
		"/v1/subscriptions": tierBilledLater, "/v1/subscriptions/sub_1": tierBilledLater, "/v1/checkout/sessions": tierBilledLater,
		"/v1/invoices": tierBilledLater, "/v1/invoices/in_1/finalize": tierBilledLater, "/v1/payment_intents/pi_1": "",
		"/v1/payment_intents/pi_1/increment_authorization": tierBilledLater, "/v1/payouts": tierBilledLater, "/v1/something_new": tierBilledLater,
	} {
		rq, err := p.ReadRequest(e, RawRequest{Path: path})
		if err != nil || rq.Tier != want {
			t.Errorf("POST %s has the tier %q, %v; want %q", path, rq.Tier, err, want)
		}
	}
}

func TestAmountsHaveOnePlace(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for name, tt := range map[string]struct {
		body, query string
		cents       int64
		field       string // of the fault
	}{
		"the larger of two":     {"amount=900&amount_to_capture=5", "", 900, ""},
		"nothing":               {"amount=0", "", 0, ""},
		"none named":            {"", "", largestCharge, ""},
		"other query":           {"amount=7", "expand[]=customer", 7, ""},
		"amount twice, escaped": {"amount=1&%61mount=2000", "", 0, "amount"},
		"amount in the query":   {"amount=1", "amount=2000", 0, "amount"},
		"currency in the query": {"amount=1&currency=usd", "currency=jpy", 0, "currency"},
		"broken query":          {"amount=1", "a=%zz", 0, "query"},
		"a bracket behind":      {"amount=1&amount]=2000", "", 0, "body"},
		"a bracket before":      {"amount=1&%5bamount=2000", "", 0, "body"},
		"a blank before":        {"amount=1& amount=2000", "", 0, "body"},
		"a line before":         {"amount=1&%0aamount=2000", "", 0, "body"},
		"no name":               {"amount=1&=2000", "", 0, "body"},
		"a name in the query":   {"amount=1", "amount%00=2000", 0, "query"},
		"parts of a name":       {"amount=7&metadata[order no]=1&items[0][price]=p&expand[]=customer", "", 7, ""},
	} {
		t.Run(name, func(t *testing.T) {
			rq, err := stripe.ReadRequest(stripe.Endpoints[0], RawRequest{Path: "/v1/charges", Body: []byte(tt.body), Query: tt.query, ContentType: form})
			var bad *BadRequest
			if errors.As(err, &bad) != (tt.field != "") || bad != nil && bad.Field != tt.field {
				t.Fatalf("%q?%q: %v, want a fault of %q", tt.body, tt.query, err, tt.field)
			}
			if err == nil && rq.Bound[sentinel.AmountCents] != tt.cents {
				t.Errorf("%q: at most %d cents, want %d", tt.body, rq.Bound[sentinel.AmountCents], tt.cents)
			}
		})
	}
}

func TestMoneyStaysWithTheCredentialsAccount(t *testing.T) {
	read := func(onBehalf bool, body, query, header string) error {
		_, err := stripe.ReadRequest(stripe.Endpoints[0], RawRequest{Path: "/v1/charges", Body: []byte(body), Query: query, ContentType: "application/x-www-form-urlencoded", OnBehalf: onBehalf,
			Header: func(name string) string {
				if name == header {
					return "acct_1"
				}
				return ""
			}})
		return err
	}
	for name, tt := range map[string]struct{ body, query, header, field string }{
		"a field":            {"amount=1&on_behalf_of=acct_1", "", "", "on_behalf_of"},
		"a part":             {"amount=1&transfer_data[destination]=acct_1", "", "", "transfer_data[destination]"},
		"a part of another":  {"amount=1&intent%5Btransfer_data%5D%5Bdestination%5D=a", "", "", "intent[transfer_data][destination]"},
		"brackets around it": {"amount=1&[transfer_data][destination]=acct_1", "", "", "body"},
		"in the query":       {"amount=1", "application_fee_amount=1", "", "application_fee_amount"},
		"a header":           {"amount=1", "", "stripe-account", "stripe-account"},
		"another header":     {"amount=1", "", "stripe-context", "stripe-context"},
	} {
		t.Run(name, func(t *testing.T) {
			var bad *BadRequest
			if err := read(false, tt.body, tt.query, tt.header); !errors.As(err, &bad) || bad.Field != tt.field {
				t.Errorf("%q?%q with %q: %v, want a fault of %q", tt.body, tt.query, tt.header, err, tt.field)
			}
			if err := read(true, tt.body, tt.query, tt.header); tt.field != "body" && err != nil {
				t.Errorf("on behalf of others: %v", err)
			}
		})
	}
}
