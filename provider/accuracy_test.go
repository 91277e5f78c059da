package provider_test

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/declare"
	"github.com/saas-sentinel/saas-sentinel/pricing"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// suite is one file of testdata/accuracy: calls of one provider in their documented shapes, each with the money
// that it costs, worked out by hand in the comment before it from the published price.
type suite struct {
	Preset    string
	Endpoints []declare.EndpointYAML // of an API that no preset knows, in the words of a policy
	// Currencies are what one whole unit of a currency is worth, in nano-dollars.
	Currencies provider.Currencies
	Cases      []accuracyCase
}

// suites reads them all.
func suites(t testing.TB) []suite {
	t.Helper()
	files, _ := filepath.Glob("testdata/accuracy/*.yaml")
	out := make([]suite, len(files))
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalWithOptions(data, &out[i], yaml.Strict()); err != nil {
			t.Fatalf("%s: %s", file, yaml.FormatError(err, false, true))
		}
	}
	return out
}

// api gives the suite's preset, and the catalog with the prices of its own endpoints.
func (s suite) api(t testing.TB, catalog *pricing.Catalog) (provider.Preset, *pricing.Catalog) {
	t.Helper()
	if len(s.Endpoints) == 0 {
		p, ok := provider.Find(s.Preset)
		if !ok {
			t.Fatalf("no preset %s", s.Preset)
		}
		return p, catalog
	}
	var own []*declare.Endpoint
	var prices []pricing.Override
	for _, y := range s.Endpoints {
		e := declare.Compile(y, y.Name, func(key, format string, args ...any) { t.Fatalf(key+": "+format, args...) })
		own, prices = append(own, e), append(prices, pricing.Declared(s.Preset, e, s.Preset+"@test"))
	}
	p := provider.Generic(own)
	p.Name = s.Preset
	with, err := catalog.With(prices)
	if err != nil {
		t.Fatal(err)
	}
	return p, with
}

type accuracyCase struct {
	Name, Endpoint, Path, Query, Request string
	Times                                int               // that "…" in Request and Answer stands for the letter x; none if 0
	Send                                 string            // content-type of the request; JSON if empty
	With                                 map[string]string // headers of the request
	Region                               string
	Model                                string // that a deployment has
	Type                                 string // of the answer; JSON if empty
	Status                               int
	Header                               map[string]string
	Answer                               string
	Frames                               []string // of a binary stream: type, space, payload
	Chunks                               []string // of a binary stream: what a model's own format says
	Cut                                  bool     // the client hung up
	Tier, Method, USD                    string
}

// on is the day whose prices hold.
var on = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// covered are the presets that the suite must have calls of.
var covered = []string{
	"openai", "azure-openai", "anthropic", "gemini", "vertex", "aws-bedrock", "mistral", "cohere", "groq", "deepseek", "xai", "stripe",
	"aws-s3", "aws-sqs", "aws-sns", "aws-dynamodb", "aws-lambda", "twilio", "google-geocoding", "google-places", "google-routes", "sendgrid",
	"together", "fireworks", "openrouter", "cerebras", "moonshotai", "zai", "novita", "baseten", "house",
}

// TestCostIsExact prices every call to the nano-dollar. With ACCURACY set, it prints a table by provider.
func TestCostIsExact(t *testing.T) {
	catalog, err := pricing.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	all, exact, by := 0, 0, map[string]int{}
	var table strings.Builder
	for _, s := range suites(t) {
		good := 0
		for _, c := range s.Cases {
			if t.Run(s.Preset+"/"+c.Name, func(t *testing.T) { c.run(t, s, catalog) }) {
				good++
			}
		}
		all, exact, by[s.Preset] = all+len(s.Cases), exact+good, len(s.Cases)
		fmt.Fprintf(&table, "%-14s %5d calls %5d exact\n", s.Preset, len(s.Cases), good)
	}
	for _, preset := range covered {
		if by[preset] < 3 {
			t.Errorf("%s has %d calls, want at least 3", preset, by[preset])
		}
	}
	if all < 440 {
		t.Errorf("%d calls, want at least 440", all)
	}
	if os.Getenv("ACCURACY") != "" {
		fmt.Printf("%s%-14s %5d calls %5d exact\n", table.String(), "all", all, exact)
	}
}

// The suite has calls that use each unit, but for one that no published model's answer has shown yet.
func TestTheSuiteUsesEveryUnit(t *testing.T) {
	catalog, err := pricing.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	var calls sentinel.Usage
	cases(t, func(s suite, c accuracyCase) {
		p, _ := s.api(t, catalog)
		_, spec := c.ready(t, s, p)
		for u, n := range meter(p, spec, !c.Cut, c.bytes()).Usage {
			calls[u] += min(1, n)
		}
	})
	for u, n := range calls {
		if unit := sentinel.Unit(u); n < 2 && unit != sentinel.VideoOutputTokens {
			t.Errorf("%d calls use %s, want at least 2", n, unit)
		}
	}
}

// ready reads a case's request.
func (c accuracyCase) ready(t testing.TB, s suite, p provider.Preset) (provider.Request, provider.MeterSpec) {
	t.Helper()
	e, ok := p.Endpoint(c.Endpoint)
	if !ok {
		t.Fatalf("no endpoint %s", c.Endpoint)
	}
	path := cmp.Or(c.Path, e.Path)
	if !e.Match(path) {
		t.Fatalf("%s does not match %s", path, e.Path)
	}
	c.Request = c.long(c.Request)
	rq, err := p.ReadRequest(e, provider.RawRequest{
		Path: path, Query: c.Query, ContentType: cmp.Or(c.Send, "application/json"), Body: []byte(c.Request), Currencies: s.Currencies,
		Header: func(name string) string { return c.With[name] },
		Known:  func(model string) string { return cmp.Or(c.Model, model) },
	})
	if err != nil {
		t.Fatalf("%s: %s", c.Name, err)
	}
	spec := c.spec(e, rq)
	spec.Currencies = s.Currencies
	return rq, spec
}

func (c accuracyCase) run(t *testing.T, s suite, catalog *pricing.Catalog) {
	p, catalog := s.api(t, catalog)
	rq, spec := c.ready(t, s, p)
	answer := c.bytes()
	whole := meter(p, spec, !c.Cut, answer)
	var single [][]byte
	for i := range answer {
		single = append(single, answer[i:i+1])
	}
	if got := meter(p, spec, !c.Cut, single...); got != whole {
		t.Errorf("byte by byte it is %+v, whole %+v", got, whole)
	}
	if whole.Method != c.Method || whole.Reported != (c.Method == "" || strings.HasPrefix(c.Method, "clamped")) {
		t.Errorf("method %q, reported %v; want %q", whole.Method, whole.Reported, c.Method)
	}
	if got := c.cost(t, p, catalog, rq, whole); got != c.want(t) {
		t.Errorf("it costs %s, want %s for %v", got, c.want(t), used(whole.Usage))
	}
}

func (c accuracyCase) spec(e provider.Endpoint, rq provider.Request) provider.MeterSpec {
	s := provider.MeterSpec{
		Endpoint: e, Model: cmp.Or(c.Model, rq.Model), Stream: rq.Stream, HideUsage: rq.HideUsage, Weight: rq.Weight, Status: c.Status, ContentType: c.Type,
		Tier: rq.Tier, Header: func(name string) string { return c.Header[name] },
	}
	s.Bound = rq.Bound
	if c.Method != "bound" { // reports are of calls with longer bodies than those that stand here
		s.Bound[sentinel.InputTokens], s.Bound[sentinel.OutputTokens] = 0, 0
	}
	s.Status, s.ContentType = cmp.Or(s.Status, 200), cmp.Or(s.ContentType, "application/json")
	return s
}

// metered is what can be compared of provider.Metered.
type metered struct {
	Usage               sentinel.Usage
	Model, Tier, Method string
	Reported            bool
}

func meter(p provider.Preset, s provider.MeterSpec, complete bool, parts ...[]byte) metered {
	m := p.NewMeter(s)
	for _, b := range parts {
		m.Write(b)
	}
	got := m.Finish(complete)
	return metered{got.Usage, got.Model, got.Tier, got.Method, got.Reported}
}

// cost prices a usage as the governor does: by the tier of the answer, or else of the request.
func (c accuracyCase) cost(t *testing.T, p provider.Preset, catalog *pricing.Catalog, rq provider.Request, got metered) sentinel.NanoUSD {
	t.Helper()
	model, tier := rq.Model, rq.Tier
	if c.Model != "" {
		model = c.Model
	}
	if got.Tier != "" {
		tier = got.Tier
	}
	if tier != c.Tier {
		t.Errorf("the price list is %q, want %q", tier, c.Tier)
	}
	key := pricing.Key{Provider: p.Name, Endpoint: c.Endpoint, Model: model, Region: c.Region}
	price, ok := catalog.Find(key, on)
	if !ok && p.PricedAs != "" {
		key.Provider = p.PricedAs
		price, ok = catalog.Find(key, on)
	}
	if !ok {
		if got.Usage == (sentinel.Usage{}) { // what costs nothing needs no price
			return 0
		}
		t.Fatalf("no price for %+v", key)
	}
	list, ok := price.For(tier, on)
	if !ok {
		t.Fatalf("no price list %q of %+v", tier, key)
	}
	cost, err := list.Cost(got.Usage)
	if err != nil {
		t.Fatal(err)
	}
	return cost
}

// want is the money of the case.
func (c accuracyCase) want(t *testing.T) sentinel.NanoUSD {
	t.Helper()
	whole, frac, _ := strings.Cut(c.USD, ".")
	var usd, nano int64
	if _, err := fmt.Sscan(whole, &usd); err != nil || len(frac) > 9 {
		t.Fatalf("usd %q: %v", c.USD, err)
	}
	if _, err := fmt.Sscanf(frac+strings.Repeat("0", 9-len(frac)), "%d", &nano); err != nil {
		t.Fatalf("usd %q: %v", c.USD, err)
	}
	return sentinel.NanoUSD(usd)*sentinel.USD + sentinel.NanoUSD(nano)
}

func used(u sentinel.Usage) map[string]int64 {
	out := map[string]int64{}
	for unit, n := range u {
		if n != 0 {
			out[sentinel.Unit(unit).String()] = n
		}
	}
	return out
}

// bytes is the answer as it comes over the wire.
func (c accuracyCase) bytes() []byte {
	var out []byte
	for _, f := range c.Frames {
		kind, payload, _ := strings.Cut(f, " ")
		out = append(out, frame(kind, []byte(payload))...)
	}
	for _, chunk := range c.Chunks {
		payload := fmt.Sprintf(`{"bytes":"%s","p":"abcdefghijkl"}`, base64.StdEncoding.EncodeToString([]byte(chunk)))
		out = append(out, frame("chunk", []byte(payload))...)
	}
	if out != nil {
		return out
	}
	return []byte(c.long(c.Answer))
}

// long writes out what a case only hints at.
func (c accuracyCase) long(text string) string {
	if c.Times == 0 {
		return text
	}
	return strings.ReplaceAll(text, "…", strings.Repeat("x", c.Times))
}

// frame encodes one message of an AWS event stream.
func frame(kind string, payload []byte) []byte {
	var headers []byte
	for _, h := range [][2]string{{":event-type", kind}, {":content-type", "application/json"}, {":message-type", "event"}} {
		headers = append(append(headers, byte(len(h[0]))), h[0]...)
		headers = append(headers, 7)
		headers = append(binary.BigEndian.AppendUint16(headers, uint16(len(h[1]))), h[1]...)
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(16+len(headers)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, headers...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}
