package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/audit"
	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/reconcile"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// reconcileFlags are what an operator says.
type reconcileFlags struct {
	config, from, to, url, key, cur, service *string
	book, all, provisional                   *bool
}

func reconcileCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "reconcile PROVIDER --from DAY --to DAY", Short: "Compare the ledger with the provider's own usage report",
		Args: exactly(1, "the name of a provider in the policy file"),
		Long: "Reconcile sums the ledger and the provider's report by day and model (by day where the report knows no models) and prints what\n" +
			"differs. With --book it writes the difference of the days that are over as true-up entries of the organisation, which the audit\n" +
			"chain records; said again, it books nothing more. Days that AWS marks as estimated have a star, and are booked when its bill is final,\n" +
			"or now with --provisional. Days are UTC; --to is the day to end before.\n\n" +
			"Reports: OpenAI's usage and costs, Anthropic's usage and cost admin API, Stripe's balance transactions, AWS Cost Explorer, or with\n" +
			"--cur a cost and usage report of AWS as CSV. --key-file has the admin key (ACCESS_KEY_ID:SECRET for AWS); - is standard input.",
		Example: "  sentinel reconcile openai --from 2026-11-01 --to 2026-11-28 --key-file openai-admin.key\n" +
			"  sentinel reconcile openai --from 2026-11-01 --to 2026-11-28 --key-file openai-admin.key --book\n" +
			"  sentinel reconcile s3 --from 2026-11-01 --to 2026-11-28 --cur november.csv --service AmazonS3",
	}
	f := reconcileFlags{
		config: configFlag(c),
		from:   c.Flags().String("from", "", "first day (UTC)"), to: c.Flags().String("to", "", "day to end before"),
		url:         c.Flags().String("url", "", "address of the provider's API; default: its own"),
		key:         c.Flags().String("key-file", "", "file with the key that may read the report; - is standard input"),
		cur:         c.Flags().String("cur", "", "cost and usage report of AWS, CSV; - is standard input"),
		service:     c.Flags().String("service", "", "of AWS's report, only this service, in its own words: \"Amazon Simple Storage Service\"; AmazonS3 in a CUR"),
		book:        c.Flags().Bool("book", false, "write true-up entries"),
		provisional: c.Flags().Bool("provisional", false, "with --book, book days too that the provider still marks as estimated"),
		all:         c.Flags().Bool("all", false, "print what agrees too"),
	}
	c.RunE = func(c *cobra.Command, args []string) error { return f.run(c, args[0]) }
	c.AddCommand(reconcileBatchCommand())
	return c
}

func (f reconcileFlags) run(c *cobra.Command, name string) error {
	from, to, err := f.days()
	if err != nil {
		return err
	}
	_, state, err := load(*f.config)
	if err != nil {
		return err
	}
	kind, err := f.kind(state.Policy.Providers, name)
	if err != nil {
		return refused(err)
	}
	log, st, done, err := openAudit(c, *f.config)
	if err != nil {
		return err
	}
	defer done()
	reported, err := f.reported(c, kind, from, to)
	if err != nil {
		return fmt.Errorf("report of %s: %w", name, err)
	}
	booked, err := bookedBy(c.Context(), st, name, kind.ByModel, from, to)
	if err != nil {
		return err
	}
	drifts := reconcile.Compare(booked, reported)
	if err := printDrifts(c.OutOrStdout(), drifts, *f.all); err != nil || !*f.book {
		return err
	}
	return f.trueUp(c, st, log, state.Policy.Org, name, drifts)
}

// days reads the period: whole days, because reports have nothing finer.
func (f reconcileFlags) days() (from, to time.Time, err error) {
	if *f.from == "" || *f.to == "" {
		return from, to, refused(errors.New("--from and --to are required, such as --from 2026-11-01 --to 2026-12-01"))
	}
	if from, err = time.Parse(time.DateOnly, *f.from); err != nil {
		return from, to, refused(fmt.Errorf("--from: %q is not a day such as 2026-11-01", *f.from))
	}
	if to, err = time.Parse(time.DateOnly, *f.to); err != nil {
		return from, to, refused(fmt.Errorf("--to: %q is not a day such as 2026-12-01", *f.to))
	}
	if !from.Before(to) || to.Sub(from) > 366*24*time.Hour {
		return from, to, refused(errors.New("--to must be after --from, by a year at most"))
	}
	return from, to, nil
}

// kind finds the report of a provider in the policy.
func (f reconcileFlags) kind(providers []policy.Provider, name string) (reconcile.Kind, error) {
	i := slices.IndexFunc(providers, func(p policy.Provider) bool { return p.Name == name })
	if i < 0 {
		return reconcile.Kind{}, fmt.Errorf("the policy has no provider %q", name)
	}
	kind, ok := reconcile.KindOf(providers[i].Preset)
	if !ok {
		return kind, fmt.Errorf("%s: there is no usage report of preset %q to compare with", name, providers[i].Preset)
	}
	aws := func(p policy.Provider) bool { return strings.HasPrefix(p.Preset, "aws-") }
	if *f.cur != "" && !aws(providers[i]) {
		return kind, fmt.Errorf("--cur: %s is not a service of AWS", name)
	}
	others := slices.ContainsFunc(providers, func(p policy.Provider) bool { return p.Name != name && aws(p) })
	if aws(providers[i]) && *f.service == "" && others {
		return kind, errors.New("--service is required: the policy has several providers of AWS, and its report has all of them")
	}
	return kind, nil
}

// reported reads the provider's side.
func (f reconcileFlags) reported(c *cobra.Command, kind reconcile.Kind, from, to time.Time) (reconcile.Sums, error) {
	if *f.cur != "" {
		file, err := openInput(c, *f.cur)
		if err != nil {
			return nil, refused(fmt.Errorf("--cur: %w", err))
		}
		defer func() { _ = file.Close() }()
		return reconcile.CUR(file, *f.service, from, to)
	}
	if *f.key == "" {
		return nil, refused(errors.New("--key-file is required: a file with the admin key that may read the report"))
	}
	file, err := openInput(c, *f.key)
	if err != nil {
		return nil, refused(fmt.Errorf("--key-file: %w", err))
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, 64<<10))
	if err != nil {
		return nil, refused(fmt.Errorf("--key-file: %w", err))
	}
	key := strings.TrimSpace(string(text))
	r := reconcile.Report{URL: strings.TrimSuffix(cmp.Or(*f.url, kind.URL), "/"), Key: sentinel.NewSecret(key), Service: *f.service, HTTP: &http.Client{
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the key goes nowhere else
	}}
	if kind.URL == reconcile.Kinds["aws"].URL {
		if r.Sign, err = costExplorerSigner(key); err != nil {
			return nil, refused(err)
		}
	}
	return kind.Read(c.Context(), r, from, to)
}

func openInput(c *cobra.Command, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(c.InOrStdin()), nil
	}
	return os.Open(name)
}

// costExplorerSigner signs for Cost Explorer, which has one region.
func costExplorerSigner(key string) (func(*http.Request, []byte) error, error) {
	parts := strings.SplitN(key, ":", 3)
	if len(parts) < 2 {
		return nil, errors.New("--key-file: ACCESS_KEY_ID:SECRET_ACCESS_KEY expected, and :SESSION_TOKEN after them for temporary keys")
	}
	k := credential.AWSKey{AccessKeyID: parts[0], Secret: sentinel.NewSecret(parts[1])}
	if len(parts) == 3 {
		k.SessionToken = sentinel.NewSecret(parts[2])
	}
	return func(r *http.Request, body []byte) error {
		q := credential.SigRequest{
			Method: r.Method, Host: r.URL.Host, Path: r.URL.EscapedPath(), PayloadHash: credential.HashPayload(body), Region: "us-east-1", Service: "ce",
		}
		for _, name := range []string{"Content-Type", "X-Amz-Target"} {
			q.Headers = append(q.Headers, credential.Header{Name: strings.ToLower(name), Value: r.Header.Get(name)})
		}
		signed, err := credential.SignV4(k, q, time.Now().UTC())
		for _, h := range signed {
			r.Header.Set(h.Name, h.Value)
		}
		return err
	}, nil
}

// mostRows is as many as the store gives at once.
const mostRows = 10_000

// bookedBy sums the ledger's side.
func bookedBy(ctx context.Context, st *store.Store, name string, byModel bool, from, to time.Time) (map[reconcile.Cell]reconcile.Booked, error) {
	rows, err := st.Usage(ctx, store.UsageQuery{
		From: from, To: to, By: []string{"day", "model", "endpoint"}, Filter: map[string]string{"provider": name}, Limit: mostRows,
	})
	if err != nil {
		return nil, err
	}
	if len(rows) == mostRows {
		return nil, refused(errors.New("the period has too many days, models and endpoints: choose a shorter one"))
	}
	out := map[reconcile.Cell]reconcile.Booked{}
	for _, r := range rows {
		day, err := time.Parse(time.DateOnly, r.Keys[0])
		if err != nil {
			return nil, err
		}
		cell := reconcile.Cell{Day: day}
		if byModel {
			cell.Model = reconcile.Name(r.Keys[1])
		}
		b := out[cell]
		part := reconcile.Sum{Requests: r.Calls - r.Refused, InputTokens: r.InputTokens, CachedTokens: r.CachedInputTokens, OutputTokens: r.OutputTokens, Cost: r.Cost}
		if r.Keys[2] == reconcile.Endpoint {
			b.TrueUps += r.Calls
			part.Requests = 0
		}
		b.Sum = b.Plus(part)
		out[cell] = b
	}
	return out, nil
}

// printDrifts shows what differs, and the totals.
func printDrifts(w io.Writer, drifts []reconcile.Drift, all bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "day\tmodel\tinput booked\treported\toutput booked\treported\tbooked\treported\tdrift\t%\t")
	var booked, reported reconcile.Sum
	line := func(day, model string, b, r reconcile.Sum) {
		if r.Provisional {
			day += "*"
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t\n", day, model, b.InputTokens, r.InputTokens, b.OutputTokens, r.OutputTokens,
			b.Cost, r.Cost, r.Cost-b.Cost, percent(r.Cost-b.Cost, r.Cost))
	}
	for _, d := range drifts {
		booked, reported = booked.Plus(d.Booked.Sum), reported.Plus(d.Reported)
		if all || d.Owed() != 0 {
			line(d.Day.Format(time.DateOnly), orDash(d.Model), d.Booked.Sum, d.Reported)
		}
	}
	line("total", "", booked, reported)
	if err := t.Flush(); err != nil || !reported.Provisional {
		return err
	}
	_, err := fmt.Fprintln(w, "* the provider marks this as estimated: it may still change")
	return err
}

// percent gives a part of a whole with two decimals.
func percent(part, whole sentinel.NanoUSD) string {
	if whole == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", 100*float64(part)/float64(whole)) // for the eye: no sum comes of it
}

// trueUp books the drift of the days that are over, with a row of the audit chain in the same transaction.
func (f reconcileFlags) trueUp(c *cobra.Command, st *store.Store, log *audit.Log, org, name string, drifts []reconcile.Drift) error {
	now := time.Now().UTC()
	var due []sentinel.Entry
	var sum sentinel.NanoUSD
	open, provisional := 0, 0
	for _, d := range drifts {
		switch {
		case d.Owed() == 0:
		case now.Before(d.Day.AddDate(0, 0, 1)):
			open++
		case d.Reported.Provisional && !*f.provisional:
			provisional++
		default:
			e := d.TrueUp(org, name)
			due, sum = append(due, e), sum+e.Cost
		}
	}
	if open > 0 {
		_, _ = fmt.Fprintf(c.OutOrStdout(), "%d lines are of a day that is not over: they are not booked\n", open)
	}
	if provisional > 0 {
		_, _ = fmt.Fprintf(c.OutOrStdout(), "%d lines are of days that the provider marks as estimated: they are not booked; say it again when its bill is final, or with --provisional now\n", provisional)
	}
	return bookTrueUps(c, st, log, sentinel.AuditRow{Action: "ledger.true_up", Object: name + " " + *f.from + " to " + *f.to}, due, sum)
}

// bookTrueUps writes entries, and the row of the audit chain that names who, what and how much, in one transaction.
func bookTrueUps(c *cobra.Command, st *store.Store, log *audit.Log, row sentinel.AuditRow, due []sentinel.Entry, sum sentinel.NanoUSD) error {
	if len(due) == 0 {
		_, err := fmt.Fprintln(c.OutOrStdout(), "nothing to book")
		return err
	}
	rows := make([]sentinel.Record, len(due))
	for i := range due {
		rows[i].Entry = &due[i]
	}
	row.Actor, row.After = operator(), fmt.Sprintf("%d entries, %s", len(rows), sum)
	if err := log.Do(c.Context(), row, func(ctx context.Context) error { return st.Write(ctx, rows) }); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "booked %d true-up entries, %s\n", len(rows), sum)
	return err
}
