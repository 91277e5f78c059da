package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/spool"
	"github.com/saas-sentinel/saas-sentinel/store"
)

func spoolCommand() *cobra.Command {
	c := &cobra.Command{Use: "spool", Short: "Look into the spool, or write it to the ledger"}
	c.AddCommand(spoolInspectCommand(), spoolReplayCommand())
	return c
}

func spoolInspectCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "inspect DIR", Short: "Show what a spool holds, without changing it", Args: exactly(1, "a spool directory"),
		Long:    "Inspect may run beside the process that owns the spool.",
		Example: "  sentinel spool inspect /var/lib/sentinel/spool\n  sentinel spool inspect --pending /var/lib/sentinel/spool",
	}
	pending := c.Flags().Bool("pending", false, "print the records that the database lacks, a JSON object a line")
	c.RunE = func(c *cobra.Command, args []string) error {
		var each func(sentinel.Record, bool) error
		if *pending {
			out := json.NewEncoder(c.OutOrStdout())
			each = func(r sentinel.Record, committed bool) error {
				if committed {
					return nil
				}
				return out.Encode(spooled(r))
			}
		}
		reports, err := spool.Inspect(args[0], each)
		if err != nil {
			return refused(err)
		}
		if *pending {
			return nil
		}
		return printSegments(c.OutOrStdout(), reports)
	}
	return c
}

// spooled is a record as a line of JSON.
func spooled(r sentinel.Record) map[string]any {
	line := func(kind string, c sentinel.Call, cost sentinel.NanoUSD) map[string]any {
		return map[string]any{"kind": kind, "call_id": c.ID.String(), "at": c.At, "org": c.Caller.Org, "team": c.Caller.Team, "service": c.Caller.Service,
			"provider": c.Provider, "endpoint": c.Endpoint, "model": c.Model, "cost_nano_usd": int64(cost)}
	}
	if r.Intent != nil {
		return line("intent", r.Intent.Call, r.Intent.BoundCost)
	}
	m := line("entry", r.Entry.Call, r.Entry.Cost)
	m["attempt"], m["source"], m["action"] = r.Entry.Attempt, r.Entry.Source.String(), r.Entry.Action.String()
	return m
}

func printSegments(w io.Writer, reports []spool.SegmentReport) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "segment\tbytes\tintents\tentries\tpending\tunreadable\ttorn bytes\t")
	var sum spool.SegmentReport
	row := func(name string, r spool.SegmentReport) {
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, r.Bytes, r.Intents, r.Entries, r.Pending, r.Unreadable, r.TornBytes)
	}
	for _, r := range reports {
		row(strconv.FormatUint(r.ID, 10), r)
		sum.Bytes += r.Bytes
		sum.Intents += r.Intents
		sum.Entries += r.Entries
		sum.Pending += r.Pending
		sum.Unreadable += r.Unreadable
		sum.TornBytes += r.TornBytes
	}
	row("total", sum)
	return t.Flush()
}

func spoolReplayCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "replay", Short: "Write what a spool still holds to the ledger", Args: none,
		Long: "Replay is for the spool of a process that will not start again, such as that of a machine that was taken away.\n" +
			"It takes the spool as a running process does: only one may. Repeating it changes nothing.",
		Example: "  sentinel spool replay --config sentinel.yaml --dir /mnt/old/spool",
	}
	config := configFlag(c)
	dir := c.Flags().String("dir", "", "spool directory; default: that of the configuration")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := app.LoadConfig(*config)
		if err != nil {
			return refused(err)
		}
		if *dir == "" {
			*dir = cfg.Spool.Dir
		}
		if _, err := os.Stat(*dir); err != nil {
			return refused(fmt.Errorf("spool directory: %w", err))
		}
		st, err := openStore(c, *config)
		if err != nil {
			return err
		}
		defer st.Close()
		sp, err := spool.Open(spool.Options{Dir: *dir, Mode: spool.Sync, MaxBytes: cfg.Spool.MaxBytes})
		if err != nil {
			return refused(err)
		}
		defer func() { _ = sp.Close() }()
		n, err := replay(c.Context(), sp, st)
		_, _ = fmt.Fprintf(c.OutOrStdout(), "%d records written to the ledger\n", n)
		return err
	}
	return c
}

// replayBatch is the number of records of one write.
const replayBatch = 5000

// replay moves everything that is in the spool now.
func replay(ctx context.Context, sp *spool.Spool, st *store.Store) (n int, err error) {
	for sp.Stats().LagRecords > 0 {
		batch, err := sp.Next(ctx, replayBatch)
		if err != nil {
			return n, err
		}
		if err := st.Write(ctx, batch.Records); err != nil {
			return n, err
		}
		if err := sp.Commit(batch); err != nil {
			return n, err
		}
		n += len(batch.Records)
	}
	return n, nil
}
