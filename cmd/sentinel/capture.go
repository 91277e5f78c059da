package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/capture"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/store"
)

func captureCommand() *cobra.Command {
	c := &cobra.Command{Use: "capture", Short: "Read the bodies that a policy has stored, sealed"}
	c.AddCommand(captureShowCommand(), captureListCommand(), captureKeygenCommand())
	return c
}

func captureShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "show CALL", Short: "Print a call's captured bodies, and record who read them", Args: exactly(1, "the id of a call"),
		Long: "Show opens what a policy has captured of a call, as far as it has not expired. Who read it, and why, is a row of the\n" +
			"audit chain before anything is printed: where the chain does not take it, nothing is shown.",
		Example: "  sentinel capture show 0199b3c2-7c5e-7d5b-9a44-0d6a3f6f2b11 --why \"ticket 4711\"",
	}
	config := configFlag(c)
	why := c.Flags().String("why", "", "a reason for the audit chain")
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := sentinel.ParseCallID(args[0])
		if err != nil {
			return refused(fmt.Errorf("%q is not the id of a call: the answer's x-sentinel-call header has it", args[0]))
		}
		cfg, err := app.LoadConfig(*config)
		if err != nil {
			return refused(err)
		}
		box, err := app.OpenCapture(cfg)
		if err != nil {
			return refused(err)
		}
		log, st, done, err := auditOf(c, cfg)
		if err != nil {
			return err
		}
		defer done()
		var opened []openedBody
		row := sentinel.AuditRow{Actor: operator(), Action: "capture.show", Object: id.String(), After: *why}
		err = log.Do(c.Context(), row, func(ctx context.Context) (err error) {
			opened, err = openBodies(ctx, st, box, id)
			return err
		})
		if err != nil {
			return err
		}
		return printBodies(c.OutOrStdout(), opened)
	}
	return c
}

// openedBody is a captured body in clear.
type openedBody struct {
	sentinel.SealedBody
	data []byte
}

var errNothingCaptured = errors.New("nothing is captured of this call: no policy had it stored, or it has expired")

func openBodies(ctx context.Context, st *store.Store, box *capture.Box, id sentinel.CallID) ([]openedBody, error) {
	list, err := st.Bodies(ctx, store.BodyQuery{CallID: id})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errNothingCaptured
	}
	out := make([]openedBody, len(list))
	for i, s := range list {
		data, err := box.Open(ctx, s)
		if err != nil {
			return nil, err
		}
		out[i] = openedBody{s, data}
	}
	return out, nil
}

func printBodies(w io.Writer, list []openedBody) error {
	for _, b := range list {
		of := ""
		if b.Size > int64(len(b.data)) {
			of = fmt.Sprintf(", of which the first %d are kept", len(b.data))
		}
		_, err := fmt.Fprintf(w, "--- %s of attempt %d, %s to %s/%s, %d bytes%s, until %s\n%s\n", b.Part, b.Attempt+1, b.Call.Caller.Service, b.Call.Provider,
			b.Call.Endpoint, b.Size, of, b.Expires.Format(time.RFC3339), b.data)
		if err != nil {
			return err
		}
	}
	return nil
}

func captureListCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List what is captured, without its content", Args: none,
		Example: "  sentinel capture list --service checkout --since 24h",
	}
	config := configFlag(c)
	service, since := c.Flags().String("service", "", "only calls of this service"), c.Flags().Duration("since", 0, "only calls of the last such time; default: all")
	c.RunE = func(c *cobra.Command, _ []string) error {
		q := store.BodyQuery{Service: *service, Outline: true}
		if *since > 0 {
			q.Since = time.Now().Add(-*since)
		}
		return printOf(c, *config, "TIME\tCALL\tATTEMPT\tBODY\tBYTES\tSERVICE\tPROVIDER\tENDPOINT\tMODEL\tUNTIL",
			func(ctx context.Context, st *store.Store) ([]sentinel.SealedBody, error) { return st.Bodies(ctx, q) },
			func(b sentinel.SealedBody) []string {
				return []string{b.Call.At.Format(time.RFC3339), b.Call.ID.String(), fmt.Sprint(b.Attempt + 1), string(b.Part), fmt.Sprint(b.Size),
					b.Call.Caller.Service, b.Call.Provider, b.Call.Endpoint, b.Call.Model, b.Expires.Format(time.RFC3339)}
			})
	}
	return c
}

func captureKeygenCommand() *cobra.Command {
	return &cobra.Command{
		Use: "keygen FILE", Short: "Make a key that seals bodies", Args: exactly(1, "a file to make"),
		Long:    "Keygen writes a key of 32 bytes in base64 to FILE, readable by its owner alone. Without it nobody reads what it has sealed.",
		Example: "  sentinel capture keygen /etc/sentinel/capture.key",
		RunE:    func(_ *cobra.Command, args []string) error { return writeKey(args[0], capture.NewKey()) },
	}
}
