package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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
	tightRule   = "  - {name: tight, match: {model: " + tightModel + "}, budget: {usd: 0.0005/day, mode: hard}}\n"
	noisyToken  = "svc_canary-noisy-11c0"
	noisyLimit  = 5 // calls a second of the team that overloads
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
	fleet                      *fleet             // where there is more than one sentinel
}

// newWorld starts a gateway with a link in front of each part, a hard budget that will run out, a team that may call little, and both Slack and text messages for alerts.
func newWorld(t *testing.T) *world {
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
	w.stop()
	vault := strings.TrimPrefix(w.env[0], "VAULT_ADDR=http://")
	w.cache, w.vault, w.provider = newLink(t, "redis", w.redis), newLink(t, "vault", vault), newLink(t, "provider", w.mock.TLSAddr)
	told := w.tells("http://"+vault, w.root)
	w.env[0] = "VAULT_ADDR=http://" + w.vault.proxy.Listen
	text, err := os.ReadFile(filepath.Join(w.dir, "sentinel.yaml"))
	w.must(err)
	w.write("sentinel.yaml", strings.Replace(string(text), w.redis, w.cache.proxy.Listen, 1))
	policy := w.policyOf("{budget: {usd: 1000000/day}}, noisy: {}", fmt.Sprintf(`policies:
%s  - {name: noisy, match: {team: noisy}, limits: {requests: %d/second}}
%s`, tightRule, noisyLimit, told))
	policy = strings.Replace(policy, "providers:\n", "  flood: {team: noisy, identity: {token: "+noisyToken+"}}\nproviders:\n", 1)
	w.write("policies.yaml", strings.ReplaceAll(policy, w.mock.TLSAddr, w.provider.proxy.Listen))
	w.start()
	return w
}

// twoSentinels is a gateway of two sentinels behind one Envoy, without links.
func twoSentinels(t *testing.T) *world {
	t.Helper()
	const team, rules = "{budget: {usd: 1000000/day}}", "policies:\n" + tightRule
	f := openFleet(t, mockapi.DefaultConfig(), team, rules, 2, 1)
	f.probes = f.probe(sentinelHost(1))
	w := &world{gateway: f.gateway, fleet: f}
	f.write("policies.yaml", f.policyOf(team, rules+w.tells(strings.TrimPrefix(f.env[0], "VAULT_ADDR="), strings.TrimPrefix(f.env[1], "VAULT_TOKEN="))))
	f.eventually("both have the policy that tells", func() bool {
		taken := 0
		for host := range f.sentinels {
			all, err := f.series(f.probe(host))
			if err == nil && all[`sentinel_policy_reloads_total{result="ok"}`] > 0 {
				taken++
			}
		}
		return taken == len(f.sentinels)
	})
	return w
}

// tells starts Slack and Twilio, and gives the policy's part that tells both.
func (w *world) tells(vault, root string) (rules string) {
	w.t.Helper()
	const twilioToken = "twilio-canary-31d7"
	w.messengers = mockalerts.New(mockalerts.Credentials{SlackToken: slackToken, TwilioAccount: "AC1", TwilioToken: twilioToken})
	s := httptest.NewServer(w.messengers)
	w.t.Cleanup(s.Close)
	w.put(vault, root, "alerts", map[string]string{"slack": slackToken, "twilio": twilioToken})
	return fmt.Sprintf(`alerts:
  channels:
    finops: {slack: {channel: "#finops", token: "vault:secret/alerts#slack", api: "%[1]s/slack/api"}}
    text: {sms: {account: AC1, token: "vault:secret/alerts#twilio", from: "+15550100000", to: [ana], api: "%[1]s/twilio"}}
  people: {ana: {phone: "+15550100001"}}
`, s.URL)
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
	Fault     string         `json:"fault"`
	Calls     int            `json:"calls"`
	Failed    int            `json:"failed"`
	Lost      int64          `json:"records_lost"`
	Twice     int64          `json:"records_twice"`
	Drift     domain.NanoUSD `json:"ledger_minus_bill_nusd"`
	Overshoot domain.NanoUSD `json:"overshoot_nusd"` // above the budget that runs out
	Recovery  int64          `json:"recovery_ms"`
	Alerts    []string       `json:"incidents"`
	Wanted    string         `json:"to_be_told,omitempty"`
	Told      int            `json:"told"`
	Before    int64          `json:"p99_before_us,omitempty"` // of calls that were answered before the fault, and of those that began within it
	During    int64          `json:"p99_during_us,omitempty"`

	estimated, unharmed bool
}

// suffer runs load through one fault.
func (w *world) suffer(f fault) outcome {
	w.t.Helper()
	o := outcome{Fault: f.name, Wanted: f.alert, estimated: f.estimated, unharmed: f.unharmed}
	stop := w.calls()
	time.Sleep(max(beforeFault, f.before)) // the load itself is the test
	broken := time.Now()
	heal := f.inject(w)
	time.Sleep(f.lasts)
	heal()
	healed := time.Now()
	time.Sleep(afterFault)
	all := stop()
	var before, during []time.Duration
	for _, c := range all {
		o.Calls++
		switch {
		case c.status != http.StatusOK:
			o.Failed++
			o.Recovery = max(o.Recovery, c.ended.Sub(healed).Milliseconds())
		case c.ended.Before(broken):
			before = append(before, c.ended.Sub(c.began))
		case c.began.After(broken) && c.began.Before(healed):
			during = append(during, c.ended.Sub(c.began))
		}
	}
	o.Before, o.During = p99(before), p99(during)
	w.reckon(&o)
	w.incidents(&o, f.alert, max(f.patience, 10*time.Second))
	return o
}

// p99 is what 99 of 100 do not exceed, in microseconds.
func p99(all []time.Duration) int64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)*99+99)/100-1].Microseconds()
}

// reckon compares what the provider served with the ledger.
func (w *world) reckon(o *outcome) {
	w.t.Helper()
	calls, cost, twice := w.settled()
	served := w.mock.Stats()
	bill, tight := domain.NanoUSD(served.CostNanoUSD), domain.NanoUSD(0)
	for _, r := range served.Rows {
		if r.Provider == "weather" { // only the policy has a price for it
			bill += domain.NanoUSD(r.Calls-r.Failed)*forecast - domain.NanoUSD(r.CostNanoUSD)
		}
		if r.Model == tightModel {
			tight = domain.NanoUSD(r.CostNanoUSD)
		}
	}
	o.Lost, o.Twice, o.Drift, o.Overshoot = served.Calls-calls, twice, cost-bill, max(0, tight-tightUSD)
}

// incidents reads what was raised beside the budget, and of how many of what was expected somebody was told.
func (w *world) incidents(o *outcome, kind string, patience time.Duration) {
	w.t.Helper()
	st, err := store.Open(w.t.Context(), store.Options{DSN: domain.NewSecret(w.dsn), MaxConns: 1})
	w.must(err)
	defer st.Close()
	rule, scope, _ := strings.Cut(kind, " ")
	read := func() (names []string, told int) {
		all, err := st.Incidents(w.t.Context(), domain.IncidentQuery{Limit: 100})
		w.must(err)
		for _, i := range all {
			if i.Rule == rule && (scope == "" || strings.HasPrefix(i.Scope+"/", scope+"/")) && !i.Notified.IsZero() {
				told++
			}
			if strings.HasPrefix(i.Rule, "budget") || strings.HasPrefix(i.Rule, "refused") || strings.HasPrefix(i.Rule, "forecast") || strings.HasPrefix(i.Rule, "first_seen") {
				continue
			}
			names = append(names, i.Rule+" "+i.Scope)
		}
		slices.Sort(names)
		return names, told
	}
	o.Alerts, o.Told = read()
	for end := time.Now().Add(patience); kind != "" && o.Told == 0 && time.Now().Before(end); o.Alerts, o.Told = read() {
		time.Sleep(100 * time.Millisecond) // it may be told after the fault only
	}
}

// faulty tells what a row has that must not be.
func (o outcome) faulty() error {
	var errs []error
	if o.Lost > 0 {
		errs = append(errs, fmt.Errorf("%d records lost", o.Lost))
	}
	if o.Twice > 0 {
		errs = append(errs, fmt.Errorf("%d records twice", o.Twice))
	}
	if !o.estimated && (o.Lost < 0 || o.Drift != 0) {
		errs = append(errs, fmt.Errorf("%d records too many, the ledger is %s off", -o.Lost, o.Drift))
	}
	if o.Overshoot > 0 {
		errs = append(errs, fmt.Errorf("the hard budget was passed by %s", o.Overshoot))
	}
	if o.Recovery > 5_000 {
		errs = append(errs, fmt.Errorf("calls failed until %d ms after the fault", o.Recovery))
	}
	if o.unharmed && o.Failed > 0 {
		errs = append(errs, fmt.Errorf("%d calls of others failed", o.Failed))
	}
	if o.Wanted != "" && o.Told == 0 {
		errs = append(errs, fmt.Errorf("nobody was told of %s; there are incidents %q", o.Wanted, o.Alerts))
	}
	if once := slices.Compact(slices.Clone(o.Alerts)); len(once) != len(o.Alerts) {
		errs = append(errs, fmt.Errorf("incidents are there twice: %q", o.Alerts))
	}
	return errors.Join(errs...)
}

// TestEveryFaultLosesNothing goes through the table of faults; without CHAOS_OUT through a few of them. CHAOS_OUT names the table's file, beside which its rows are
// as JSON; CHAOS_ROWS is an expression for the faults that are to be measured anew, the other rows being kept.
func TestEveryFaultLosesNothing(t *testing.T) {
	out := os.Getenv("CHAOS_OUT")
	wanted, err := regexp.Compile(os.Getenv("CHAOS_ROWS"))
	if err != nil {
		t.Fatalf("CHAOS_ROWS: %v", err)
	}
	var mu sync.Mutex
	measured := map[string]outcome{}
	t.Run("rows", func(t *testing.T) {
		for _, f := range faults() {
			if out == "" && !f.short || !wanted.MatchString(f.name) {
				continue
			}
			t.Run(f.name, func(t *testing.T) {
				if out == "" { // figures are of a fault that is alone
					t.Parallel()
				}
				open := newWorld
				if f.open != nil {
					open = f.open
				}
				w := open(t)
				if f.faulty {
					w.faulty()
				}
				o := w.suffer(f)
				mu.Lock()
				measured[f.name] = o
				mu.Unlock()
				t.Logf("%+v", o)
				if err := o.faulty(); err != nil {
					t.Error(err)
				}
			})
		}
	})
	if out == "" {
		return
	}
	rows, err := mergedRows(strings.TrimSuffix(out, ".md")+".json", measured)
	if err == nil {
		err = os.WriteFile(out, []byte(faultTable(rows)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// mergedRows writes the rows of all faults to a file, in their order: those measured now, and the others as the file has them.
func mergedRows(file string, measured map[string]outcome) (rows []outcome, err error) {
	var old []outcome
	if text, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(text, &old); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	for _, f := range faults() {
		if o, ok := measured[f.name]; ok {
			rows = append(rows, o)
		} else if i := slices.IndexFunc(old, func(o outcome) bool { return o.Fault == f.name }); i >= 0 {
			rows = append(rows, old[i])
		}
	}
	text, err := json.MarshalIndent(rows, "", " ")
	if err != nil {
		return nil, err
	}
	return rows, os.WriteFile(file, append(text, '\n'), 0o644)
}

// faultTable is docs/bench/faults.md.
func faultTable(rows []outcome) string {
	var b strings.Builder
	b.WriteString("# Faults\n\nWritten by `make chaos`: real Envoy, PostgreSQL, Redis and OpenBao, 40 calls a second, a hard budget that runs out on the way, the policy's\n" +
		"default for a Redis that is down (closed). Failed are calls without the provider's answer, refusals of the gateway among them. Records are compared with\n" +
		"the provider's own account. Recovery is the time from the end of the fault to the end of the last call that failed. Told counts incidents that\n" +
		"had to reach Slack and phones and did; a dash stands where nobody is to be told, because it was done on purpose or harmed fewer calls than a rule asks for;\n" +
		"calls that broke in the middle are booked at their bound. p99 is of calls that were answered, before the fault and\n" +
		"within it, where it was measured; most rows have a hundred calls for it.\n\n" +
		"| fault | calls | failed | records lost | records twice | ledger − bill | overshoot | recovery | p99 before → within | incidents | told |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, o := range rows {
		tail := "–"
		if o.Before > 0 && o.During > 0 {
			tail = fmt.Sprintf("%.1f → %.1f ms", float64(o.Before)/1000, float64(o.During)/1000)
		}
		told := "–"
		if o.Wanted != "" {
			told = strconv.Itoa(o.Told)
		}
		_, _ = fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %s | %s | %.1f s | %s | %s | %s |\n", o.Fault, o.Calls, o.Failed, max(0, o.Lost), o.Twice, o.Drift, o.Overshoot,
			float64(o.Recovery)/1000, tail, strings.Join(o.Alerts, ", "), told)
	}
	return b.String()
}
