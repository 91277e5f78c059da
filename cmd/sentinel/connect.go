package main

import (
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/internal/app"
)

func connectCommand() *cobra.Command {
	c := &cobra.Command{Use: "connect", Short: "Look at the gateway from a client's place"}
	c.AddCommand(connectCheck())
	return c
}

func connectCheck() *cobra.Command {
	c := &cobra.Command{ //nolint:gosec // the example's TOKEN is a word
		Use: "check [HOST]", Short: "Say why a client does not get through, and what to do", Args: atMost(1, "one host"),
		Long: "Check goes the way of a client in whose place it runs, with that one's variables (HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE and those of the\n" +
			"usual libraries): is the proxy used, does it answer, does it know the token, is the host a provider's, and is the authority trusted.\n" +
			"It needs no configuration, makes no call at the provider, and ends with 1 when something must be done.",
		Example: "  HTTPS_PROXY=http://checkout:TOKEN@gateway:3128 sentinel connect check api.openai.com",
	}
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		host := "api.openai.com"
		if len(args) > 0 {
			host = args[0]
		}
		return told(c, app.Connect(c.Context(), app.Client{Host: host, Proxy: http.ProxyFromEnvironment, Getenv: os.Getenv}), *asJSON)
	}
	return c
}
