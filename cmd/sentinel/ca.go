package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/ca"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
)

func caCommand() *cobra.Command {
	c := &cobra.Command{Use: "ca", Short: "The authority that clients of the proxy trust"}
	c.AddCommand(caCreate(), caExport(), caInstallHelp())
	return c
}

func caCreate() *cobra.Command {
	c := &cobra.Command{
		Use: "create", Short: "Make the authority's file", Args: none,
		Long: "Create makes an authority that can vouch for the hosts of the policy's providers and for --host, and for nothing else: clients\n" +
			"hold it to that by its name constraints. It never replaces a file: move the old one away first. sentinel run makes one at its first\n" +
			"start where there is none.",
		Example: "  sentinel ca create --host api.mistral.ai",
	}
	config := configFlag(c)
	more := c.Flags().StringSlice("host", nil, "a host beside the policy's, for a provider that comes later; repeatable")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, state, err := load(*config)
		if err != nil {
			return err
		}
		a, err := ca.Create(cfg.Proxy.CA, append(app.ProviderHosts(state), *more...), state.Policy.Org, time.Now)
		if err != nil {
			return refused(fmt.Errorf("proxy.ca: %w", err))
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s vouches for %s until %s\n", cfg.Proxy.CA, strings.Join(a.Hosts(), ", "), a.NotAfter().Format(time.DateOnly))
		return err
	}
	return c
}

// openCA opens the configured authority.
func openCA(config string) (*ca.Authority, app.Config, error) {
	cfg, err := app.LoadConfig(config)
	if err != nil {
		return nil, cfg, refused(err)
	}
	a, err := ca.Open(cfg.Proxy.CA, time.Now)
	if err != nil {
		return nil, cfg, refused(fmt.Errorf("proxy.ca: %w: sentinel run or sentinel ca create makes it", err))
	}
	return a, cfg, nil
}

func caExport() *cobra.Command {
	c := &cobra.Command{
		Use: "export", Short: "Print the certificate that clients have to trust", Args: none,
		Long:    "Export prints the authority's certificate, which holds no secret. With --bundle it follows the system's authorities, for clients\nwhose setting replaces their own list.",
		Example: "  sentinel ca export > sentinel-ca.pem",
	}
	config := configFlag(c)
	bundle := c.Flags().String("bundle", "", "PEM file of other authorities to print first, such as /etc/ssl/certs/ca-certificates.crt")
	c.RunE = func(c *cobra.Command, _ []string) error {
		a, _, err := openCA(*config)
		if err != nil {
			return err
		}
		if *bundle != "" {
			others, err := os.ReadFile(*bundle)
			if err != nil {
				return refused(err)
			}
			if _, err := c.OutOrStdout().Write(others); err != nil {
				return err
			}
		}
		_, err = c.OutOrStdout().Write(a.Certificate())
		return err
	}
	return c
}

const installHelp = `The clients need two settings, and no change of their code:

  HTTPS_PROXY=http://SERVICE:TOKEN@%[1]s     with the service's name and token
  the authority's certificate, in the place where the client looks for it:

  sentinel ca export > sentinel-ca.pem
  sentinel ca export --bundle /etc/ssl/certs/ca-certificates.crt > bundle.pem

  Python (openai, anthropic, httpx)  SSL_CERT_FILE=bundle.pem
  Python (stripe, requests)          REQUESTS_CA_BUNDLE=bundle.pem
  AWS SDKs and CLI                   AWS_CA_BUNDLE=bundle.pem
  Node.js 24 and newer               NODE_USE_ENV_PROXY=1 NODE_EXTRA_CA_CERTS=sentinel-ca.pem
  Go                                 SSL_CERT_FILE=bundle.pem
  Java                               keytool -importcert -cacerts -noprompt -alias sentinel -file sentinel-ca.pem
  curl                               CURL_CA_BUNDLE=bundle.pem
  Debian, Ubuntu and their images    cp sentinel-ca.pem /usr/local/share/ca-certificates/sentinel.crt && update-ca-certificates

It vouches for these hosts only, and clients hold it to that: %[2]s.
Hosts that the policy does not list are refused by the proxy: name those in NO_PROXY that need none.
`

func caInstallHelp() *cobra.Command {
	c := &cobra.Command{Use: "install-help", Short: "Say how clients come to use the proxy and to trust it", Args: none, Example: "  sentinel ca install-help --config sentinel.yaml"}
	config := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		a, cfg, err := openCA(*config)
		if err != nil {
			return err
		}
		at := cfg.Proxy.Listen
		if at == "" {
			at = "GATEWAY:3128"
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), installHelp, at, strings.Join(a.Hosts(), ", "))
		return err
	}
	return c
}
