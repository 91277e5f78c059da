// Command mutate removes the controls of the security model one at a time and shows that a test turns red. The
// files stay as they are: the compiler is given the changed ones by an overlay.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

//go:embed mutations.yaml
var mutations []byte

// mutation is a control, and how to take it away.
type mutation struct {
	Control string `yaml:"control"`
	File    string `yaml:"file"`
	Old     string `yaml:"old"`
	New     string `yaml:"new"`
	By      string `yaml:"by"` // PACKAGE TEST that is known to turn red; without it every test is run until one does
}

// attempt bounds one run of tests.
const attempt = 6 * time.Minute

// Where no test is known the tests of the control's own package come first, then the others that take seconds, then the table of
// attacks. Golden files are left out, because they turn red at any change, and so is vet, which is no test.
var (
	quick = []string{"-skip", "Golden", "./extproc", "./provider", "./credential", "./policy", "./governor", "./internal/harden", "./admin", "./envoy"}
	table = []string{"./e2e/hostile"}
)

// wanted is the share of controls, in per cent, that a test must guard.
const wanted = 95

// options say what is run, and where it is written.
type options struct {
	only    string        // only the controls whose name has this text
	search  bool          // run every test until one turns red, also where one is known to
	results string        // file of results; what is there is not tried again
	report  string        // file of the table of all controls
	added   bool          // the controls of the report are not tried again
	within  time.Duration // after which no other control is tried; 0: all are
}

func main() {
	var o options
	flag.StringVar(&o.only, "only", "", "only the controls whose name has this text")
	flag.BoolVar(&o.search, "search", false, "run every test until one turns red, also where one is known to")
	flag.StringVar(&o.results, "results", "", "file of results: a control that is in it is not tried again, so that a run in pieces goes on where it was")
	flag.StringVar(&o.report, "report", "", "file to write the table of all controls to, in Markdown, once all were tried")
	flag.BoolVar(&o.added, "added", false, "keep what the report has of its controls, and try those that it lacks")
	flag.DurationVar(&o.within, "within", 0, "try no other control after so long, such as 8m")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	all, err := known()
	if err != nil {
		return err
	}
	done, err := openResults(o.results)
	if err != nil {
		return err
	}
	if o.added {
		if err := done.reported(o.report); err != nil {
			return err
		}
	}
	var list []mutation
	for _, m := range all {
		if o.search {
			m.By = ""
		}
		if strings.Contains(m.Control, o.only) {
			list = append(list, m)
		}
	}
	broken, err := done.fill(ctx, list, o.within)
	if err != nil {
		return err
	}
	if o.report != "" && done.whole(all) {
		if err := os.WriteFile(o.report, []byte(done.report(all)), 0o644); err != nil {
			return err
		}
	}
	return done.judge(list, broken)
}

// fill tries the controls that have no result. It counts those that could not be tried.
func (r *results) fill(ctx context.Context, list []mutation, within time.Duration) (broken int, err error) {
	start := time.Now()
	for i, m := range list {
		if _, tried := r.of(m.Control); tried {
			continue
		}
		if within > 0 && time.Since(start) > within {
			return broken, nil
		}
		began := time.Now()
		by, err := m.try(ctx)
		took := time.Since(began).Seconds()
		said := by
		switch {
		case ctx.Err() != nil:
			return broken, ctx.Err()
		case err != nil:
			fmt.Fprintln(os.Stderr, m.Control+":", err)
			said = "NOT TRIED"
			broken++
		case by == "":
			said = "NOT CAUGHT"
		}
		fmt.Printf("%3d/%d %4.0f s  %-48s %s\n", i+1, len(list), took, m.Control, said)
		if err == nil {
			if err := r.add(result{m.Control, by, took}); err != nil {
				return broken, err
			}
		}
	}
	return broken, nil
}

// judge holds that enough of the controls are guarded.
func (r *results) judge(list []mutation, broken int) error {
	caught, tried := 0, 0
	for _, m := range list {
		if one, ok := r.of(m.Control); ok {
			tried++
			if one.By != "" {
				caught++
			}
		}
	}
	fmt.Printf("%d of %d removed controls were caught, %d are still to be tried\n", caught, tried, len(list)-tried)
	switch {
	case broken > 0:
		return fmt.Errorf("%d could not be removed: correct mutations.yaml", broken)
	case caught*100 < tried*wanted:
		return fmt.Errorf("at least %d %% must be", wanted)
	}
	return nil
}

// known reads the list of controls.
func known() (list []mutation, err error) {
	if err := yaml.UnmarshalWithOptions(mutations, &list, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("mutations.yaml: %w", err)
	}
	return list, nil
}

// removed gives the source without the control.
func (m mutation) removed(source []byte) ([]byte, error) {
	if !bytes.Contains(source, []byte(m.Old)) {
		return nil, fmt.Errorf("%s has no %q any more: say in mutations.yaml what the control is now", m.File, m.Old)
	}
	return bytes.ReplaceAll(source, []byte(m.Old), []byte(m.New)), nil
}

// try gives the first test that fails without the control; none where all pass.
func (m mutation) try(ctx context.Context) (string, error) {
	source, err := os.ReadFile(m.File)
	if err != nil {
		return "", err
	}
	without, err := m.removed(source)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	changed, overlay := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, without, 0o600); err != nil {
		return "", err
	}
	real, err := filepath.Abs(m.File)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {real: changed}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return "", err
	}
	for _, args := range m.tests() {
		if strings.HasPrefix(args[len(args)-1], "./e2e") { // its tests build the program, and what does not compile shows nothing
			if out, err := tool(ctx, overlay, "build", "-o", os.DevNull, "./cmd/sentinel"); err != nil {
				return "", fmt.Errorf("it does not compile without it:\n%s", out)
			}
		}
		out, err := tool(ctx, overlay, append([]string{"test", "-failfast", "-count=1", "-vet=off", "-timeout", m.limit()}, args...)...)
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case strings.Contains(out, "[no tests to run]"):
			return "", fmt.Errorf("there is no test %s", m.By)
		case strings.Contains(out, "[build failed]"), strings.Contains(out, "[setup failed]"):
			return "", fmt.Errorf("its tests do not compile without it:\n%s", out)
		case err != nil && !strings.Contains(out, "FAIL\t"):
			return "", fmt.Errorf("go %s: %w:\n%s", strings.Join(args, " "), err, out)
		case err != nil:
			return failed(out), nil
		}
	}
	return "", nil
}

// limit bounds a run: some controls are missed by tests that wait for ever.
func (m mutation) limit() string {
	if m.By != "" && !strings.HasPrefix(m.By, "./e2e") {
		return "1m"
	}
	return "5m"
}

// tests gives the arguments of the runs that may show the control missing.
func (m mutation) tests() [][]string {
	if dir, test, known := strings.Cut(m.By, " "); known {
		return [][]string{{"-run", "^" + strings.ReplaceAll(test, "/", "$/^") + "$", dir}}
	}
	return [][]string{{"-skip", "Golden", "./" + filepath.Dir(m.File)}, quick, table}
}

// tool runs go with the overlay, which a build within a test uses too.
func tool(ctx context.Context, overlay string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, attempt, errors.New("took too long"))
	defer cancel()
	c := exec.CommandContext(ctx, "go", args...)
	c.Env = append(os.Environ(), "GOFLAGS=-overlay="+overlay, "E2E=must")
	out, err := c.CombinedOutput()
	return string(out), err
}

// failed names the first failing test of an output.
func failed(out string) string {
	first := ""
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "--- FAIL: "); ok {
			name, _, _ = strings.Cut(name, " ")
			if strings.HasPrefix(name, first) {
				first = name // the subtest stands below its test
			} else {
				return first
			}
		}
	}
	if first == "" {
		return "a package that does not end as it should"
	}
	return first
}
