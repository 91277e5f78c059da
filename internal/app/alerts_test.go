package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/alerts"
	"github.com/saas-sentinel/saas-sentinel/ca"
	"github.com/saas-sentinel/saas-sentinel/extproc"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/ml/forecast"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/store"
)

var march = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) // a Monday

func settled(provider, model string, status int, firstByte time.Duration) extproc.Observation {
	e := &sentinel.Entry{Status: status, FirstByte: firstByte}
	e.At, e.Provider, e.Model, e.Caller = march, provider, model, sentinel.Caller{Org: "acme", Team: "a", Service: "bot"}
	return extproc.Observation{Call: e.Call, Entry: e}
}

// kinds finds facts by their kind and provider.
func kinds(list []seen) map[string]seen {
	out := map[string]seen{}
	for _, s := range list {
		out[s.fact.Kind+" "+s.fact.Provider] = s
	}
	return out
}

func TestCallsWithoutAPriceAreFactsWhereThePolicyLetsThemThrough(t *testing.T) {
	al := &alerting{}
	al.observe(settled("openai", "gpt-99", 200, 0))
	if got := kinds(al.facts.take(march)); got["unpriced openai"].fact.Count != 0 {
		t.Errorf("a call with a price: %v", got)
	}
	for _, version := range []string{sentinel.VersionFlat, sentinel.VersionUnpriced} {
		o := settled("openai", "gpt-99", 200, 0)
		o.Entry.PriceVersion = version
		al.observe(o)
	}
	if got := kinds(al.facts.take(march))["unpriced openai"]; got.fact.Count != 2 || got.fact.Service != "bot" || got.fact.Team != "a" {
		t.Errorf("two calls without a price: %+v", got)
	}
}

func TestSlowAndFailingProvidersAreFacts(t *testing.T) {
	al := &alerting{}
	for n := range 100 {
		wait := 200 * time.Millisecond
		if n >= 90 {
			wait = 40 * time.Second
		}
		al.observe(settled("openai", "gpt", 200, wait))
	}
	for range 10 {
		al.observe(settled("stripe", "", 503, 0))
	}
	at := march
	for half, want := range []bool{true, true, false} { // what is counted lasts for two half minutes
		got := kinds(al.facts.take(at))
		slow, down := got["latency openai"].fact, got["outage stripe"]
		if !want {
			if len(got) != 0 {
				t.Errorf("half minute %d: %v, want nothing", half, got)
			}
			continue
		}
		if slow.Provider != "openai" || slow.Count != 100 || slow.Seconds < 40 || slow.Seconds > 48 {
			t.Errorf("half minute %d: latency %+v, want the 40 s of the slow tenth, at most a fifth more", half, slow)
		}
		if down.fact.Provider != "stripe" || down.fact.Rate != 1 || down.key.scope() != "provider/stripe" {
			t.Errorf("half minute %d: outage %+v", half, down)
		}
		at = at.Add(halfMinute)
	}
}

func TestStepsOfWaits(t *testing.T) {
	for d, want := range map[time.Duration]float64{0: 0.001, time.Millisecond: 0.001, 2 * time.Millisecond: 0.002, time.Second: 1.024, time.Hour: 262.144} {
		if got := edgeOf(stepOf(d)); got < want*0.999 || got > want*1.001 {
			t.Errorf("%s is within %f s, want %f s", d, got, want)
		}
	}
}

// ledger answers with what it had before a time.
func ledger(rows ...[]string) func(context.Context, store.UsageQuery) ([]store.UsageRow, error) {
	return func(context.Context, store.UsageQuery) (out []store.UsageRow, err error) {
		for _, keys := range rows {
			out = append(out, store.UsageRow{Keys: keys})
		}
		return out, nil
	}
}

func TestFirstCallsOfAProviderOrModelAreTold(t *testing.T) {
	for name, tt := range map[string]struct {
		known [][]string
		calls []extproc.Observation
		want  string
	}{
		"a new model":        {[][]string{{"openai", "gpt"}}, []extproc.Observation{settled("openai", "gpt", 200, 0), settled("openai", "o9", 200, 0)}, "openai/o9"},
		"a new provider":     {[][]string{{"openai", "gpt"}}, []extproc.Observation{settled("maps", "", 200, 0)}, "maps"},
		"a made-up model":    {[][]string{{"openai", "gpt"}}, []extproc.Observation{settled("openai", "zzz", 404, 0)}, ""},
		"a new installation": {nil, []extproc.Observation{settled("openai", "gpt", 200, 0)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var f firsts
			for _, o := range tt.calls {
				f.observe(o)
			}
			if err := f.look(t.Context(), march.Add(time.Minute), ledger(tt.known...)); err != nil {
				t.Fatal(err)
			}
			got := f.seen(march.Add(2 * time.Minute))
			if tt.want == "" && len(got) != 0 || tt.want != "" && (len(got) != 1 || got[0].fact.Name != tt.want || got[0].fact.Service != "bot") {
				t.Errorf("told %+v, want %q", got, tt.want)
			}
			if again := f.seen(march.Add(time.Minute + 2*firstsStay)); len(again) != 0 {
				t.Errorf("still told later: %+v", again)
			}
		})
	}
}

func TestCertificatesEndInDays(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, ends ...time.Duration) string {
		var out []byte
		for _, end := range ends {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: march.Add(-time.Hour), NotAfter: march.Add(end)}
			der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, out, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const day = 24 * time.Hour
	files := map[string]certificateFile{
		"leaf":    {write("leaf", 2*day, 900*day), false},
		"bundle":  {write("bundle", -5*day, 20*day), true},
		"missing": {filepath.Join(dir, "none"), false},
	}
	var c certificates
	got := map[string]float64{}
	look := func(time.Time) map[string]certificateEnd { return endsOf(files) }
	for _, s := range c.seen(march, look) {
		got[s.fact.Name] = s.fact.Days
	}
	if len(got) != 2 || got["leaf"] != 2 || got["bundle"] != 20 {
		t.Errorf("days left: %v, want 2 of the leaf and 20 of the bundle's last", got)
	}
	write("leaf", 90*day)
	for _, s := range c.seen(march.Add(certificatesEvery), look) {
		if s.fact.Name == "leaf" && s.fact.Days < 89 {
			t.Errorf("a renewed certificate still has %.1f days", s.fact.Days)
		}
	}
}

// Of the certificates that the gateway issues operators hear of those alone that could not be renewed, by the key of every provider that is shown one.
func TestCertificatesThatAreNotRenewedAreTold(t *testing.T) {
	state := compiled(t, `org: acme
teams: {core: {}}
services: {app: {team: core, identity: {token: svc_app_1234}}}
providers:
  bank: {host: bank.example, certificate: {vault: "vault:pki#gateway", name: gateway.acme.example}, credential: {vault: "secret/bank#key"}, endpoints: [{method: GET, path: /v1/things, price: {per_request_usd: 0.01}}]}
  fine: {host: fine.example, certificate: {vault: "vault:pki#gateway", name: other.acme.example}, credential: {vault: "secret/bank#key"}, endpoints: [{method: GET, path: /v1/things, price: {per_request_usd: 0.01}}]}
`)
	const life = 40 * 24 * time.Hour
	down := map[string]error{}
	a := &App{governor: governor.New(governor.Options{}, state), shown: newLeaves(func(_ context.Context, of policy.Certificate) (ca.Leaf, error) {
		return ca.Leaf{NotAfter: march.Add(life)}, down[of.Name]
	}, func(policy.Certificate, error) {})}
	look := func(now time.Time) map[string]seen {
		for _, of := range shownOf(state) {
			_, _ = a.shown.get(t.Context(), of, now)
		}
		out, fresh := map[string]seen{}, certificates{}
		for _, s := range fresh.seen(now, a.certificateEnds) {
			out[s.fact.Name] = s
		}
		return out
	}
	if got := look(march); len(got) != 0 {
		t.Errorf("told of certificates that are renewed in time: %v", got)
	}
	down["gateway.acme.example"] = errors.New("away")
	got := look(march.Add(life - 10*24*time.Hour))
	s := got["providers.bank.certificate"]
	if len(got) != 1 || s.fact.Days != 10 || s.fact.Reason != "renewal" || !strings.Contains(titleOf(s), "ends in 10 days") || !strings.Contains(detailOf(s), "cannot") {
		t.Errorf("told %+v, want that of the bank with 10 days", got)
	}
	if s = look(march.Add(life + time.Hour))["providers.bank.certificate"]; severityOf(s.fact) != sentinel.SeverityCritical || !strings.Contains(titleOf(s), "has ended") {
		t.Errorf("past its end: %q, %v", titleOf(s), severityOf(s.fact))
	}
	down = nil
	if got := look(march.Add(life + 2*time.Hour)); len(got) != 0 {
		t.Errorf("still told after it was renewed: %v", got)
	}
}

// habits are five weeks of spend: a dollar in each hour of the day from 8 to 18, nothing at night.
func habits(to time.Time) hours {
	h := hours{from: to.Add(-pastHours * time.Hour), y: make([]float64, pastHours)}
	for i := range h.y {
		if hour := h.from.Add(time.Duration(i) * time.Hour).Hour(); hour >= 8 && hour < 18 {
			h.y[i] = float64(sentinel.USD)
		}
	}
	return h
}

func TestABudgetIsProjectedToItsWindowsEnd(t *testing.T) {
	start, now := march, march.Add(10*24*time.Hour)
	limit := func(usd int64) sentinel.Limit {
		return sentinel.Limit{Cell: "team/a/cost/month", Kind: sentinel.Window, Measure: sentinel.MeasureCost, Max: usd * int64(sentinel.USD), Start: start, End: start.Add(30 * 24 * time.Hour)}
	}
	for usd, spent := range map[int64]bool{250: true, 350: false} { // 10 dollars a day are 300 in 30 days
		p, err := project(limit(usd), 100*int64(sentinel.USD), habits(now), forecast.Calendar{Step: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if mean := p.mean / float64(sentinel.USD); mean < 285 || mean > 315 || p.low > p.mean || p.high < p.mean {
			t.Errorf("%d USD: expected %.1f between %.1f and %.1f, want about 300", usd, mean, p.low/1e9, p.high/1e9)
		}
		if p.spent.IsZero() == spent {
			t.Errorf("%d USD: used up at %s", usd, p.spent)
		}
		if spent && (p.spent.Before(start.Add(23*24*time.Hour)) || p.spent.After(start.Add(27*24*time.Hour))) {
			t.Errorf("%d USD: used up at %s, want about the 25th day", usd, p.spent)
		}
	}
}

func TestChartsExpectWhatTheSameHoursOfTheDaysBeforeHad(t *testing.T) {
	past := habits(march.Add(24 * time.Hour))
	past.y[len(past.y)-12] = 7 * float64(sentinel.USD) // noon of the last day
	c := drawn(past, chartHours)
	if len(c.At) != chartHours || len(c.Low) != chartHours {
		t.Fatalf("%d points, a band of %d", len(c.At), len(c.Low))
	}
	noon, night := len(c.At)-12, len(c.At)-1
	if c.Actual[noon] != 7 || c.Low[noon] != 1 || c.High[noon] != 1 || c.High[night] != 0 {
		t.Errorf("noon %v within [%v, %v], night up to %v", c.Actual[noon], c.Low[noon], c.High[noon], c.High[night])
	}
	if _, err := c.PNG(alerts.Picture{}); err != nil {
		t.Error(err)
	}
	young := hours{from: past.from, y: append(make([]float64, pastHours-60), past.y[pastHours-60:]...)}
	if c := drawn(young, chartHours); len(c.Low) != 0 {
		t.Error("half a day of history is held for a habit")
	}
}

func TestDigestSaysHowMuchByWhomAndAgainstWhat(t *testing.T) {
	row := func(name string, usd, calls, refused int64) store.UsageRow {
		return store.UsageRow{Keys: []string{name}, Cost: sentinel.NanoUSD(usd) * sentinel.USD, Calls: calls, Refused: refused}
	}
	title, detail := digestText("acme", march, 1, []store.UsageRow{row("bot", 30, 10, 1), row("search", 3, 5, 0), row("idle", 0, 0, 0)}, []store.UsageRow{row("bot", 22, 9, 0)})
	if title != "acme spent 33.00 USD on Monday, 2 March, 50 % more than the day before" || detail != "15 calls, 1 refused; most by bot 30.00 USD, search 3.00 USD" {
		t.Errorf("%q, %q", title, detail)
	}
	title, _ = digestText("acme", march, 7, nil, nil)
	if strings.Contains(title, "%") || !strings.Contains(title, "in the week from Monday, 2 March") {
		t.Errorf("of an empty week: %q", title)
	}
}

func TestWhatBecameOfAProcessIsTold(t *testing.T) {
	a := &App{}
	al := &alerting{app: a}
	al.process(processKilled, "")
	al.process(processStill, "")
	al.process(processSilent, "/3f0c6c1e")
	al.process(processSilent, "/5a77d2f1")
	told := map[string]string{}
	for _, s := range al.facts.take(march) {
		if s.fact.Kind != "process" || !strings.HasPrefix(titleOf(s), "a gateway process ") {
			t.Errorf("%+v has the title %q", s, titleOf(s))
		}
		told[s.key.scope()] = detailOf(s)
	}
	if len(told) != 4 || told["process/killed"] == "" || told["process/still"] == "" || !strings.Contains(told["process/silent/5a77d2f1"], "limits abandon 5a77d2f1") {
		t.Errorf("told are %q", told)
	}
}

func TestOnlyProcessesThatCouldSpeakAreMissed(t *testing.T) {
	p, at := absent{}, march
	one, two, three := store.Spool{ID: "1"}, store.Spool{ID: "2"}, store.Spool{ID: "3"}
	for i, step := range []struct {
		after      time.Duration
		gone, more []store.Spool
	}{
		{time.Hour, []store.Spool{one}, nil}, // the first look, or one after the database was away
		{time.Second, []store.Spool{one}, []store.Spool{one}},
		{time.Second, []store.Spool{one, two}, []store.Spool{two}},
		{time.Second, []store.Spool{two, three}, []store.Spool{three}}, // as many as before, and another one
		{time.Minute, []store.Spool{one, two, three}, nil},
		{time.Second, nil, nil},
	} {
		at = at.Add(step.after)
		more, err := p.look(at, 5*time.Second, func() ([]store.Spool, error) { return step.gone, nil })
		if err != nil || !slices.EqualFunc(more, step.more, func(a, b store.Spool) bool { return a.ID == b.ID }) {
			t.Errorf("look %d: %v, %v, want %v", i+1, more, err, step.more)
		}
	}
	if list := p.list.Load(); len(*list) != 0 {
		t.Errorf("all are back, and %v is missed", *list)
	}
}

func TestASecondWriteThatTheDatabaseDoesNotTakeIsTold(t *testing.T) {
	al, at := &alerting{}, march
	for i, step := range []struct {
		after time.Duration
		told  int64
	}{{0, 0}, {2 * failsAgain, 0}, {failsAgain / 2, 1}} {
		at = at.Add(step.after)
		al.unwritten(at)
		var told int64
		for _, s := range al.facts.take(at) {
			if s.key == databaseAway {
				told = s.fact.Count
			}
		}
		if told != step.told {
			t.Errorf("after failure %d the alert has counted %d, want %d", i+1, told, step.told)
		}
	}
}
