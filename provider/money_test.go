package provider

import (
	"errors"
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

// A confirmation names no currency: 700,000 yen must not be booked as 7,000 dollars.
func TestAnotherCurrencyIsNotCountedAsCents(t *testing.T) {
	for _, body := range []string{
		`{"object":"payment_intent","amount_received":700000,"currency":"jpy","status":"succeeded"}`,
		`{"object":"charge","amount":700000,"captured":true,"currency":"eur","paid":true}`,
	} {
		if got := meterOf(stripe, stripe.Endpoints[0], body); got.Usage != (sentinel.Usage{sentinel.Requests: 1}) || got.Method != methodOtherCurrency || !got.Reported {
			t.Errorf("%s: %+v", body, got)
		}
	}
	if got := meterOf(stripe, stripe.Endpoints[0], `{"object":"charge","amount":700,"captured":true,"currency":"usd","paid":true}`); got.Usage[sentinel.AmountCents] != 700 || got.Method != "" {
		t.Errorf("dollars: %+v", got)
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
