package declare

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func dollars(t testing.TB, s string) *Dollars {
	t.Helper()
	var d Dollars
	if err := d.UnmarshalText([]byte(s)); err != nil {
		t.Fatal(err)
	}
	return &d
}

// endpoint compiles a description that must have no fault.
func endpoint(t testing.TB, y EndpointYAML) *Endpoint {
	t.Helper()
	return Compile(y, "e", func(key, format string, args ...any) { t.Errorf("%s: %s", key, fmt.Sprintf(format, args...)) })
}

// The figures are those of 3GPP TS 23.038 and 23.040: 160 septets alone, 153 joined; 70 and 67 UTF-16 units.
func TestSegments(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want int64
	}{
		"nothing":                    {"", 1},
		"160 of the alphabet":        {strings.Repeat("a", 160), 1},
		"one more":                   {strings.Repeat("a", 161), 2},
		"306":                        {strings.Repeat("é", 306), 2},
		"307":                        {strings.Repeat("@", 307), 3},
		"80 of two septets":          {strings.Repeat("€", 80), 1},
		"81 of two septets":          {strings.Repeat("€", 81), 2},
		"no character is split":      {strings.Repeat("a", 152) + "€" + strings.Repeat("a", 152), 3},
		"70 outside of the alphabet": {strings.Repeat("ç", 70), 1},
		"71":                         {strings.Repeat("ç", 71), 2},
		"35 emoji":                   {strings.Repeat("😀", 35), 1},
		"36 emoji":                   {strings.Repeat("😀", 36), 2},
		"67 emoji, 33 a segment":     {strings.Repeat("😀", 67), 3},
		"one backtick is enough":     {strings.Repeat("a", 70) + "`", 2},
	} {
		if got := Segments(tt.text); got != tt.want {
			t.Errorf("%s: Segments(%d bytes) = %d, want %d", name, len(tt.text), got, tt.want)
		}
	}
}

func TestFunctions(t *testing.T) {
	for text, want := range map[string]int64{
		`scaled("12.34", 2)`: 1234, `scaled(12.34, 2)`: 1234, `scaled("0.125", 2)`: 12, `scaled("0.135", 2)`: 14, `scaled("-0.125", 2)`: -12,
		`scaled(7, 3)`: 7000, `scaled("0.0075", 12)`: 7_500_000_000, `ceil_div(65536, 65536)`: 1, `ceil_div(65537, 65536)`: 2, `ceil_div(0, 5)`: 0,
		`segments("a")`: 1, `body[?"n"].orValue(3)`: 3, `has(body.n) ? 1 : 2`: 2, `math.greatest(1, 2)`: 2, `int(path.id) + int(query.n)`: 12,
	} {
		f, err := compile(text, cel.IntType)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := f.whole(map[string]any{varBody: map[string]any{}, varPath: map[string]string{"id": "5"}, varQuery: map[string]string{"n": "7"}})
		if err != nil || got != want {
			t.Errorf("%s = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{`scaled("1e9", 2)`, `scaled("99999999999999999999", 2)`, `ceil_div(5, 0)`, `ceil_div(-1, 2)`, `int(body.n)`, `1 / 0`, `body.n`} {
		f, err := compile(text, cel.IntType)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := f.whole(map[string]any{varBody: map[string]any{}}); !errors.Is(err, errNotThere) {
			t.Errorf("%s = %d, %v; want no value", text, got, err)
		}
	}
}

func TestEvaluationIsBounded(t *testing.T) {
	f, err := compile(`body.list.map(x, string(x) + "y").size()`, cel.IntType)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]any, 100_000)
	for i := range list {
		list[i] = int64(i)
	}
	if _, err := f.whole(map[string]any{varBody: map[string]any{"list": list}}); err == nil || !strings.Contains(err.Error(), "cost limit") {
		t.Errorf("a list of %d gave %v, want the cost limit", len(list), err)
	}
}

func TestRatesAreExact(t *testing.T) {
	for name, tt := range map[string]struct {
		usd  string
		unit sentinel.Unit
		per  int64
		want sentinel.PicoUSD
		ok   bool
	}{
		"a cent":             {"0.01", sentinel.Messages, 1, 10_000_000_000, true},
		"by the million":     {"0.40", sentinel.Requests, 1_000_000, 400_000, true},
		"a third":            {"1", sentinel.Requests, 3, 0, false},
		"an hour of seconds": {"0.111", sentinel.Seconds, 3600, 111_000_000_000, true},
		"a second":           {"0.0001", sentinel.Seconds, 1, 360_000_000_000, true},
	} {
		got, err := dollars(t, tt.usd).rate(tt.unit, tt.per)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%s: %s dollars for %d %s are %d, %v; want %d", name, tt.usd, tt.per, tt.unit, got, err, tt.want)
		}
	}
}

func TestTheFirstPriceThatHoldsApplies(t *testing.T) {
	e := endpoint(t, EndpointYAML{Name: "e", Method: "GET", Path: "/v1/{kind}/{rest...}", Price: []PriceYAML{
		{SKU: "big", When: `path.kind == "big" && path.rest == "a/b"`, PerRequestUSD: dollars(t, "2")},
		{SKU: "small", When: `path.kind == "small"`, PerRequestUSD: dollars(t, "1")},
	}})
	for path, want := range map[string]string{"/v1/big/a/b": "big", "/v1/small/x": "small", "/v1/big/a": Unmatched} {
		if sku, _, err := e.Judge(Request{Path: path}); err != nil || sku != want {
			t.Errorf("Judge(%s) = %q, %v; want %q", path, sku, err, want)
		}
	}
}

// Whatever an answer says, no count is negative or past its bound, and nothing fails hard.
func FuzzCount(f *testing.F) {
	e := endpoint(f, EndpointYAML{Name: "e", Method: "POST", Path: "/", Price: []PriceYAML{{Charges: []ChargeYAML{
		{Unit: "messages", Count: "int(answer.n)", AtMost: "5", USD: dollars(f, "1")},
		{Unit: "characters", Count: "size(string(answer.text))", AtMost: "100", USD: dollars(f, "1")},
	}}}})
	f.Add(`1`, `"x"`, 200)
	f.Add(`-1e99`, `[]`, 500)
	f.Fuzz(func(t *testing.T, n, text string, status int) {
		body := map[string]any{}
		for name, raw := range map[string]string{"n": n, "text": text} {
			if v, err := Value([]byte(raw)); err == nil {
				body[name] = v
			}
		}
		got, err := e.Count(Answer{Status: status, Body: body}, "", sentinel.Usage{sentinel.Messages: 5})
		for u, v := range got.Usage {
			if v < 0 || v > maxCount {
				t.Errorf("%d %s counted, %v", v, sentinel.Unit(u), err)
			}
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	flat := endpoint(b, EndpointYAML{Name: "e", Method: "GET", Path: "/v1/{city}", Price: []PriceYAML{{PerRequestUSD: dollars(b, "1")}}})
	rules := endpoint(b, EndpointYAML{Name: "e", Method: "POST", Path: "/v1", Body: "form", Price: []PriceYAML{{SKU: "a", When: `body.To.startsWith("+1")`, Charges: []ChargeYAML{
		{Unit: "messages", Count: "segments(body.Body)", USD: dollars(b, "0.0083")}}}}})
	for name, run := range map[string]func() error{
		"flat": func() error { _, _, err := flat.Judge(Request{Path: "/v1/bonn"}); return err },
		"segments by country": func() error {
			_, _, err := rules.Judge(Request{Path: "/v1", Body: map[string]any{"To": "+1555", "Body": "a short message"}})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestPresetsCompile(t *testing.T) {
	list, err := Presets()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 8 {
		t.Errorf("%d presets", len(list))
	}
}

// A preset's figures by region are those of one thing each, say what us-east-1 costs as the price itself does, and leave out no region silently.
func TestFiguresByRegion(t *testing.T) {
	const head = "preset: x\nhost: x.{region}.example\ncredential: sigv4\nerrors: aws-json\nsource: https://x.example\nread: 2026-01-01\n"
	const tail = `endpoints:
  - name: call
    method: POST
    path: /
    body: bytes
    price:
      - {sku: big, when: body_bytes > 10, charges: [{unit: requests, count: "1", usd: 0.50, per: 1000}]}
      - {sku: free, when: body_bytes == 0, per_request_usd: 0}
      - {sku: small, charges: [{unit: requests, count: "1", usd: 0.40, per: 1000}]}
`
	for name, tt := range map[string]struct{ regional, want string }{
		"sound":                   {"regional:\n  - skus: [big]\n    usd: [{usd: 0.5, in: [us-east-1]}]\n  - skus: [small]\n    usd: [{usd: 0.4, in: [us-east-1]}, {usd: 0.7, in: [sa-east-1]}]\n", ""},
		"twice in one region":     {"regional:\n  - skus: [small]\n    usd: [{usd: 0.4, in: [us-east-1]}, {usd: 0.7, in: [us-east-1]}]\n", "us-east-1 has another figure already"},
		"one price in two groups": {"regional:\n  - skus: [small]\n    usd: [{usd: 0.4, in: [us-east-1]}]\n  - skus: [small]\n    usd: [{usd: 0.7, in: [sa-east-1]}]\n", "has a figure by region already"},
		"nothing that is counted": {"regional:\n  - skus: [free]\n    usd: [{usd: 0.4, in: [us-east-1]}]\n", "does not count one thing"},
		"another us-east-1":       {"regional:\n  - skus: [small]\n    usd: [{usd: 0.41, in: [us-east-1]}]\n", "has another figure, which is that of us-east-1"},
		"too fine a figure":       {"regional:\n  - skus: [small]\n    usd: [{usd: 0.0000000004, in: [sa-east-1]}]\n", "not a whole number of pico-dollars"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := readPreset("x.yaml", []byte(head+tt.regional+tail))
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("it is read with %v, want a fault with %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for region, lists := range p.Regional {
				for _, l := range lists {
					got[region] += fmt.Sprintf("%s %d ", l.SKU, l.Rates[sentinel.Requests])
				}
			}
			want := map[string]string{"us-east-1": "big 500000000 free 0 small 400000000 ", "sa-east-1": "free 0 small 700000000 "}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
