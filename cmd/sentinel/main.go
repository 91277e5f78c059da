// Command sentinel is SaaS-Sentinel: the control plane and external processor of an Envoy that
// stands in front of third-party APIs, and the tools around it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/internal/app"
)

func main() { os.Exit(run()) }

// run gives the exit code.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := root().ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "sentinel:", err)
	return exitCode(err)
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:   "sentinel",
		Short: "Keep the spend on third-party APIs safe, visible and under control",
		Long: "SaaS-Sentinel is an egress gateway: Envoy carries the calls of your services to OpenAI, Stripe, AWS and\n" +
			"any other API, and sentinel identifies, prices, limits and meters them, and gives each its credential.",
		Example: "  sentinel demo                     see it work on this machine\n" +
			"  sentinel policy check policies.yaml\n" +
			"  sentinel run --config sentinel.yaml",
		SilenceUsage: true, SilenceErrors: true,
	}
	c.SetHelpCommand(helpCommand())
	c.AddCommand(runCommand(), demoCommand(), policyCommand(), envoyCommand(), migrateCommand(), usageCommand(), pricesCommand(), reconcileCommand(), limitsCommand(), spoolCommand(), exportCommand(), auditCommand(), captureCommand(), accountsCommand(), tokensCommand(), keysCommand(), caCommand(), egressCommand(), connectCommand(), mlCommand(), alertsCommand(), doctorCommand(), versionCommand())
	c.InitDefaultHelpCmd()
	c.InitDefaultCompletionCmd()
	refuseWrongUsage(c)
	return c
}

// configFlag adds the flag that names sentinel.yaml.
func configFlag(c *cobra.Command) *string {
	return c.Flags().StringP("config", "c", "sentinel.yaml", "configuration file")
}

// logger writes to stderr as the configuration says.
func logger(c app.LogConfig) zerolog.Logger {
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil {
		level = zerolog.InfoLevel
	}
	if c.Format == "console" {
		return zerolog.New(zerolog.ConsoleWriter{Out: os.Stderr, TimeFormat: "15:04:05"}).Level(level).With().Timestamp().Logger()
	}
	return zerolog.New(os.Stderr).Level(level).With().Timestamp().Logger()
}

// version is set by the linker for releases.
var version = "dev"

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: none,
		RunE: func(c *cobra.Command, _ []string) error {
			info, _ := debug.ReadBuildInfo()
			_, err := fmt.Fprintf(c.OutOrStdout(), "sentinel %s, %s\n", version, info.GoVersion)
			return err
		},
	}
}
