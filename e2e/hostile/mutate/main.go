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

func main() {
	only := flag.String("only", "", "only the controls whose name has this text")
	search := flag.Bool("search", false, "run every test until one turns red, also where one is known to")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *only, *search)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, search bool) error {
	var list []mutation
	all, err := known()
	if err != nil {
		return err
	}
	for _, m := range all {
		if search {
			m.By = ""
		}
		if strings.Contains(m.Control, only) {
			list = append(list, m)
		}
	}
	caught, broken := 0, 0
	for i, m := range list {
		began := time.Now()
		by, err := m.try(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			fmt.Fprintln(os.Stderr, m.Control+":", err)
			by = "NOT TRIED"
			broken++
		case by == "":
			by = "NOT CAUGHT"
		default:
			caught++
		}
		fmt.Printf("%3d/%d %4.0f s  %-48s %s\n", i+1, len(list), time.Since(began).Seconds(), m.Control, by)
	}
	fmt.Printf("%d of %d removed controls were caught\n", caught, len(list))
	if broken > 0 {
		return fmt.Errorf("%d could not be removed: correct mutations.yaml", broken)
	}
	const wanted = 95
	if caught*100 < len(list)*wanted {
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
