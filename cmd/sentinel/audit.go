package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/audit"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/store"
)

func auditCommand() *cobra.Command {
	c := &cobra.Command{Use: "audit", Short: "Prove what operators changed"}
	c.AddCommand(auditVerifyCommand(), auditShowCommand(), auditKeygenCommand())
	return c
}

func auditVerifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "verify", Short: "Check the chain of changes against itself and its signed checkpoints", Args: none,
		Long: "Verify names the first row that is not as it was written, and exits with 1. Without --checkpoints a chain that was\n" +
			"built anew, or cut at its end, cannot be told from a true one.",
		Example: "  sentinel audit verify --checkpoints /mnt/worm/audit.checkpoints --public-key audit.pub",
	}
	config := configFlag(c)
	file := c.Flags().String("checkpoints", "", "file of the signed checkpoints; default: that of the configuration")
	public := c.Flags().String("public-key", "", "PEM file of the public key; default: the other half of the configured key")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := app.LoadConfig(*config)
		if err != nil {
			return refused(err)
		}
		if *file == "" {
			*file = cfg.Audit.Checkpoints
		}
		var checkpoints io.Reader
		var key ed25519.PublicKey
		if *file != "" {
			text, err := os.ReadFile(*file)
			if err != nil {
				return refused(fmt.Errorf("--checkpoints: %w", err))
			}
			if key, err = publicKey(*public, cfg.Audit.Key); err != nil {
				return refused(err)
			}
			checkpoints = bytes.NewReader(text)
		}
		st, err := openStore(c, *config)
		if err != nil {
			return err
		}
		defer st.Close()
		report, err := audit.Verify(st.Audit(c.Context()), checkpoints, key)
		if err != nil {
			return err
		}
		signed := "no checkpoints were given: a cut or rebuilt chain would not be found"
		if checkpoints != nil {
			signed = fmt.Sprintf("%d signed checkpoints agree", report.Checkpoints)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%d rows are as they were written; %s\n", report.Rows, signed)
		return err
	}
	return c
}

func publicKey(public, private string) (ed25519.PublicKey, error) {
	if public != "" {
		text, err := os.ReadFile(public)
		if err != nil {
			return nil, fmt.Errorf("--public-key: %w", err)
		}
		return audit.PublicKey(text)
	}
	if private == "" {
		return nil, errors.New("--public-key is required: the configuration has no audit.key")
	}
	text, err := os.ReadFile(private)
	if err != nil {
		return nil, fmt.Errorf("audit.key: %w", err)
	}
	key, err := audit.PrivateKey(text)
	if err != nil {
		return nil, err
	}
	return key.Public().(ed25519.PublicKey), nil
}

func auditShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "show", Short: "Print every recorded change", Args: none,
		Example: "  sentinel audit show --config sentinel.yaml",
	}
	config := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		st, err := openStore(c, *config)
		if err != nil {
			return err
		}
		defer st.Close()
		for r, err := range st.Audit(c.Context()) {
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(c.OutOrStdout(), "%d %s %s %s %s: %q -> %q\n", r.Seq, r.At.Format(time.RFC3339), r.Actor, r.Action, r.Object, r.Before, r.After); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

func auditKeygenCommand() *cobra.Command {
	return &cobra.Command{
		Use: "keygen FILE", Short: "Make a key that signs checkpoints", Args: exactly(1, "a file to make"),
		Long:    "Keygen writes the private key to FILE, readable by its owner alone, and prints the public key, which verify wants.",
		Example: "  sentinel audit keygen /etc/sentinel/audit.key > audit.pub",
		RunE: func(c *cobra.Command, args []string) error {
			private, public, err := audit.NewKey()
			if err != nil {
				return err
			}
			if err := writeKey(args[0], private); err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(public)
			return err
		},
	}
}

// writeKey makes a file that its owner alone can read.
func writeKey(name string, key []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return refused(fmt.Errorf("%w: a key is never overwritten", err))
	}
	_, err = f.Write(key)
	return errors.Join(err, f.Close())
}

// around makes an operator's change outside the database; what cannot be recorded must not be done.
func around(c *cobra.Command, config string, r sentinel.AuditRow, change func(context.Context) error) error {
	log, _, done, err := openAudit(c, config)
	if err != nil {
		return err
	}
	defer done()
	r.Actor = operator()
	return log.Around(c.Context(), r, change)
}

// lacking tells the operator what the audit chain lacks.
func lacking(c *cobra.Command) func(error) {
	return func(err error) {
		_, _ = fmt.Fprintln(c.ErrOrStderr(), "sentinel: done, and the audit chain lacks something:", err)
	}
}

// openAudit opens the audit chain of a configuration, and the database in which it is.
func openAudit(c *cobra.Command, config string) (*audit.Log, *store.Store, func(), error) {
	cfg, err := app.LoadConfig(config)
	if err != nil {
		return nil, nil, nil, refused(err)
	}
	return auditOf(c, cfg)
}

// auditOf is openAudit of a configuration that was read.
func auditOf(c *cobra.Command, cfg app.Config) (*audit.Log, *store.Store, func(), error) {
	st, err := storeOf(c.Context(), cfg)
	if err != nil {
		return nil, nil, nil, err
	}
	log, done, err := app.OpenAudit(cfg.Audit, st, lacking(c))
	if err != nil {
		st.Close()
		return nil, nil, nil, refused(err)
	}
	return log, st, func() { done(); st.Close() }, nil
}
