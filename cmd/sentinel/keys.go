package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

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
		Long: "Rotate sets a new key beside the one in use in Vault, tests it by a call that costs nothing, and then makes it the one in use. The\n" +
			"key before stays beside it for --keep. A key that the provider refuses is never used. After a crash, --continue goes on where the rotation\n" +
			"was; every step may be repeated.\n\n" +
			"Where the policy says who makes keys (credential.rotate.make), the new key is made there, and the one before is taken away by the first\n" +
			"rotation after its time. Else it is read from standard input, of an AWS key the access key id, a line break and the secret access key, and\n" +
			"the one before is yours to revoke. Of a credential that Vault lends every process takes another lease.",
		Example: "  pass show openai/new | sentinel keys rotate openai\n  sentinel keys rotate openai --continue\n  sentinel keys rotate bedrock",
	}
	config := configFlag(c)
	keep := c.Flags().Duration("keep", 0, "how long the key before stays in Vault; default: as the policy says, or 15m")
	path := c.Flags().String("test-path", "", "GET that tests the key, such as /v1/me; presets know theirs")
	number := c.Flags().Int("credential", 0, "which of several credentials, by its number in the policy; 0 is the first")
	again := c.Flags().Bool("continue", false, "continue a rotation that was broken off")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := app.LoadConfig(*config)
		if err != nil {
			return refused(err)
		}
		r := app.KeyRotation{Provider: args[0], By: operator(), Keep: *keep, TestPath: *path, Key: *number}
		given, err := app.KeyIsGiven(cfg, r)
		if err != nil {
			return refused(err)
		}
		if given && !*again {
			if r.NextID, r.Next, err = newKey(c); err != nil {
				return err
			}
		}
		log, st, done, err := auditOf(c, cfg)
		if err != nil {
			return err
		}
		defer done()
		said, err := app.RotateKey(c.Context(), cfg, st, log, r)
		if said != "" {
			_, failed := fmt.Fprintln(c.OutOrStdout(), said)
			err = errors.Join(err, failed)
		}
		return err
	}
	return c
}

// newKey reads the key that an operator gives: its last line, and before it the id of an AWS key.
func newKey(c *cobra.Command) (id string, key sentinel.Secret, err error) {
	if info, err := os.Stdin.Stat(); err == nil && c.InOrStdin() == os.Stdin && info.Mode()&os.ModeCharDevice != 0 {
		_, _ = fmt.Fprintln(c.ErrOrStderr(), "paste the new key, then a line break and Ctrl-D:")
	}
	text, err := io.ReadAll(io.LimitReader(c.InOrStdin(), maxKey+1))
	if err != nil {
		return "", key, err
	}
	value := strings.TrimRight(string(text), "\r\n")
	if value == "" || len(text) > maxKey {
		return "", key, refused(fmt.Errorf("standard input has to be the new key, of 1 to %d bytes; to go on with a rotation that was broken off, say --continue", maxKey))
	}
	if first, last, two := strings.Cut(value, "\n"); two {
		id, value = strings.TrimRight(first, "\r"), last
	}
	return id, sentinel.NewSecret(value), nil
}
