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
}

// attempt bounds one run of tests.
const attempt = 6 * time.Minute

// After the tests of the control's own package come the others that take seconds, then the table of attacks. Golden
// files are left out, because they turn red at any change.
var (
	quick = []string{"test", "-failfast", "-timeout", "4m", "-skip", "Golden", "./extproc", "./provider", "./credential", "./policy", "./governor", "./internal/harden", "./admin", "./envoy"}
	table = []string{"test", "-failfast", "-timeout", "5m", "-count=1", "./e2e/hostile"}
)

func main() {
	only := flag.String("only", "", "only the controls whose name has this text")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string) error {
	var list []mutation
	if err := yaml.UnmarshalWithOptions(mutations, &list, yaml.Strict()); err != nil {
		return fmt.Errorf("mutations.yaml: %w", err)
	}
	caught, tried := 0, 0
	for _, m := range list {
		if !strings.Contains(m.Control, only) {
			continue
		}
		by, err := m.try(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Control, err)
		}
		tried++
		if by == "" {
			by = "NOT CAUGHT"
		} else {
			caught++
		}
		fmt.Printf("%-52s %s\n", m.Control, by)
	}
	fmt.Printf("%d of %d removed controls were caught\n", caught, tried)
	const wanted = 95
	if caught*100 < tried*wanted {
		return fmt.Errorf("at least %d %% must be", wanted)
	}
	return nil
}

// try gives the first test that fails without the control; none where all pass.
func (m mutation) try(ctx context.Context) (string, error) {
	source, err := os.ReadFile(m.File)
	if err != nil {
		return "", err
	}
	if n := bytes.Count(source, []byte(m.Old)); n == 0 {
		return "", fmt.Errorf("%s has no %q any more: say in mutations.yaml what the control is now", m.File, m.Old)
	}
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	changed, overlay := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, bytes.ReplaceAll(source, []byte(m.Old), []byte(m.New)), 0o600); err != nil {
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
	if out, err := tool(ctx, overlay, "build", "./..."); err != nil { // what does not compile shows nothing
		return "", fmt.Errorf("it does not compile without it:\n%s", out)
	}
	own := []string{"test", "-failfast", "-timeout", "4m", "-skip", "Golden", "./" + filepath.Dir(m.File)}
	for _, args := range [][]string{own, quick, table} {
		out, err := tool(ctx, overlay, args...)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if err != nil {
			return failed(out), nil
		}
	}
	return "", nil
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
