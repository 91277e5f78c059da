package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/internal/policytest"
)

func policyTestCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "test FILE_test.yaml...", Short: "Run a policy against described calls",
		Long: "Test makes calls as a test file describes them, through the code that judges real ones, with counters of its own and a\n" +
			"clock that the file moves, and compares the verdicts. Nothing is called and nothing is written. It says how many of the\n" +
			"policy's rules a call met. It ends with 1 when a test fails, and with 2 when a file has faults.",
		Example: "  sentinel policy test policies_test.yaml\n  sentinel policy test --min-coverage 90 policies_test.yaml",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("a test file expected, or several, got no argument")
			}
			return nil
		},
	}
	least := c.Flags().Int("min-coverage", 0, "fail a file whose calls meet less than this percentage of the rules")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *least < 0 || *least > 100 {
			return refused(fmt.Errorf("--min-coverage: %d is outside 0 to 100", *least))
		}
		failed := 0
		for _, name := range args {
			n, err := runPolicyTest(c, name, *least)
			if err != nil {
				return refused(err)
			}
			failed += n
		}
		if failed > 0 {
			return fmt.Errorf("%d tests failed", failed)
		}
		return nil
	}
	return c
}

// maxTestFile bounds a test file.
const maxTestFile = 10 << 20

func runPolicyTest(c *cobra.Command, name string, least int) (failed int, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return 0, err
	}
	if info.Size() > maxTestFile {
		return 0, errors.New(name + " is larger than 10 MiB")
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	suite, err := policytest.Read(name, data)
	if err != nil {
		return 0, err
	}
	state, err := app.LoadState(filepath.Join(filepath.Dir(name), suite.Policy))
	if err != nil {
		return 0, err
	}
	report, err := suite.Run(c.Context(), state)
	if err != nil {
		return 0, err
	}
	out := c.OutOrStdout()
	for _, r := range report.Results {
		verdict := "ok  "
		if len(r.Faults) > 0 {
			verdict = "FAIL"
		}
		_, _ = fmt.Fprintf(out, "%s  %s (%d calls)\n", verdict, r.Name, r.Calls)
		for _, f := range r.Faults {
			_, _ = fmt.Fprintln(out, "      "+f)
		}
	}
	failed = report.Failed()
	covered := report.Coverage()
	_, _ = fmt.Fprintf(out, "calls met %d of %d rules (%d %%)\n", report.Rules-len(report.Untouched), report.Rules, covered)
	if len(report.Untouched) > 0 {
		_, _ = fmt.Fprintln(out, "no call met: "+strings.Join(report.Untouched, ", "))
	}
	if covered < least {
		_, _ = fmt.Fprintf(out, "FAIL  %d %% of the rules, and --min-coverage is %d\n", covered, least)
		failed++
	}
	return failed, nil
}
