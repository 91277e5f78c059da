// Package e2e tests the program as its users meet it: the built binary, real Envoy, real
// databases and the official clients.
package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// repo is the project's root, seen from this folder.
const repo = ".."

// binary builds sentinel once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sentinel-e2e-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "sentinel")
	if out, err := exec.Command("go", "build", "-o", file, "../cmd/sentinel").CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return file, nil
})

func built(t testing.TB) string {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// needTools skips without the installed components, and fails when they must be there.
func needTools(t testing.TB) string {
	t.Helper()
	tools, err := filepath.Abs(filepath.Join(repo, ".tools"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(tools, "venv", "bin", "python")); err != nil {
		if os.Getenv("E2E") == "must" {
			t.Fatal("the tools are not installed: run make tools")
		}
		t.Skip("the tools are not installed: run make tools")
	}
	return tools
}

// sentinelIn runs the binary in a folder and gives its exit code and what it printed.
func sentinelIn(t testing.TB, dir string, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, built(t), args...)
	c.Dir = dir
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 20 * time.Second
	var out, errs strings.Builder
	c.Stdout, c.Stderr = &out, &errs
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("sentinel %q: %v\n%s", args, err, errs.String())
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

func TestDayOfTrafficIsExactOnTheLedger(t *testing.T) {
	tools := needTools(t)
	dir := t.TempDir()
	code, stdout, stderr := sentinelIn(t, ".", nil, "demo", "--once", "--dir", dir, "--tools", tools, "--clients", filepath.Join(repo, "examples", "clients"))
	if code != 0 {
		t.Fatalf("demo ended with %d\n%s\n%s", code, stdout, stderr)
	}
	for _, want := range []string{"downgrade", "budget_spent", "rate_limited", "No service's own token reached a provider"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the day shows no %q:\n%s", want, stdout)
		}
	}
	for _, provider := range []string{"openai", "gemini", "stripe", "twilio", "bedrock", "s3", "weather"} {
		if !hasLine(stdout, provider, "equal") {
			t.Errorf("the ledger of %s is not shown as equal:\n%s", provider, stdout)
		}
	}
	logsHoldNoSecret(t, dir)
}

// hasLine tells whether one line has all the words.
func hasLine(text string, words ...string) bool {
	for line := range strings.Lines(text) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			return true
		}
	}
	return false
}

// logsHoldNoSecret searches every log for the beginnings of all secrets: each has a mark of its own.
func logsHoldNoSecret(t *testing.T, dir string) {
	t.Helper()
	logs := 0
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".log") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		logs++
		for _, secret := range []string{"svc_", "sk-vault-", "sk_test_vault"} {
			if strings.Contains(string(data), secret) {
				t.Errorf("%s holds a secret that begins with %q", path, secret)
			}
		}
		return nil
	})
	if err != nil || logs < 3 {
		t.Errorf("%d logs searched, %v; want Envoy's, sentinel's and the access log at least", logs, err)
	}
}
