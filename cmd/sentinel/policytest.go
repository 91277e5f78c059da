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
	return &cobra.Command{
		Use: "test FILE_test.yaml...", Short: "Run a policy against described calls",
		Long: "Test makes calls as a test file describes them, through the code that judges real ones, with counters of its own and a\n" +
			"clock that the file moves, and compares the verdicts. Nothing is called and nothing is written. It ends with 1\n" +
			"when a test fails, and with 2 when a file has faults.",
		Example: "  sentinel policy test policies_test.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			failed := 0
			for _, name := range args {
				n, err := runPolicyTest(c, name)
				if err != nil {
					return refused(err)
				}
				failed += n
			}
			if failed > 0 {
				return fmt.Errorf("%d tests failed", failed)
			}
			return nil
		},
	}
}

// maxTestFile bounds a test file.
const maxTestFile = 10 << 20

func runPolicyTest(c *cobra.Command, name string) (failed int, err error) {
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
	if len(report.Untouched) > 0 {
		_, _ = fmt.Fprintln(out, "no call met: "+strings.Join(report.Untouched, ", "))
	}
	return report.Failed(), nil
}
