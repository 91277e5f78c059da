package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
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
		if cfg.Proxy.InVault() {
			return refused(fmt.Errorf("proxy.ca: %s is made in Vault: see docs/egress.md", cfg.Proxy.CA))
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
func openCA(ctx context.Context, config string) (*ca.Authority, app.Config, error) {
	cfg, err := app.LoadConfig(config)
	if err != nil {
		return nil, cfg, refused(err)
	}
	a, err := app.OpenAuthority(ctx, cfg)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cfg, refused(fmt.Errorf("proxy.ca: %w: sentinel run or sentinel ca create makes it", err))
	}
	if err != nil {
		return nil, cfg, refused(fmt.Errorf("proxy.ca: %w", err))
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
		a, _, err := openCA(c.Context(), *config)
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

  HTTPS_PROXY=%[1]s     with the service's name and token
  the authority's certificate, in the place where the client looks for it:

  sentinel ca export > sentinel-ca.pem
  sentinel ca export --bundle /etc/ssl/certs/ca-certificates.crt > bundle.pem

  Python (openai, anthropic, httpx)  SSL_CERT_FILE=bundle.pem
  Python (requests)                  REQUESTS_CA_BUNDLE=bundle.pem
  Python (stripe)                    stripe.ca_bundle_path = "bundle.pem", or its own list in the image, see below
  AWS SDKs and CLI                   AWS_CA_BUNDLE=bundle.pem
  Node.js 22.21, 24.5 and newer      NODE_USE_ENV_PROXY=1 NODE_EXTRA_CA_CERTS=sentinel-ca.pem
                                     libraries with agents of their own (stripe): NODE_OPTIONS="--import /sentinel/proxy.mjs", with
                                     examples/clients/proxy.mjs
  Go                                 SSL_CERT_FILE=bundle.pem
  Java                               keytool -importcert -cacerts -noprompt -alias sentinel -file sentinel-ca.pem
                                     and -Dhttps.proxyHost= -Dhttps.proxyPort=
  curl                               CURL_CA_BUNDLE=bundle.pem

In the images of clients, as the last lines that root runs:

  # Debian, Ubuntu
  COPY sentinel-ca.pem /usr/local/share/ca-certificates/sentinel.crt
  RUN update-ca-certificates
  # Alpine
  COPY sentinel-ca.pem /usr/local/share/ca-certificates/sentinel.crt
  RUN apk add --no-cache ca-certificates && update-ca-certificates
  # Red Hat, Fedora
  COPY sentinel-ca.pem /etc/pki/ca-trust/source/anchors/sentinel.pem
  RUN update-ca-trust
  # Python's packages with lists of their own
  RUN cat sentinel-ca.pem >> "$(python -m certifi)" \
   && cat sentinel-ca.pem >> "$(python -c 'import os, stripe; print(os.path.dirname(stripe.__file__))')/data/ca-certificates.crt"
  # Node.js 24, with the image's list
  CMD ["node", "--use-system-ca", "app.js"]

In Kubernetes, without another image:

  kubectl create configmap sentinel-ca --from-file=sentinel-ca.pem --from-file=bundle.pem
  env: [{name: HTTPS_PROXY, value: "%[1]s"}, {name: SSL_CERT_FILE, value: /sentinel/bundle.pem}]
  volumeMounts: [{name: sentinel-ca, mountPath: /sentinel, readOnly: true}]
  volumes: [{name: sentinel-ca, configMap: {name: sentinel-ca}}]

The authority vouches for these hosts only, and clients hold it to that: %[2]s.
Hosts that the policy does not list are refused by the proxy: name those in NO_PROXY that need none.
Where the network redirects (sentinel egress rules), HTTPS_PROXY is not needed. sentinel connect check says what is in a client's way.
`

func caInstallHelp() *cobra.Command {
	c := &cobra.Command{Use: "install-help", Short: "Say how clients come to use the proxy and to trust it", Args: none, Example: "  sentinel ca install-help --config sentinel.yaml"}
	config := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		a, cfg, err := openCA(c.Context(), *config)
		if err != nil {
			return err
		}
		at := "http://SERVICE:TOKEN@" + cmp.Or(cfg.Proxy.Listen, "GATEWAY:3128")
		if cfg.Proxy.TLS != nil {
			at = strings.Replace(at, "http:", "https:", 1)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), installHelp, at, strings.Join(a.Hosts(), ", "))
		return err
	}
	return c
}
