package main

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"text/template"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/dashboard"
	"github.com/saas-sentinel/saas-sentinel/envoy"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/internal/envoytest"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
	"github.com/saas-sentinel/saas-sentinel/store"
)

//go:embed demo_policies.yaml
var demoPolicies string

func demoCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "demo", Short: "Run a scripted day of traffic on real parts on this machine", Args: none,
		Long: "Demo starts Envoy, PostgreSQL, Vault's API, an in-process Redis and stand-ins of the providers on free loopback\n" +
			"ports, sends a day of traffic by the official OpenAI, Google, Stripe, Twilio and AWS clients through the gateway, and shows what happened.",
		Example: "  make demo             installs what it needs first\n  make demo ONCE=1      ends after the day; exit 0 only if the ledger is exact",
	}
	once := c.Flags().Bool("once", false, "end after the day")
	dir := c.Flags().String("dir", ".demo", "folder for data and logs")
	tools := c.Flags().String("tools", ".tools", "folder of installed tools (make tools)")
	scripts := c.Flags().String("clients", "examples/clients", "folder of the clients' scripts")
	c.RunE = func(c *cobra.Command, _ []string) error {
		d := &demo{dir: *dir, tools: *tools, scripts: *scripts, out: c.OutOrStdout(), progress: c.ErrOrStderr(), tokens: map[string]string{}}
		return d.run(c.Context(), *once)
	}
	return c
}

// demo is one demonstration.
type demo struct {
	dir, tools, scripts string
	out, progress       io.Writer
	tokens              map[string]string // of the services
	awsSecret           string
	stack               *stack.Stack
	mock                *stack.Mock
	config              app.Config
	started             time.Time
}

// AccessKeyID was issued to the service ingest for AWS SDKs.
func (*demo) AccessKeyID() string { return "SNTLINGEST000001" }

// Address is where the stand-ins answer in the providers' place.
func (d *demo) Address() string { return d.mock.TLSAddr }

// CAFile has the authority of the stand-ins' certificates.
func (d *demo) CAFile() string { return d.mock.CAFile }

// Token gives a service's token, a new one each run.
func (d *demo) Token(service string) string {
	if d.tokens[service] == "" {
		d.tokens[service] = "svc_" + rand.Text()
	}
	return d.tokens[service]
}

func (d *demo) run(ctx context.Context, once bool) error {
	abs, err := filepath.Abs(d.dir)
	if err != nil {
		return refused(err)
	}
	d.dir = abs
	if d.stack, err = stack.New(stack.Options{Dir: d.dir, Tools: d.tools, Progress: d.progress}); err != nil {
		return refused(err)
	}
	defer d.stack.Close()
	if err := d.start(ctx); err != nil {
		return refused(err)
	}
	d.say("a day of traffic by the official clients, some seconds long …")
	if err := d.day(ctx); err != nil {
		return err
	}
	exact, err := d.report(ctx)
	if err != nil {
		return err
	}
	if once {
		if !exact {
			return errors.New("the ledger differs from the stand-ins' own account")
		}
		return nil
	}
	if err := d.directions(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (d *demo) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.progress, "demo: "+format+"\n", args...)
}

// start brings up everything around the gateway, the gateway, and Envoy last.
func (d *demo) start(ctx context.Context) error {
	dsn, err := d.stack.Postgres()
	if err != nil {
		return err
	}
	vault, root, err := d.stack.OpenBao()
	if err != nil {
		return err
	}
	d.awsSecret = rand.Text()
	if err := d.secrets(ctx, vault, root); err != nil {
		return err
	}
	if err := d.configure(dsn, vault, root); err != nil {
		return err
	}
	if err := migrate(ctx, d.config); err != nil {
		return err
	}
	if err := d.gateway(ctx); err != nil {
		return err
	}
	state, err := app.LoadState(d.config.Policies)
	if err != nil {
		return err
	}
	bootstrap, err := envoy.Bootstrap(d.config.ForEnvoy(state))
	if err != nil {
		return err
	}
	_, err = d.stack.Envoy(ctx, bootstrap, envoytest.Options{Admin: d.config.Envoy.Admin})
	return err
}

// providerKeys are the credentials that only Vault and the providers know.
var providerKeys = map[string]string{"openai": "sk-vault-" + rand.Text(), "stripe": "sk_test_vault" + rand.Text(), "weather": "wx-" + rand.Text(),
	"gemini": "AIza" + rand.Text(), "twilio": "ACvault" + rand.Text()}

// secrets starts the stand-ins, which take no other credentials than those, and puts them into Vault.
func (d *demo) secrets(ctx context.Context, vault, root string) error {
	awsID, awsSecret := "AKIAVAULTDEMO", rand.Text()
	c := mockapi.DefaultConfig()
	aws := []string{awsID + ":" + awsSecret}
	c.Accept = map[string][]string{
		"openai": {providerKeys["openai"]}, "stripe": {providerKeys["stripe"]}, "weather": {providerKeys["weather"]}, "bedrock": aws, "s3": aws,
		"gemini": {providerKeys["gemini"]}, "twilio": {providerKeys["twilio"]},
	}
	for _, s := range []string{"checkout", "summariser", "dispatch", "growth-bot", "ingest"} {
		c.Canaries = append(c.Canaries, d.Token(s))
	}
	c.Canaries = append(c.Canaries, d.awsSecret)
	var err error
	if d.mock, err = d.stack.Mock(c); err != nil {
		return err
	}
	for path, data := range map[string]map[string]string{
		"openai":         {"api_key": providerKeys["openai"]},
		"stripe":         {"api_key": providerKeys["stripe"]},
		"weather":        {"key": providerKeys["weather"]},
		"gemini":         {"api_key": providerKeys["gemini"]},
		"twilio":         {"key": providerKeys["twilio"] + ":" + rand.Text()},
		"aws":            {"access_key_id": awsID, "secret_access_key": awsSecret},
		"callers/ingest": {"secret": d.awsSecret},
	} {
		if err := putSecret(ctx, vault, root, path, data); err != nil {
			return err
		}
	}
	return nil
}

// putSecret writes a KV version 2 secret.
func putSecret(ctx context.Context, vault, token, path string, data map[string]string) error {
	body, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, vault+"/v1/secret/data/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("X-Vault-Token", token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("write secret/%s: %w", path, err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode >= 300 {
		return fmt.Errorf("write secret/%s: vault answered %s", path, answer.Status)
	}
	return nil
}

// configure writes the policy, and chooses addresses.
func (d *demo) configure(dsn, vault, root string) error {
	t, err := template.New("policies").Parse(demoPolicies)
	if err != nil {
		return err
	}
	var policies bytes.Buffer
	if err := t.Execute(&policies, d); err != nil {
		return err
	}
	file := filepath.Join(d.dir, "policies.yaml")
	if err := os.WriteFile(file, policies.Bytes(), 0o600); err != nil {
		return err
	}
	ports, err := stack.FreePorts(5)
	if err != nil {
		return err
	}
	at := func(i int) string { return "127.0.0.1:" + strconv.Itoa(ports[i]) }
	c := app.DefaultConfig()
	c.Dashboard = dashboard.Files()
	c.Policies, c.Spool.Dir = file, filepath.Join(d.dir, "spool")
	c.Control.Listen, c.Metrics.Listen, c.Envoy.Listen, c.Envoy.Admin, c.Admin.Listen = at(0), at(1), at(2), at(3), at(4)
	c.Envoy.AccessLog = filepath.Join(d.dir, "access.log")
	c.Redis.Address, c.Redis.Timeout = []string{"embedded"}, 250*time.Millisecond // in one process with everything else
	c.Vault.Address, c.Vault.Token = vault, sentinel.NewSecret(root)
	c.Database.URL = sentinel.NewSecret(dsn)
	d.config = c
	return nil
}

func migrate(ctx context.Context, c app.Config) error {
	st, err := store.Open(ctx, store.Options{DSN: c.Database.URL, MaxConns: 2})
	if err != nil {
		return err
	}
	defer st.Close()
	_, err = st.Migrate(ctx)
	return err
}

// gateway runs sentinel in this process until the stack closes.
func (d *demo) gateway(ctx context.Context) error {
	logFile, err := os.Create(filepath.Join(d.dir, "sentinel.log"))
	if err != nil {
		return err
	}
	a, err := app.New(ctx, d.config, zerolog.New(logFile).With().Timestamp().Logger())
	if err != nil {
		return err
	}
	d.say("sentinel on %s", d.config.Control.Listen)
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := a.Run(running); err != nil {
			d.say("sentinel ended: %s", err)
		}
	}()
	d.stack.OnClose(func() {
		stop()
		<-ended
		a.Close()
		_ = logFile.Close()
	})
	return nil
}

// day runs the clients' script.
func (d *demo) day(ctx context.Context) error {
	services := map[string]any{}
	for s, token := range d.tokens {
		services[s] = token
	}
	services["ingest"] = map[string]string{
		"token": d.tokens["ingest"], "aws_access_key_id": d.AccessKeyID(), "aws_secret_access_key": d.awsSecret,
	}
	text, err := json.Marshal(services)
	if err != nil {
		return err
	}
	d.started = time.Now().UTC()
	_, err = d.stack.Python(ctx, filepath.Join(d.scripts, "day.py"), "GATEWAY_URL=http://"+d.config.Envoy.Listen, "SERVICES="+string(text))
	return err
}

// directions says where to look while the demonstration stays up.
func (d *demo) directions(ctx context.Context) error {
	_, _ = fmt.Fprintf(d.out, `
It stays up until Ctrl-C. Try:
  curl http://%[1]s/openai/v1/chat/completions -H 'Authorization: Bearer %[2]s' \
    -H 'Content-Type: application/json' -d '{"model":"gpt-5-mini","messages":[{"role":"user","content":"hello"}]}'
  edit %[3]s: the policy reloads at once
  curl http://%[4]s/metrics
  tail -f %[5]s
`, d.config.Envoy.Listen, d.tokens["summariser"], d.config.Policies, d.config.Metrics.Listen, d.config.Envoy.AccessLog)
	st, err := store.Open(ctx, store.Options{DSN: d.config.Database.URL, MaxConns: 1})
	if err != nil {
		return err
	}
	defer st.Close()
	link, ok, err := app.OfferSetup(ctx, d.config, st)
	if err != nil || !ok {
		_, _ = fmt.Fprintf(d.out, "  the dashboard is at http://%s\n", d.config.Admin.Listen)
		return err
	}
	_, _ = fmt.Fprintf(d.out, "  the dashboard: %s\n", link)
	return nil
}
