package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockalerts"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
	"github.com/saas-sentinel/saas-sentinel/store"
)

const (
	beforeFault = 3 * time.Second
	afterFault  = 8 * time.Second   // more than the 5 s in which everything has to go again
	tightUSD    = domain.USD / 2000 // the hard budget that runs out in each row
	tightModel  = "gpt-5-nano"
	noisyToken  = "svc_canary-noisy-11c0"
)

// link is the network between sentinel and one part.
type link struct {
	t     testing.TB
	proxy *toxiproxy.Proxy
}

func newLink(t testing.TB, name, upstream string) *link {
	t.Helper()
	p := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), name, "127.0.0.1:0", upstream)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return &link{t, p}
}

func (l *link) down() { l.proxy.Stop() }

func (l *link) up() {
	if err := l.proxy.Start(); err != nil {
		l.t.Errorf("the link to %s comes back: %v", l.proxy.Name, err)
	}
}

// spoil adds a toxic in toxiproxy's words.
func (l *link) spoil(kind, stream, attributes string) {
	text := fmt.Sprintf(`{"type": %q, "stream": %q, "attributes": {%s}}`, kind, stream, attributes)
	if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(text)); err != nil {
		l.t.Errorf("the link to %s: %v", l.proxy.Name, err)
	}
}

func (l *link) heal() { l.proxy.Toxics.ResetToxics(context.Background()) }

// moved sends new connections, and those that there are, to another server.
func (l *link) moved(upstream string) {
	l.proxy.Stop()
	l.proxy.Upstream = upstream
	l.up()
}

// world is a gateway whose every part can be broken.
type world struct {
	*gateway
	db, cache, vault, provider *link
	messengers                 *mockalerts.Server // Slack and Twilio
}

// newWorld starts a gateway with a link in front of each part, a hard budget that will run out, a team that may call little, and both Slack and text messages for alerts.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{}
	w.gateway = openOn(t, mockapi.DefaultConfig(), "{budget: {usd: 1000000/day}}", "", func(s *stack.Stack) (string, error) {
		dsn, err := s.Postgres()
		if err != nil {
			return "", err
		}
		c, err := pgx.ParseConfig(dsn)
		if err != nil {
			return "", err
		}
		at := fmt.Sprintf("%s:%d", c.Host, c.Port)
		w.db = newLink(t, "postgres", at)
		return strings.Replace(dsn, at, w.db.proxy.Listen, 1), nil
	}, "vault: {refresh: 1s}\n")
	w.kill()
	vault := strings.TrimPrefix(w.env[0], "VAULT_ADDR=http://")
	w.cache, w.vault, w.provider = newLink(t, "redis", w.redis), newLink(t, "vault", vault), newLink(t, "provider", w.mock.TLSAddr)
	const twilioToken = "twilio-canary-31d7"
	w.messengers = mockalerts.New(mockalerts.Credentials{SlackToken: slackToken, TwilioAccount: "AC1", TwilioToken: twilioToken})
	told := httptest.NewServer(w.messengers)
	t.Cleanup(told.Close)
	w.put("http://"+vault, w.root, "alerts", map[string]string{"slack": slackToken, "twilio": twilioToken})
	w.env[0] = "VAULT_ADDR=http://" + w.vault.proxy.Listen
	text, err := os.ReadFile(filepath.Join(w.dir, "sentinel.yaml"))
	w.must(err)
	w.write("sentinel.yaml", strings.Replace(string(text), w.redis, w.cache.proxy.Listen, 1))
	policy := w.policyOf("{budget: {usd: 1000000/day}}, noisy: {}", fmt.Sprintf(`policies:
  - {name: tight, match: {model: %[1]s}, budget: {usd: 0.0005/day, mode: hard}}
  - {name: noisy, match: {team: noisy}, limits: {requests: 10/minute}}
alerts:
  channels:
    finops: {slack: {channel: "#finops", token: "vault:secret/alerts#slack", api: "%[2]s/slack/api"}}
    text: {sms: {account: AC1, token: "vault:secret/alerts#twilio", from: "+15550100000", to: [ana], api: "%[2]s/twilio"}}
  people: {ana: {phone: "+15550100001"}}
`, tightModel, told.URL))
	policy = strings.Replace(policy, "providers:\n", "  flood: {team: noisy, identity: {token: "+noisyToken+"}}\nproviders:\n", 1)
	w.write("policies.yaml", strings.ReplaceAll(policy, w.mock.TLSAddr, w.provider.proxy.Listen))
	w.start()
	return w
}

// call is one call of the load, as its client saw it.
type call struct {
	began, ended time.Time
	status       int // 0 for no answer
	refusal      string
}

// calls sends calls at a known price until stopped, and others against the budget that runs out.
func (w *world) calls() (stop func() []call) {
	var mu sync.Mutex
	var all []call
	client := &http.Client{Timeout: 5 * time.Second}
	one := func(method, path, body string, keep bool) {
		r, err := w.request(method, path, body)
		w.must(err)
		c := call{began: time.Now()}
		answer, err := client.Do(r)
		if err == nil {
			if _, err = io.Copy(io.Discard, answer.Body); err == nil {
				c.status, c.refusal = answer.StatusCode, answer.Header.Get("X-Sentinel-Verdict")
			}
			_ = answer.Body.Close()
		}
		c.ended = time.Now()
		if keep {
			mu.Lock()
			all = append(all, c)
			mu.Unlock()
		}
	}
	tight := strings.Replace(chat, "gpt-5-mini", tightModel, 1)
	end := repeat(8, 200*time.Millisecond, func(worker int) { // 40 calls a second, 10 of them against the tight budget
		if worker%4 == 3 {
			one(http.MethodPost, "/openai/v1/chat/completions", tight, false)
		} else {
			one(http.MethodGet, "/weather/v1/forecast/lima", "", true)
		}
	})
	return func() []call { end(); return all }
}

// outcome is a row of the table.
type outcome struct {
	fault                string
	calls, failed        int
	lost, twice          int64
	drift                domain.NanoUSD // between the provider's bill and the ledger
	tight, overshoot     domain.NanoUSD // spent of the budget that runs out, and above it
	recovery             time.Duration
	alerts               []string
	told                 int
	wantAlert, estimated bool
}

// suffer runs load through one fault.
func (w *world) suffer(f fault) outcome {
	w.t.Helper()
	o := outcome{fault: f.name, wantAlert: f.alert != "", estimated: f.estimated}
	stop := w.calls()
	time.Sleep(beforeFault) // the load itself is the test
	heal := f.inject(w)
	time.Sleep(f.lasts)
	heal()
	healed := time.Now()
	time.Sleep(afterFault)
	all := stop()
	for _, c := range all {
		o.calls++
		if c.status != http.StatusOK {
			o.failed++
			o.recovery = max(o.recovery, c.ended.Sub(healed))
		}
	}
	w.reckon(&o)
	w.incidents(&o, f.alert)
	return o
}

// reckon compares what the provider served with the ledger.
func (w *world) reckon(o *outcome) {
	w.t.Helper()
	calls, cost, twice := w.settled()
	served := w.mock.Stats()
	bill := domain.NanoUSD(served.CostNanoUSD)
	for _, r := range served.Rows {
		if r.Provider == "weather" { // only the policy has a price for it
			bill += domain.NanoUSD(r.Calls-r.Failed)*forecast - domain.NanoUSD(r.CostNanoUSD)
		}
		if r.Model == tightModel {
			o.tight = domain.NanoUSD(r.CostNanoUSD)
		}
	}
	o.lost, o.twice, o.drift, o.overshoot = served.Calls-calls, twice, cost-bill, max(0, o.tight-tightUSD)
}

// incidents reads what was raised beside the budget, and how often Slack was told of what was expected.
func (w *world) incidents(o *outcome, kind string) {
	w.t.Helper()
	st, err := store.Open(w.t.Context(), store.Options{DSN: domain.NewSecret(w.dsn), MaxConns: 1})
	w.must(err)
	defer st.Close()
	read := func() (names []string, told int) {
		all, err := st.Incidents(w.t.Context(), false, 100)
		w.must(err)
		for _, i := range all {
			if strings.HasPrefix(i.Rule, "budget") || strings.HasPrefix(i.Rule, "refused") || strings.HasPrefix(i.Rule, "forecast") || strings.HasPrefix(i.Rule, "first_seen") {
				continue
			}
			names = append(names, i.Rule+" "+i.Scope)
			if i.Rule == kind && !i.Notified.IsZero() {
				told++
			}
		}
		slices.Sort(names)
		return names, told
	}
	o.alerts, o.told = read()
	if kind != "" {
		for range 100 { // it may be told after the fault only
			if o.told > 0 {
				break
			}
			time.Sleep(100 * time.Millisecond)
			o.alerts, o.told = read()
		}
	}
}

// faulty tells what a row has that must not be.
func (o outcome) faulty() error {
	var errs []error
	if o.lost > 0 {
		errs = append(errs, fmt.Errorf("%d records lost", o.lost))
	}
	if o.twice > 0 {
		errs = append(errs, fmt.Errorf("%d records twice", o.twice))
	}
	if !o.estimated && (o.lost < 0 || o.drift != 0) {
		errs = append(errs, fmt.Errorf("%d records too many, the ledger is %s off", -o.lost, o.drift))
	}
	if o.overshoot > 0 {
		errs = append(errs, fmt.Errorf("the hard budget was passed by %s", o.overshoot))
	}
	if o.recovery > 5*time.Second {
		errs = append(errs, fmt.Errorf("calls failed until %s after the fault", o.recovery.Round(time.Millisecond)))
	}
	if o.wantAlert && o.told == 0 {
		errs = append(errs, fmt.Errorf("nobody was told; there are incidents %q", o.alerts))
	}
	if once := slices.Compact(slices.Clone(o.alerts)); len(once) != len(o.alerts) {
		errs = append(errs, fmt.Errorf("incidents are there twice: %q", o.alerts))
	}
	return errors.Join(errs...)
}

// TestEveryFaultLosesNothing goes through the table of faults; without CHAOS_OUT through a few of them.
func TestEveryFaultLosesNothing(t *testing.T) {
	out := os.Getenv("CHAOS_OUT")
	var rows []outcome
	for _, f := range faults() {
		if out == "" && !f.short {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			w := newWorld(t)
			if f.faulty {
				w.faulty()
			}
			o := w.suffer(f)
			rows = append(rows, o)
			t.Logf("%+v", o)
			if err := o.faulty(); err != nil {
				t.Error(err)
			}
		})
	}
	if out != "" {
		if err := os.WriteFile(out, []byte(faultTable(rows)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// faultTable is docs/bench/faults.md.
func faultTable(rows []outcome) string {
	var b strings.Builder
	b.WriteString("# Faults\n\nWritten by `make chaos`: real Envoy, PostgreSQL, Redis and OpenBao, 40 calls a second, a hard budget that runs out on the way, the policy's\n" +
		"default for a Redis that is down (closed). Failed are calls without the provider's answer, refusals of the gateway among them. Records are compared with\n" +
		"the provider's own account. Recovery is the time from the end of the fault to the end of the last call that failed. Told counts incidents that\n" +
		"had to reach Slack and phones and did; calls that broke in the middle are booked at their bound.\n\n" +
		"| fault | calls | failed | records lost | records twice | ledger − bill | overshoot | recovery | incidents | told |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, o := range rows {
		_, _ = fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %s | %s | %.1f s | %s | %d |\n", o.fault, o.calls, o.failed, max(0, o.lost), o.twice, o.drift, o.overshoot,
			o.recovery.Seconds(), strings.Join(o.alerts, ", "), o.told)
	}
	return b.String()
}
