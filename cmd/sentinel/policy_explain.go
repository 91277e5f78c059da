package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/internal/explain"
	"github.com/saas-sentinel/saas-sentinel/provider"
	"github.com/saas-sentinel/saas-sentinel/store"
)

func policyExplainCommand() *cobra.Command {
	d := &described{}
	c := &cobra.Command{
		Use: "explain [CALL]", Short: "Show why a call was allowed, downgraded or refused, or what would become of one now", Args: atMost(1, "a call's id"),
		Long: "Explain shows which rules a call matches, which limits it meets, what each counter held before it, the bound that it had to fit in, and\n" +
			"which limit decided. CALL is the id that answers carry in x-sentinel-call: the calls of the ledger are judged again up to that one,\n" +
			"by the version of the policy that judged it where that is kept.\n" +
			"Without it, flags describe a call, and it is judged by the policy file and the counters in Redis as they are now; nothing is sent,\n" +
			"held or written. A call with --model and without --body may use as much as the model allows.",
		Example: "  sentinel policy explain 01a20d60-e966-7a80-9ab1-c118bcb547b3\n" +
			"  sentinel policy explain --service summariser --path /openai/v1/chat/completions --body request.json\n" +
			"  sentinel policy explain --service summariser --host api.openai.com --path /v1/chat/completions --model gpt-5 --json",
	}
	config := configFlag(c)
	asJSON := c.Flags().Bool("json", false, "print JSON; money is in nano-dollars")
	c.Flags().StringVar(&d.service, "service", "", "who calls: a service of the policy")
	c.Flags().StringVar(&d.at.Host, "host", "", "the provider's own host; without it the path begins with the provider's name")
	c.Flags().StringVar(&d.at.Path, "path", "", "the path, and perhaps a query after ?")
	c.Flags().StringVar(&d.at.Method, "method", "", "the method. Default: POST with a body or a model, else GET")
	c.Flags().StringVar(&d.model, "model", "", "the model; it takes the place of the body's")
	c.Flags().StringVar(&d.body, "body", "", "file with the request's body, - for standard input")
	c.Flags().StringArrayVar(&d.headers, "header", nil, "a header, such as \"content-type: application/json\"; repeatable")
	c.RunE = func(c *cobra.Command, args []string) error {
		if (len(args) == 1) == (d.service != "" || d.at.Path != "") {
			return refused(errors.New("name either a call's id, or a service and a path: see --help"))
		}
		cfg, state, err := load(*config)
		if err != nil {
			return err
		}
		st, err := storeOf(c.Context(), cfg)
		if err != nil {
			return err
		}
		defer st.Close()
		var x *explain.Explanation
		if len(args) == 1 {
			x, err = explainCall(c, st, state, args[0])
		} else {
			x, err = d.explain(c, cfg, st, state)
		}
		if err != nil {
			return err
		}
		if !*asJSON {
			return x.Words(c.OutOrStdout())
		}
		return printJSON(c.OutOrStdout(), x)
	}
	return c
}

// explainCall explains a call of the ledger.
func explainCall(c *cobra.Command, st *store.Store, state *governor.State, text string) (*explain.Explanation, error) {
	id, err := sentinel.ParseCallID(text)
	if err != nil {
		return nil, refused(err)
	}
	rows, err := st.Entries(c.Context(), store.EntryQuery{CallID: id, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, refused(fmt.Errorf("the ledger has no call %s: it is under way, refused before its caller was known, or of another gateway", id))
	}
	if version := rows[0].PolicyVersion; version != state.Policy.Version {
		kept, err := app.StateOf(c.Context(), st, version)
		switch {
		case err == nil:
			state = kept
		case !errors.Is(err, sentinel.ErrNoPolicyVersion):
			return nil, err
		}
	}
	past, err := app.Past(c.Context(), st)
	if err != nil {
		return nil, err
	}
	return explain.Call(c.Context(), past, state, rows[0])
}

// described is a call that flags describe.
type described struct {
	service, model, body string
	at                   explain.Place
	headers              []string
}

// explain judges the described call by what the counters hold now.
func (d *described) explain(c *cobra.Command, cfg app.Config, st *store.Store, state *governor.State) (*explain.Explanation, error) {
	r, err := d.request(c, cfg.Envoy.MaxBody, state)
	if err != nil {
		return nil, refused(err)
	}
	limiter, err := openLimiter(c.Context(), cfg)
	if err != nil {
		return nil, err
	}
	defer func() { _ = limiter.Close() }()
	if r.Scores, err = app.CurrentScores(c.Context(), st, r.Call.At); err != nil {
		return nil, err
	}
	return explain.Request(c.Context(), limiter, r, d.model)
}

// request describes the call as the gateway would recognise it.
func (d *described) request(c *cobra.Command, maxBody int64, state *governor.State) (r governor.Request, err error) {
	caller, ok := state.Policy.Caller(d.service)
	if !ok {
		return r, fmt.Errorf("--service: the policy has no service %q", d.service)
	}
	var body []byte
	if d.body != "" {
		if body, err = readBody(c.InOrStdin(), d.body, maxBody); err != nil {
			return r, err
		}
	}
	at := d.at
	if at.Method == "" {
		at.Method = http.MethodGet
		if body != nil || d.model != "" {
			at.Method = http.MethodPost
		}
	}
	var query string
	at.Path, query, _ = strings.Cut(at.Path, "?")
	route, own, err := explain.Find(state, at)
	if err != nil {
		return r, err
	}
	if route.Endpoint.Body != provider.BodyNone && body == nil && d.model == "" {
		return r, fmt.Errorf("--body: what a call to %s can cost is read from its body: name a file with it, or --model for as much as the model allows", route.Name)
	}
	header := http.Header{}
	for _, h := range d.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return r, fmt.Errorf("--header: %q is not \"name: value\"", h)
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if body != nil && header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
		if route.Endpoint.Body == provider.BodyForm {
			header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
	}
	now := time.Now().UTC()
	return governor.Request{State: state, Route: route,
		Call: sentinel.Call{ID: sentinel.NewCallID(now), At: now, Caller: caller, Provider: route.Provider.Name, Endpoint: route.Endpoint.Name},
		Raw: provider.RawRequest{Path: own, Query: query, ContentType: header.Get("Content-Type"), Header: header.Get, Currencies: route.Currencies,
			OnBehalf: route.Provider.OnBehalf, Redirects: route.Provider.Redirects, Known: route.Provider.Known, Body: body}}, nil
}

// readBody reads a file as far as the gateway reads a body.
func readBody(stdin io.Reader, name string, most int64) ([]byte, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("--body: %w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	body, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && int64(len(body)) > most {
		err = fmt.Errorf("%s has more than envoy.max_body_bytes, %d: the gateway answers 413", name, most)
	}
	if err != nil {
		return nil, fmt.Errorf("--body: %w", err)
	}
	return append([]byte{}, body...), nil // an empty body is one
}
