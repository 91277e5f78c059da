package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
)

func keysCommand() *cobra.Command {
	c := &cobra.Command{Use: "keys", Short: "Rotate the credentials of providers"}
	c.AddCommand(keysRotate())
	return c
}

// maxKey bounds what is read as a key, in bytes.
const maxKey = 16 << 10

func keysRotate() *cobra.Command {
	c := &cobra.Command{
		Use: "rotate PROVIDER", Short: "Give a provider's credential another value, once a real call has shown that it works", Args: exactly(1, "one provider"),
		Long: "Rotate reads the new key from standard input, sets it beside the one in use in Vault, tests it by a call that costs nothing, and then\n" +
			"makes it the one in use. The key before stays beside it for --keep: revoke it at the provider only after that. A key that the provider\n" +
			"refuses is never used. After a crash, --continue goes on where the rotation was; every step may be repeated.",
		Example: "  pass show openai/new | sentinel keys rotate openai\n  sentinel keys rotate openai --continue",
	}
	config := configFlag(c)
	keep := c.Flags().Duration("keep", 15*time.Minute, "how long the key before stays in Vault")
	path := c.Flags().String("test-path", "", "GET that tests the key, such as /v1/me; presets know theirs")
	number := c.Flags().Int("credential", 0, "which of several credentials, by its number in the policy; 0 is the first")
	again := c.Flags().Bool("continue", false, "continue a rotation that was broken off")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := app.LoadConfig(*config)
		if err != nil {
			return refused(err)
		}
		r := app.KeyRotation{Provider: args[0], By: operator(), Keep: *keep, TestPath: *path, Key: *number}
		if !*again {
			if info, err := os.Stdin.Stat(); err == nil && c.InOrStdin() == os.Stdin && info.Mode()&os.ModeCharDevice != 0 {
				_, _ = fmt.Fprintln(c.ErrOrStderr(), "paste the new key, then a line break and Ctrl-D:")
			}
			text, err := io.ReadAll(io.LimitReader(c.InOrStdin(), maxKey+1))
			if err != nil {
				return err
			}
			key := strings.TrimRight(string(text), "\r\n")
			if key == "" || len(text) > maxKey {
				return refused(fmt.Errorf("standard input has to be the new key, of 1 to %d bytes; to go on with a rotation that was broken off, say --continue", maxKey))
			}
			r.Next = sentinel.NewSecret(key)
		}
		log, st, done, err := auditOf(c, cfg)
		if err != nil {
			return err
		}
		defer done()
		if err := app.RotateKey(c.Context(), cfg, st, log, r); err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s uses the new key; every process does within %s. Revoke the one before at the provider after %s.\n", args[0], cfg.Vault.Refresh, max(*keep, cfg.Vault.Refresh))
		return err
	}
	return c
}
