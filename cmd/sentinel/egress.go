package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/envoy"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
)

func egressCommand() *cobra.Command {
	c := &cobra.Command{Use: "egress", Short: "Bring clients to the gateway without their help"}
	c.AddCommand(egressRules())
	return c
}

func egressRules() *cobra.Command {
	c := &cobra.Command{
		Use: "rules", Short: "Print the firewall's rules that redirect connections to port 443", Args: none,
		Long: "Rules prints what redirects TCP to port 443 to proxy.redirected, for the network namespace in which Envoy listens: of the processes\n" +
			"of that namespace but Envoy (a sidecar, whose uid is --except), or of what comes in by --interface (a node, a router). QUIC to that\n" +
			"port is refused, so that clients fall back to TCP. nft delete table inet sentinel_egress undoes those of nft.",
		Example: "  sentinel egress rules | nft -f -\n  sentinel egress rules --interface cni0 | nft -f -\n  sentinel egress rules --format iptables | sh",
	}
	config := configFlag(c)
	var r envoy.Rules
	format := c.Flags().String("format", "nft", "nft, or iptables for a script of its commands")
	c.Flags().StringSliceVar(&r.Interfaces, "interface", nil, "interface by which the clients' connections come in, or the beginning of such names with a +; repeatable")
	c.Flags().IntVar(&r.Except, "except", 101, "uid of Envoy, whose own connections are not redirected")
	output := c.Flags().String("output", "-", "file, or - for standard output")
	c.RunE = func(c *cobra.Command, _ []string) error {
		text := map[string]func(envoy.Rules) (string, error){"nft": envoy.Rules.NFTables, "iptables": envoy.Rules.IPTables}[*format]
		if text == nil {
			return refused(fmt.Errorf("--format: %q is not nft or iptables", *format))
		}
		cfg, err := app.LoadConfig(*config)
		if err != nil {
			return refused(err)
		}
		r.Redirected = cfg.Proxy.Redirected
		out, err := text(r)
		if err != nil {
			return refused(err)
		}
		if *output != "-" {
			return refused(os.WriteFile(*output, []byte(out), 0o644)) //nolint:gosec // another container of the pod reads it; nothing in it is secret
		}
		_, err = fmt.Fprint(c.OutOrStdout(), out)
		return err
	}
	return c
}
