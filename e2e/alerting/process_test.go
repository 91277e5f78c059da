package alerting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/alerts"
	"github.com/saas-sentinel/saas-sentinel/internal/mockalerts"
	"github.com/saas-sentinel/saas-sentinel/internal/pgtest"
	"github.com/saas-sentinel/saas-sentinel/store"
)

const (
	slackToken = "xoxb-alerting-canary-11d0"
	hookSecret = "whsec_YWxlcnRpbmctY2FuYXJ5LTExZDA="
	workerEnv  = "ALERTING_WORKER"
)

// worker is what one process of these tests does: it sends, as a gateway process does, and may report a part of a storm.
type worker struct {
	Name, DSN, Services string
	Rules               []alerts.Rule
	Timing              alerts.Timing
	Storm               storm
	Part                int // of the storm; from 1, 0 reports nothing
}

func TestMain(m *testing.M) {
	text := os.Getenv(workerEnv)
	if text == "" {
		os.Exit(m.Run())
	}
	var w worker
	err := json.Unmarshal([]byte(text), &w)
	if err == nil {
		err = w.run(context.Background())
	}
	fmt.Fprintln(os.Stderr, w.Name, err)
	os.Exit(1) // a worker ends by a signal
}

func (w *worker) machine() *alerts.Machine {
	m := &alerts.Machine{Rules: map[string]alerts.Rule{}, Timing: w.Timing, Edits: map[string]bool{"chat": true, "hook": true}}
	for _, r := range w.Rules {
		m.Rules[r.Name] = r
	}
	return m
}

// run is a gateway process as far as alerts go: the real inbox, sender, store and channels.
func (w *worker) run(ctx context.Context) error {
	st, err := store.Open(ctx, store.Options{DSN: sentinel.NewSecret(w.DSN)})
	if err != nil {
		return err
	}
	defer st.Close()
	held := func(v string) func() sentinel.Secret { return func() sentinel.Secret { return sentinel.NewSecret(v) } }
	client, log, m := alerts.NewClient(), zerolog.New(os.Stderr), w.machine()
	channels := map[string]alerts.Channel{
		"chat": alerts.NewSlack(alerts.SlackConfig{Channel: "#finops", Token: held(slackToken), API: w.Services + "/slack/api", Buttons: true}, client),
		"hook": alerts.NewWebhook(alerts.WebhookConfig{URL: held(w.Services + "/webhook/alerts"), Secret: held(hookSecret)}, client),
	}
	machine := func() *alerts.Machine { return m }
	inbox := &alerts.Inbox{Store: st, Machine: machine, Log: log}
	sender := &alerts.Sender{Store: st, Machine: machine, Channels: func() map[string]alerts.Channel { return channels }, Holder: w.Name, Log: log}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return inbox.Run(ctx) })
	group.Go(func() error { return sender.Run(ctx) })
	if w.Part > 0 {
		group.Go(func() error { return w.Storm.report(ctx, w.Part-1, inbox.Report) })
	}
	return group.Wait()
}

// field is a database, the services that alerts go to, and processes.
type field struct {
	t        testing.TB
	store    *store.Store
	pool     *pgxpool.Pool
	mock     *mockalerts.Server
	worker   worker // what all have in common
	children map[string]*exec.Cmd
	next     int
	log      string
}

// newField starts PostgreSQL and the stand-ins; moody stands before the stand-ins where it is not nil.
func newField(t testing.TB, moody func(http.Handler) http.Handler) *field {
	t.Helper()
	dir, err := os.MkdirTemp("", "alerting-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	tools, err := pgtest.Tools()
	if err != nil {
		t.Fatal(err)
	}
	dsn, stop, err := pgtest.Start(filepath.Join(dir, "postgres"), tools)
	if errors.Is(err, pgtest.ErrMissing) && os.Getenv("E2E") != "must" {
		t.Skip("the tools are not installed: run make tools")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	f := &field{t: t, children: map[string]*exec.Cmd{}, log: filepath.Join(dir, "workers.log"),
		mock: mockalerts.New(mockalerts.Credentials{SlackToken: slackToken, WebhookSecret: hookSecret})}
	f.store, err = store.Open(t.Context(), store.Options{DSN: sentinel.NewSecret(dsn)})
	f.must(err)
	t.Cleanup(f.store.Close)
	_, err = f.store.Migrate(t.Context())
	f.must(err)
	f.pool, err = pgxpool.New(t.Context(), dsn)
	f.must(err)
	t.Cleanup(f.pool.Close)
	handler := http.Handler(f.mock)
	if moody != nil {
		handler = moody(f.mock)
	}
	services := httptest.NewServer(handler)
	t.Cleanup(services.Close)
	t.Cleanup(func() {
		for name := range f.children {
			f.kill(name)
		}
	})
	f.worker = worker{DSN: dsn, Services: services.URL}
	return f
}

func (f *field) must(err error) {
	f.t.Helper()
	if err != nil {
		log, _ := os.ReadFile(f.log)
		f.t.Fatalf("%v\n%s", err, log[max(0, len(log)-2000):])
	}
}

// spawn starts a process.
func (f *field) spawn(part int) {
	f.t.Helper()
	w := f.worker
	f.next++
	w.Name, w.Part = "sender-"+strconv.Itoa(f.next), part
	text, err := json.Marshal(w)
	f.must(err)
	log, err := os.OpenFile(f.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	f.must(err)
	defer func() { _ = log.Close() }()
	c := exec.Command(os.Args[0])
	c.Env, c.Stderr = append(os.Environ(), workerEnv+"="+string(text)), log
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	f.must(c.Start())
	f.children[w.Name] = c
}

// kill ends a process at once, and waits until it is gone.
func (f *field) kill(name string) {
	c := f.children[name]
	delete(f.children, name)
	_ = c.Process.Kill()
	_ = c.Wait()
}

// holder is the process that sends now, "" when none does.
func (f *field) holder() string {
	f.t.Helper()
	var name string
	f.must(f.pool.QueryRow(f.t.Context(), `SELECT CASE WHEN until > clock_timestamp() THEN holder ELSE '' END FROM alert_lease`).Scan(&name))
	if f.children[name] == nil {
		return ""
	}
	return name
}

func (f *field) count(sql string) (n int) {
	f.t.Helper()
	f.must(f.pool.QueryRow(f.t.Context(), sql).Scan(&n))
	return n
}

const waiting = `SELECT count(*) FROM alert_deliveries WHERE state = 'waiting'`

func (f *field) pause(d time.Duration) {
	f.t.Helper()
	select {
	case <-f.t.Context().Done():
		f.t.Fatal("the test ended")
	case <-time.After(d):
	}
}

func (f *field) eventually(what string, most time.Duration, ok func() bool) {
	f.t.Helper()
	for begin := time.Now(); time.Since(begin) < most; f.pause(200 * time.Millisecond) {
		if ok() {
			return
		}
	}
	f.must(fmt.Errorf("after %s it is still not so that %s", most, what))
}

// taken is one message that a service took.
type taken struct {
	id, group, scope string
	first            bool // a message, not an edit
	at               time.Time
}

// took reads what a channel's service took, in order.
func (f *field) took(channel string) (out []taken) {
	f.t.Helper()
	if channel == "hook" {
		for _, m := range f.mock.Messages("webhook") {
			var body struct{ Data alerts.Message }
			f.must(json.Unmarshal([]byte(m.Body), &body))
			out = append(out, taken{body.Data.ID, body.Data.Group, body.Data.Scope, body.Data.Kind == sentinel.DeliverMessage, m.At})
		}
		return out
	}
	for _, m := range f.mock.Messages("slack") {
		form, err := url.ParseQuery(m.Body)
		f.must(err)
		var meta struct {
			Payload struct{ ID, Group string } `json:"event_payload"`
		}
		f.must(json.Unmarshal([]byte(form.Get("metadata")), &meta))
		_, scope, _ := strings.Cut(meta.Payload.Group, "|")
		out = append(out, taken{meta.Payload.ID, meta.Payload.Group, scope, m.Method == "chat.postMessage", m.At})
	}
	return out
}

// number reads a count from the environment; make targets set it for the long form.
func number(name string, short int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return short
}
