package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/provider"
	"github.com/saas-sentinel/saas-sentinel/reconcile"
	"github.com/saas-sentinel/saas-sentinel/store"
)

func reconcileBatchCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "batch RESULTS --call ID", Short: "Compare what a batch was booked for with its results",
		Args: exactly(1, "the file of a batch's results; - is standard input"),
		Long: "Batch prices the results of a batch, OpenAI's output file or Anthropic's results (JSONL), answer by answer by the provider's batch prices\n" +
			"on the day on which the batch was begun, and shows what the call that began it was booked for. With --book it writes the difference as a true-up entry of\n" +
			"the call's own payer, once. --call is that call's x-sentinel-call header.",
		Example: "  sentinel reconcile batch batch_68f_output.jsonl --call 019ab1c2-3d4e-7f50-8a6b-7c8d9e0f1a2b\n" +
			"  sentinel reconcile batch results.jsonl --call 019ab1c2-3d4e-7f50-8a6b-7c8d9e0f1a2b --book",
	}
	config := configFlag(c)
	call, book := c.Flags().String("call", "", "the call that began the batch"), c.Flags().Bool("book", false, "write the true-up entry")
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := sentinel.ParseCallID(*call)
		if err != nil {
			return refused(errors.New("--call is required: the x-sentinel-call header of the answer to the call that began the batch"))
		}
		return reconcileBatch(c, *config, args[0], id, *book)
	}
	return c
}

func reconcileBatch(c *cobra.Command, config, name string, id sentinel.CallID, book bool) error {
	_, state, err := load(config)
	if err != nil {
		return err
	}
	file, err := openInput(c, name)
	if err != nil {
		return refused(err)
	}
	defer func() { _ = file.Close() }()
	log, st, done, err := openAudit(c, config)
	if err != nil {
		return err
	}
	defer done()
	begun, err := batchCall(c.Context(), st, id)
	if err != nil {
		return err
	}
	b := batch{state: state, begun: begun}
	if err := b.read(file); err != nil {
		return refused(fmt.Errorf("%s: %w", name, err))
	}
	e := reconcile.OfBatch(begun, b.model(), b.usage, b.cost)
	earlier, err := st.Entries(c.Context(), store.EntryQuery{CallID: e.ID})
	if err != nil {
		return err
	}
	out := c.OutOrStdout()
	_, _ = fmt.Fprintf(out, "%d answers, %d input and %d output tokens, cost %s; the call is booked with %s: %s to book\n",
		b.answers, b.usage.InputTokenSum(), b.usage.OutputTokenSum(), b.cost, begun.Cost, e.Cost)
	switch {
	case len(earlier) > 0:
		_, _ = fmt.Fprintln(out, "the batch has its true-up entry already")
		return nil
	case !book:
		return nil
	}
	row := sentinel.AuditRow{Actor: operator(), Action: "ledger.true_up", Object: begun.Provider + " batch " + id.String(), After: fmt.Sprintf("1 entry, %s", e.Cost)}
	if err := log.Do(c.Context(), row, func(ctx context.Context) error { return st.Write(ctx, []sentinel.Record{{Entry: &e}}) }); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "booked")
	return err
}

// batchCall finds the call that began a batch.
func batchCall(ctx context.Context, st *store.Store, id sentinel.CallID) (sentinel.Entry, error) {
	rows, err := st.Entries(ctx, store.EntryQuery{CallID: id})
	switch {
	case err != nil:
		return sentinel.Entry{}, err
	case len(rows) == 0:
		return sentinel.Entry{}, refused(fmt.Errorf("--call: the ledger has no call %s", id))
	case rows[0].Endpoint != "batches.create" || rows[0].Action.Refused():
		return sentinel.Entry{}, refused(fmt.Errorf("--call: %s began no batch: it is %s of %s", id, rows[0].Endpoint, rows[0].Provider))
	}
	return rows[0], nil
}

// batch sums the results of one.
type batch struct {
	state   *governor.State
	begun   sentinel.Entry
	answers int
	models  map[string]bool
	usage   sentinel.Usage
	cost    sentinel.NanoUSD
}

func (b *batch) read(results io.Reader) error {
	route, ok := b.state.Routes[b.begun.Provider+"/"+b.begun.Endpoint]
	if !ok {
		return fmt.Errorf("the policy has no provider %q any more, whose batch this is", b.begun.Provider)
	}
	b.models = map[string]bool{}
	return route.Preset.Batch(results, func(got provider.Metered) error {
		e := b.begun
		e.Model, e.Tier, e.Usage, e.Source, e.Method = got.Model, got.Tier, got.Usage, sentinel.SourceMeter, "" // whatever its beginning was booked by
		cost, version, err := b.state.Reprice(e)
		switch {
		case err != nil:
			return err
		case version == sentinel.VersionFlat || version == sentinel.VersionUnpriced:
			return fmt.Errorf("%s has no batch price on %s: sentinel prices show %s lists those that are known", got.Model, e.At.Format(time.DateOnly), route.Preset.Name)
		}
		if cost > math.MaxInt64-b.cost {
			return sentinel.ErrAmountRange
		}
		b.cost, b.answers = b.cost+cost, b.answers+1
		b.models[reconcile.Name(got.Model)] = true
		for u, n := range got.Usage {
			b.usage[u] += n
		}
		return nil
	})
}

// model is that of all answers; empty where they have several.
func (b *batch) model() string {
	if len(b.models) == 1 {
		for m := range b.models {
			return m
		}
	}
	return ""
}
