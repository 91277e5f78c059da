package governor

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/pricing"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// limiter holds everything and remembers what was asked for and settled.
type limiter struct {
	asks    []sentinel.Ask
	settled []sentinel.Settlement
}

func (l *limiter) Reserve(_ context.Context, a sentinel.Ask) (sentinel.Reservation, error) {
	l.asks = append(l.asks, a)
	return sentinel.Reservation{Hold: "h"}, nil
}

func (l *limiter) Settle(_ context.Context, s sentinel.Settlement) (sentinel.Settled, error) {
	l.settled = append(l.settled, s)
	return sentinel.Settled{}, nil
}

func examples(t *testing.T) *State { return example(t, "custom_apis.yaml") }

// example compiles one of the policies of examples/.
func example(t *testing.T, name string) *State {
	t.Helper()
	data, err := os.ReadFile("../examples/" + name)
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := pricing.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	set, err := policy.Compile(policy.File{Name: name, Data: data}, policy.Options{Presets: provider.Names(), Agreed: pricing.CheckAgreed})
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewState(set, catalog)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestAnUnknownAPIIsPricedByYAMLAlone runs calls of the example's APIs from admission to settlement.
func TestAnUnknownAPIIsPricedByYAMLAlone(t *testing.T) {
	s := examples(t)
	form := "application/x-www-form-urlencoded"
	for name, tt := range map[string]pricedCall{
		// 20.00 dollars: 2.9 % are 0.58, and 0.30.
		"a charge": {"cards/charges.create", provider.RawRequest{ContentType: form, Body: []byte("amount=2000&currency=usd")}, 200, nil,
			`{"id":"ch_1","paid":true,"amount_captured":2000}`, 880_000_000, 880_000_000, "", "", ""},
		"captured in part": {"cards/charges.create", provider.RawRequest{ContentType: form, Body: []byte("amount=2000")}, 200, nil,
			`{"paid":true,"amount_captured":500}`, 880_000_000, 445_000_000, "", "", ""},
		"declined": {"cards/charges.create", provider.RawRequest{ContentType: form, Body: []byte("amount=2000")}, 402, nil,
			``, 880_000_000, 0, "", "", ""},
		"a replay": {"cards/charges.create", provider.RawRequest{ContentType: form, Body: []byte("amount=2000")}, 200,
			map[string]string{"idempotent-replayed": "true"}, `{"paid":true,"amount_captured":2000}`, 880_000_000, 0, "", "", ""},
		"an answer that nobody can read": {"cards/charges.create", provider.RawRequest{ContentType: form, Body: []byte("amount=2000")}, 200, nil,
			`<html>`, 880_000_000, 880_000_000, "", "bound", ""},
		"usage that lies": {"cards/charges.create", provider.RawRequest{ContentType: form, Body: []byte("amount=2000")}, 200, nil,
			`{"paid":true,"amount_captured":-7}`, 880_000_000, 300_000_000, "", "clamped", ""},
		"no amount":       {"cards/charges.create", provider.RawRequest{ContentType: form, Body: []byte("currency=usd")}, 0, nil, "", 0, 0, "", "", "cannot be priced"},
		"an amount twice": {"cards/charges.create", provider.RawRequest{ContentType: form, Body: []byte("amount=1&amount=9")}, 0, nil, "", 0, 0, "", "", "cannot be priced"},
		// 161 characters of the GSM alphabet are two segments.
		"two segments": {"sms/messages.create", provider.RawRequest{ContentType: form, Body: []byte("To=%2B15005550006&Body=" + strings.Repeat("a", 161))}, 201, nil,
			`{"num_segments":"2","price":null}`, 16_600_000, 16_600_000, "sms-us", "", ""},
		"another country": {"sms/messages.create", provider.RawRequest{ContentType: form, Body: []byte("To=%2B491711234567&Body=Gr%C3%BC%C3%9Fe")}, 201, nil,
			`{"num_segments":"1"}`, 112_000_000, 112_000_000, "sms-de", "", ""},
		"a country without a price": {"sms/messages.create", provider.RawRequest{ContentType: form, Body: []byte("To=%2B33612345678&Body=a")}, 0, nil, "", 0, 0, "", "", "no price"},
		"essential fields": {"places/places.get", provider.RawRequest{Path: "/v1/places/x", Header: func(string) string { return "id,displayName" }}, 200, nil,
			`{}`, 5_000_000, 5_000_000, "essentials", "", ""},
		"dear fields": {"places/places.get", provider.RawRequest{Path: "/v1/places/x", Header: func(string) string { return "id,reviews" }}, 200, nil,
			`{}`, 20_000_000, 20_000_000, "enterprise", "", ""},
		// 65,537 bytes are two blocks at 400 nano-dollars.
		"a large message": {"blobs/send", provider.RawRequest{Body: []byte(`{"a":"` + strings.Repeat("x", 65_537-8) + `"}`)}, 200, nil, `{}`, 800, 800, "", "", ""},
		// Two payload units of 25 KiB at 14 nano-dollars.
		"any service of AWS": {"streams/call", provider.RawRequest{Body: make([]byte, 30_000)}, 200, nil, ``, 28, 28, "", "", ""},
		"a server's fault":   {"blobs/send", provider.RawRequest{Body: []byte(`{}`)}, 500, nil, `{}`, 400, 0, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) { tt.run(t, s) })
	}
}

// Nobody knows before how long a stream of speech goes on: it costs what the longest does, four hours at 0.0004 dollars a second.
func TestTheExamplesSpeechCostsItsLongestStream(t *testing.T) {
	const longest = 14_400 * 400_000
	pricedCall{"speech/stream", provider.RawRequest{Path: "/stream-transcription"}, 200, nil, "", longest, longest, "", "", ""}.run(t, examples(t))
}

func TestACustomAPIOfAWSIsSigned(t *testing.T) {
	r, ok := examples(t).Routes["streams/call"]
	if !ok || r.Preset.SigningName != "kinesis" || r.Provider.Region != "us-east-1" || r.Provider.Credential.Kind != policy.CredentialSigV4 {
		t.Errorf("route %+v", r)
	}
}

// pricedCall is one call from admission to settlement.
type pricedCall struct {
	route   string
	raw     provider.RawRequest
	status  int
	header  map[string]string
	answer  string
	bound   sentinel.NanoUSD // held before the call
	cost    sentinel.NanoUSD // booked after it
	tier    string
	method  string
	refused string
}

func (tt pricedCall) run(t *testing.T, s *State) {
	j, l := &journal{}, &limiter{}
	g := New(Options{Journal: j, Limiter: l, Now: func() time.Time { return day }}, s)
	route, ok := s.Routes[tt.route]
	if !ok {
		t.Fatalf("no route %s", tt.route)
	}
	a, err := g.Admit(t.Context(), Request{State: s, Route: route, Raw: tt.raw, Call: sentinel.Call{
		ID: sentinel.NewCallID(day), At: day, Caller: sentinel.Caller{Org: "acme", Team: "platform", Service: "app"},
		Provider: route.Provider.Name, Endpoint: route.Endpoint.Name,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if tt.refused != "" {
		if !a.Verdict.Action.Refused() || !strings.Contains(a.Verdict.Detail, tt.refused) {
			t.Errorf("verdict %v %q, want a refusal with %q", a.Verdict.Action, a.Verdict.Detail, tt.refused)
		}
		return
	}
	if a.Verdict.Action.Refused() {
		t.Fatalf("refused: %s", a.Verdict.Detail)
	}
	if got := l.asks[0].Candidates[0].Bound[sentinel.MeasureCost]; got != int64(tt.bound) {
		t.Errorf("held %d, want %d", got, tt.bound)
	}
	ticket, err := ParseTicket(a.Ticket.Encode())
	if err != nil {
		t.Fatal(err)
	}
	m := route.Preset.NewMeter(provider.MeterSpec{
		Endpoint: route.Endpoint, Tier: ticket.Call.Tier, Status: tt.status, Bound: ticket.Bound, ContentType: "application/json",
		Header: func(n string) string { return tt.header[n] },
	})
	for i := range len(tt.answer) {
		m.Write([]byte(tt.answer[i : i+1]))
	}
	e, err := g.Settle(t.Context(), Outcome{Ticket: ticket, Metered: m.Finish(true), Status: tt.status})
	if err != nil || e.Cost != tt.cost || e.Tier != tt.tier || e.Method != tt.method {
		t.Errorf("booked %d of %q by %q, %v; want %d of %q by %q", e.Cost, e.Tier, e.Method, err, tt.cost, tt.tier, tt.method)
	}
	if got := l.settled[0].Actual[sentinel.MeasureCost]; got != int64(tt.cost) {
		t.Errorf("settled %d, want %d", got, tt.cost)
	}
	stays(t, s, e)
	lost := Lost{Intent: sentinel.Intent{Call: ticket.Call, Bound: ticket.Bound, BoundCost: tt.bound, PriceVersion: ticket.PriceVersion}}
	stays(t, s, lost.entry(day))
}

// stays fails where the same prices give an entry another cost than it is booked with.
func stays(t *testing.T, s *State, e sentinel.Entry) {
	t.Helper()
	if cost, version, err := s.Rerate(e); err != nil || cost != e.Cost || version != e.PriceVersion {
		t.Errorf("rated again it costs %d by %s, %v; booked are %d by %s", cost, version, err, e.Cost, e.PriceVersion)
	}
}
