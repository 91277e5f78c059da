package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/dashboard"
	"github.com/saas-sentinel/saas-sentinel/envoy"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/internal/harden"
)

func runCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "run", Short: "Run the control plane and external processor", Args: none,
		Long: "Run serves Envoy: its configuration (xDS) and the judgement and metering of every call (ext_proc).\n" +
			"SIGHUP or a change of the policy file reloads the policy; SIGTERM drains and stops.",
		Example: "  SENTINEL_DATABASE_URL=postgres://… VAULT_ADDR=https://… VAULT_TOKEN=… sentinel run --config sentinel.yaml",
	}
	config := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := app.LoadConfig(*config)
		if err != nil {
			return refused(err)
		}
		if err := errors.Join(harden.ForgetEnvironment(app.SecretVariables()...), harden.Process()); err != nil {
			return refused(err)
		}
		cfg.Dashboard = dashboard.Files()
		app.Collect()
		a, err := app.New(c.Context(), cfg, logger(cfg.Log))
		if err != nil {
			return refused(err)
		}
		defer a.Close()
		return a.Run(c.Context())
	}
	return c
}

func policyCommand() *cobra.Command {
	c := &cobra.Command{Use: "policy", Short: "Work with policy files"}
	c.AddCommand(policyCheckCommand(), policyTestCommand(), policySimulateCommand(), policyShadowCommand(), policyExplainCommand(), policyVersionsCommand(), policyShowCommand(),
		policySuggestCommand(), policyDiffCommand(), policyPublishCommand(), policyProposalsCommand(), policyApproveCommand(), policyRejectCommand(), policyRollbackCommand())
	return c
}

func envoyCommand() *cobra.Command {
	c := &cobra.Command{Use: "envoy", Short: "Work with Envoy's configuration"}
	b := &cobra.Command{
		Use: "bootstrap", Short: "Print the file with which Envoy starts", Args: none,
		Long: "Bootstrap prints who Envoy is and where sentinel is; everything else comes from sentinel by xDS.\n" +
			"With --static it prints the whole configuration as one file, to read or to validate.",
		Example: "  sentinel envoy bootstrap --config sentinel.yaml > envoy.yaml && envoy -c envoy.yaml --drain-time-s 600",
	}
	config := configFlag(b)
	static := b.Flags().Bool("static", false, "print the whole configuration")
	output := b.Flags().String("output", "-", "file, or - for standard output")
	b.RunE = func(c *cobra.Command, _ []string) error {
		cfg, state, err := load(*config)
		if err != nil {
			return err
		}
		write := envoy.Bootstrap
		if *static {
			write = envoy.Static
		}
		out, err := write(cfg.ForEnvoy(state))
		if err != nil {
			return refused(err)
		}
		if *output != "-" {
			return refused(os.WriteFile(*output, out, 0o644)) //nolint:gosec // Envoy runs as another user; nothing in it is secret
		}
		_, err = c.OutOrStdout().Write(out)
		return err
	}
	c.AddCommand(b)
	return c
}

func migrateCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "migrate", Short: "Bring the ledger's schema up to date", Args: none,
		Long:    "Migrate creates or updates the ledger's tables: as hypertables where the TimescaleDB extension is there, as native\npartitions where it is not. It may run at any time and as often as you like.",
		Example: "  sentinel migrate --config sentinel.yaml",
	}
	config := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		st, err := openStore(c, *config)
		if err != nil {
			return err
		}
		defer st.Close()
		applied, err := st.Migrate(c.Context())
		if err != nil {
			return err
		}
		kind := "PostgreSQL"
		if st.Timescale() {
			kind = "TimescaleDB"
		}
		for _, name := range applied {
			_, _ = fmt.Fprintln(c.OutOrStdout(), "applied", name)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "the schema is up to date on %s\n", kind)
		return err
	}
	return c
}
