package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/ml/detect"
	"github.com/saas-sentinel/saas-sentinel/ml/series"
)

func mlCommand() *cobra.Command {
	c := &cobra.Command{Use: "ml", Short: "Find anomalies in series, and forecast them", Args: none}
	c.AddCommand(mlDetectCommand(), mlForecastCommand(), mlEvaluateCommand(), mlTrainCommand(), mlWhatIfCommand())
	return c
}

const inputForms = "Input is CSV with a header: timestamp,value, or timestamp and any of requests, prompt_tokens, completion_tokens,\n" +
	"cost_usd, latency_ms, error_rate (0 to 1). Other columns are ignored. Times are UTC, RFC 3339 or YYYY-MM-DD HH:MM:SS,\n" +
	"in ascending order."

func mlDetectCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "detect", Short: "Score every row of a series", Args: none,
		Long: "Detect scores each row by the rows up to it: " + strings.Join(detect.Header, ",") + ".\n" +
			"A score of 0.5 or more is an alert; an event alerts once.\n\n" + inputForms + "\n" +
			"Repeated times, gaps and missing numbers are reported; a missing number scores 0.\n" +
			"With a directory as input, every .csv in it is scored into the output directory; files that cannot be read are told at the end,\n" +
			"and the alerts of the others are in --events all the same.",
		Example: "  sentinel ml detect --input calls.csv --output scores.csv\n  sentinel ml detect --input series/ --output scores/\n" +
			"  sentinel ml detect --input calls.csv --output scores.csv --events events.json",
	}
	input, output := fileFlags(c)
	eventsTo := c.Flags().String("events", "", "file for the alerts' explanations, a JSON array")
	c.RunE = func(c *cobra.Command, _ []string) error {
		for _, other := range []string{*input, *output} {
			if *eventsTo != "" && overwrites(*eventsTo, other) {
				return refused(fmt.Errorf("--events %s would overwrite %s: name another file", *eventsTo, other))
			}
		}
		told := []fileEvent{}
		err := overFiles(c, *input, *output, func(f *series.Frame, w io.Writer, name string) error {
			events, err := detect.WriteCSV(w, f)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(c.ErrOrStderr(), "%s: %s, %s\n", name, series.Count(len(f.Times), "row"), series.Count(len(events), "alert"))
			for _, e := range events {
				told = append(told, fileEvent{File: name, Event: e})
			}
			return nil
		})
		if some := (partly{}); *eventsTo == "" || err != nil && !errors.As(err, &some) {
			return err
		}
		if failed := writeEvents(*eventsTo, told); failed != nil {
			return failed
		}
		return err
	}
	return c
}

// overwrites tells whether a file written to path would take the place of another, or of a CSV in a directory. What is no regular file takes both.
func overwrites(path, other string) bool {
	one, err := os.Stat(path)
	if there, fault := os.Stat(other); fault == nil && there.IsDir() {
		inside, fault := filepath.Rel(other, path)
		return fault == nil && filepath.IsLocal(inside) && isCSV(path)
	} else if err == nil && fault == nil {
		return one.Mode().IsRegular() && os.SameFile(one, there)
	}
	return filepath.Clean(path) == filepath.Clean(other)
}

func isCSV(path string) bool { return strings.EqualFold(filepath.Ext(path), ".csv") }

// fileEvent is an event and the file that it was found in.
type fileEvent struct {
	File string `json:"file"`
	detect.Event
}

func writeEvents(path string, events []fileEvent) error {
	text, err := json.MarshalIndent(events, "", "  ")
	if err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o644) //nolint:gosec // results for everybody
	}
	if err != nil {
		return refused(fmt.Errorf("--events: %w", err))
	}
	return nil
}

// fileFlags adds the flags that overFiles wants.
func fileFlags(c *cobra.Command) (input, output *string) {
	input = c.Flags().String("input", "", "CSV file, directory, or - for standard input")
	output = c.Flags().String("output", "-", "file, directory, or - for standard output")
	_ = c.MarkFlagRequired("input")
	return input, output
}

// overFiles runs work over a file, or over each CSV of a directory.
func overFiles(c *cobra.Command, input, output string, work func(f *series.Frame, w io.Writer, name string) error) error {
	info, err := os.Stat(input)
	if input != "-" && err != nil {
		return refused(fmt.Errorf("--input: %w", err))
	}
	if there, err := os.Stat(output); input != "-" && output != "-" && err == nil && os.SameFile(info, there) && (info.IsDir() || info.Mode().IsRegular()) {
		return refused(fmt.Errorf("--output %s is the input, which would be overwritten: name another place", output))
	}
	if input == "-" || !info.IsDir() {
		return overFile(c, input, output, work)
	}
	if output == "-" {
		return refused(errors.New("--input is a directory: give --output one too"))
	}
	found := 0
	var faults []error // of single files: the others are worked on all the same
	err = filepath.WalkDir(input, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !isCSV(path) {
			return err
		}
		found++
		rel, err := filepath.Rel(input, path)
		if err != nil {
			return err
		}
		target := filepath.Join(output, rel)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil { //nolint:gosec // results for everybody
			return refused(fmt.Errorf("--output: %w", err))
		}
		if err := overFile(c, path, target, work); err != nil {
			faults = append(faults, err)
		}
		return nil
	})
	switch {
	case err != nil:
	case found == 0:
		err = refused(fmt.Errorf("--input %s holds no .csv file", input))
	case len(faults) > 0:
		err = refused(partly{len(faults), found, errors.Join(faults...)})
	}
	return err
}

// partly tells of a directory's files that could not be worked on; the others were.
type partly struct {
	failed, of int
	faults     error
}

func (p partly) Error() string {
	return fmt.Sprintf("no output for %d of %s: %v", p.failed, series.Count(p.of, "file"), p.faults)
}

func (p partly) Unwrap() error { return p.faults }

// overDevice writes to a device or a pipe: a file renamed to its name, as overFile's is, would destroy it.
func overDevice(f *series.Frame, output, input string, work func(f *series.Frame, w io.Writer, name string) error) error {
	device, err := os.OpenFile(output, os.O_WRONLY, 0)
	if err != nil {
		return refused(fmt.Errorf("--output: %w", err))
	}
	err = work(f, device, input)
	if closed := device.Close(); err == nil {
		err = closed
	}
	return err
}

// overFile writes the output whole or not at all.
func overFile(c *cobra.Command, input, output string, work func(f *series.Frame, w io.Writer, name string) error) error {
	in := c.InOrStdin()
	if input != "-" {
		file, err := os.Open(input)
		if err != nil {
			return refused(fmt.Errorf("--input: %w", err))
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	f, err := series.Read(in)
	if err != nil {
		return refused(fmt.Errorf("%s: %w", input, err))
	}
	for _, note := range f.Report.Notes() {
		_, _ = fmt.Fprintf(c.ErrOrStderr(), "%s: %s\n", input, note)
	}
	if output == "-" {
		return work(f, c.OutOrStdout(), input)
	}
	if info, err := os.Stat(output); err == nil && info.IsDir() {
		return refused(fmt.Errorf("--output %s is a directory and %s is a file: name a file in it", output, input))
	} else if err == nil && !info.Mode().IsRegular() {
		return overDevice(f, output, input, work)
	}
	temporary, err := os.CreateTemp(filepath.Dir(output), ".sentinel-*")
	if err != nil {
		return refused(fmt.Errorf("--output: %w", err))
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // gone already when all went well
	err = work(f, temporary, input)
	if closed := temporary.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Chmod(temporary.Name(), 0o644) //nolint:gosec // results for everybody
	}
	if err == nil {
		err = os.Rename(temporary.Name(), output)
	}
	return err
}
