package pgtest

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

type starter func(dir, tools string) (string, func(), error)

// starters are the servers by the names that a child process of the tests gives them.
var starters = map[string]starter{"postgres": Start, "timescale": StartTimescale}

// TestMain lets a copy of the test binary start a server and wait to be killed.
func TestMain(m *testing.M) {
	name := os.Getenv("PGTEST_PARENT")
	if name == "" {
		goleak.VerifyTestMain(m)
	}
	dsn, _, err := starters[name](os.Args[1], os.Args[2])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(dsn)
	select {}
}

func tools(t *testing.T) string {
	t.Helper()
	dir, err := Tools()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, ErrMissing) && os.Getenv("E2E") != "must" {
		t.Skipf("a server's program is missing: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// answers tells whether something accepts connections at dsn.
func answers(t *testing.T, dsn string) bool {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.DialTimeout("tcp", u.Host, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func TestServersStartAgainOnTheirData(t *testing.T) {
	for name, start := range starters {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(scratch(t), "a", "b")
			for range 2 {
				dsn, stop, err := start(dir, tools(t))
				must(t, err)
				if !answers(t, dsn) {
					t.Errorf("%s is not reachable after its start", dsn)
				}
				stop()
				stop()
				if answers(t, dsn) {
					t.Errorf("%s is reachable after its stop", dsn)
				}
			}
		})
	}
}

// scratch is a directory that every user may enter, unlike t.TempDir.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A private home, such as root's, must not keep the unprivileged server out.
func TestPostgresRunsBelowAPrivateDirectory(t *testing.T) {
	if os.Geteuid() == 0 && !namespaces() {
		t.Skip("root may not make user namespaces here, and nobody cannot enter a private directory")
	}
	_, stop, err := Start(private(t), tools(t))
	must(t, err)
	stop()
}

func private(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(scratch(t), "private")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "pg")
}

// In many containers root may not make a user namespace.
func TestRootWithoutNamespacesRunsPostgresAsNobody(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has to become nobody")
	}
	before := namespaces
	namespaces = func() bool { return false }
	t.Cleanup(func() { namespaces = before })
	dsn, stop, err := Start(filepath.Join(scratch(t), "pg"), tools(t))
	must(t, err)
	if !answers(t, dsn) {
		t.Errorf("%s is not reachable", dsn)
	}
	stop()
	dir := private(t)
	if _, _, err := Start(dir, tools(t)); err == nil || !strings.Contains(err.Error(), filepath.Dir(dir)+":") {
		t.Errorf("Start() below a private directory = %v, want an error that names it", err)
	}
}

func TestServersDieWithTheirParent(t *testing.T) {
	for name := range starters {
		t.Run(name, func(t *testing.T) {
			parent := exec.Command(os.Args[0], scratch(t), tools(t))
			parent.Env = append(os.Environ(), "PGTEST_PARENT="+name)
			out, err := parent.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 4096)
			n, _ := out.Read(buf)
			line := strings.TrimSpace(string(buf[:n]))
			if strings.Contains(line, ErrMissing.Error()) {
				must(t, fmt.Errorf("%s: %w", line, ErrMissing))
			}
			if !answers(t, line) {
				t.Fatalf("the server did not start: %s", line)
			}
			_ = parent.Process.Signal(syscall.SIGKILL)
			_ = parent.Wait()
			for end := time.Now().Add(10 * time.Second); answers(t, line); <-time.After(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the server outlived its parent by 10 s")
				}
			}
		})
	}
}

func TestAMissingProgramIsNamed(t *testing.T) {
	for name, start := range starters {
		if _, _, err := start(t.TempDir(), t.TempDir()); !errors.Is(err, ErrMissing) {
			t.Errorf("%s without tools = %v, want %v", name, err, ErrMissing)
		}
	}
}
