package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFailed = 1 // it began, and failed
	exitUsage  = 2 // it did not begin: wrong arguments, configuration or surroundings
)

// failure is an error with its own exit code.
type failure struct {
	error
	code int
}

func (f failure) Unwrap() error { return f.error }

// refused marks an error that kept a command from beginning.
func refused(err error) error {
	if err == nil {
		return nil
	}
	return failure{err, exitUsage}
}

// exitCode is what the process ends with after an error, 0 for none.
func exitCode(err error) int {
	var f failure
	switch {
	case err == nil:
		return 0
	case errors.As(err, &f):
		return f.code
	}
	return exitFailed
}

// refuseWrongUsage gives a command and all below it the exit code of wrong usage for arguments, flags and required flags, whoever finds
// the fault: the library's own errors have none. A command that only has others below it refuses words that name none of them.
func refuseWrongUsage(c *cobra.Command) {
	if c.HasSubCommands() && !c.Runnable() {
		c.Args = func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("there is no command %q: see %s --help", args[0], c.CommandPath())
			}
			return nil
		}
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error { return refused(check(c, args)) }
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return refused(err) })
	c.PreRunE = func(c *cobra.Command, _ []string) error { return refused(c.ValidateRequiredFlags()) }
	for _, below := range c.Commands() {
		refuseWrongUsage(below)
	}
}

// exactly checks the number of arguments.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return fmt.Errorf("%s expected, got %d arguments", what, len(args))
		}
		return nil
	}
}

// atMost checks the number of arguments.
func atMost(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > n {
			return fmt.Errorf("at most %s expected, got %d arguments", what, len(args))
		}
		return nil
	}
}

// none refuses arguments.
func none(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no arguments: %q", c.CommandPath(), args[0])
	}
	return nil
}

// helpCommand is the library's, which answers an unknown topic with success.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about any command",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err == nil && len(rest) > 0 {
				err = about.ValidateArgs(rest)
			}
			if err != nil {
				return refused(err)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}
