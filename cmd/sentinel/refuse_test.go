package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// ends runs a command line, and gives the exit code and the error.
func ends(args ...string) (int, error) {
	c := root()
	c.SetArgs(args)
	c.SetIn(strings.NewReader(""))
	c.SetOut(io.Discard)
	c.SetErr(io.Discard)
	err := c.Execute()
	return exitCode(err), err
}

// everyCommand calls f with the words of each command, those of the library among them.
func everyCommand(f func(c *cobra.Command, words []string)) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		f(c, strings.Fields(c.CommandPath())[1:])
		for _, below := range c.Commands() {
			walk(below)
		}
	}
	walk(root())
}

// accepted are words that a command takes as its arguments.
func accepted(t *testing.T, c *cobra.Command) []string {
	t.Helper()
	for n := range 5 {
		words := slices.Repeat([]string{"bash"}, n)
		if c.ValidateArgs(words) == nil {
			return words
		}
	}
	t.Fatalf("%s takes no number of arguments up to 4", c.CommandPath())
	return nil
}

func TestWrongUsageOfEveryCommandEndsWith2(t *testing.T) {
	commands, required := 0, 0
	everyCommand(func(c *cobra.Command, words []string) {
		commands++
		lines := map[string][]string{
			"an unknown flag":     append(slices.Clone(words), "--no-such-flag"),
			"too many words":      append(slices.Clone(words), "no", "such", "words", "as", "these", "files"),
			"an unknown shortcut": append(slices.Clone(words), "-%"),
		}
		good := append(slices.Clone(words), accepted(t, c)...)
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if kind := f.Value.Type(); !strings.HasPrefix(kind, "string") {
				lines["--"+f.Name+" that is no "+kind] = append(slices.Clone(good), "--"+f.Name+"=nonsense")
			}
			if len(f.Annotations[cobra.BashCompOneRequiredFlag]) > 0 {
				required++
				lines["no --"+f.Name] = good
			}
		})
		for what, line := range lines {
			if code, err := ends(line...); code != exitUsage {
				t.Errorf("%s: sentinel %s: ends with %d, %v; want %d", what, strings.Join(line, " "), code, err, exitUsage)
			}
		}
	})
	if commands < 60 || required < 5 {
		t.Errorf("only %d commands and %d required flags were tried", commands, required)
	}
}

// Values that no type refuses, and places without anything, keep a command from beginning; doctor tells of a missing configuration as of any
// other fault that it finds.
func TestWrongValuesEndWith2(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "nowhere.yaml")
	everyCommand(func(c *cobra.Command, words []string) {
		if c.Flags().Lookup("config") == nil || c.Name() == "doctor" {
			return
		}
		line := append(append(slices.Clone(words), accepted(t, c)...), "--config", nowhere)
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if len(f.Annotations[cobra.BashCompOneRequiredFlag]) > 0 {
				line = append(line, "--"+f.Name, nowhere)
			}
		})
		if code, err := ends(line...); code != exitUsage {
			t.Errorf("sentinel %s: ends with %d, %v; want %d", strings.Join(line, " "), code, err, exitUsage)
		}
	})
	rates := "../../ml/series/testdata/nowhere.csv"
	for _, line := range []string{
		"ml evaluate --rates " + rates + " --series 0", "ml forecast --input " + nowhere + " --h 0", "ml train --days 2", "ml train --services 0", "ml whatif --max-input 0",
		"ml whatif --from 2026-02-30", "ml whatif --since -1h", "policy test --min-coverage 101 x", "policy simulate --policy x --format pdf", "egress rules --format ipfw",
		"help nonsense", "help ml nonsense", "ml nonsense", "completion nonsense",
	} {
		if code, err := ends(strings.Fields(line)...); code != exitUsage {
			t.Errorf("sentinel %s: ends with %d, %v; want %d", line, code, err, exitUsage)
		}
	}
}

func TestWhatBeganAndFailedEndsWith1(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		if os.Getenv("E2E") == "must" {
			t.Fatal("there is no /dev/full here")
		}
		t.Skip("there is no /dev/full here")
	}
	if code, err := ends("ml", "detect", "--input", hours(t, 96, 1), "--output", "/dev/full"); code != exitFailed || err == nil {
		t.Errorf("a full disk: ends with %d, %v; want %d", code, err, exitFailed)
	}
}

func TestHelpEndsWith0(t *testing.T) {
	everyCommand(func(_ *cobra.Command, words []string) {
		for _, line := range [][]string{append(slices.Clone(words), "--help"), append([]string{"help"}, words...)} {
			if code, err := ends(line...); code != 0 {
				t.Errorf("sentinel %s: ends with %d, %v", strings.Join(line, " "), code, err)
			}
		}
	})
}
