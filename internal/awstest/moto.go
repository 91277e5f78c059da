// Package awstest starts moto, a stand-in of AWS's services that checks signatures and policies as AWS does, as a child process
// for tests.
package awstest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/baotest"
)

// startTimeout bounds a start: moto imports much.
const startTimeout = 90 * time.Second

// Run starts moto for a test, ends it with the test, and gives its URL. The first so many calls are let through whoever makes
// them; every later one must be signed with a key that moto has given, by a user whose policy allows it. Without moto the test
// is skipped, or fails under E2E=must.
func Run(t baotest.TB, free int) (url string) {
	t.Helper()
	binary := filepath.Join(baotest.Tools(), "venv", "bin", "moto_server")
	if _, err := os.Stat(binary); err != nil {
		if os.Getenv("E2E") == "must" {
			t.Fatalf("needs moto: run make tools: %v", err)
		}
		t.Skipf("needs moto: run make tools: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("a free port for moto: %v", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	dir := t.TempDir()
	log, err := os.Create(filepath.Join(dir, "moto.log"))
	if err != nil {
		t.Fatalf("moto's log: %v", err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(binary, "-H", "127.0.0.1", "-p", strconv.Itoa(port)) //nolint:gosec // the project's own tool
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "INITIAL_NO_AUTH_ACTION_COUNT=" + strconv.Itoa(free), "PYTHONDONTWRITEBYTECODE=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start moto: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is stopped by a kill, which is an error
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	url = fmt.Sprintf("http://127.0.0.1:%d", port)
	if err := answers(url, ended); err != nil {
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("moto: %v; its log:\n%s", err, text)
	}
	return url
}

func answers(url string, ended <-chan struct{}) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	late := time.After(startTimeout)
	for {
		if rs, err := client.Get(url + "/moto-api/data.json"); err == nil {
			_ = rs.Body.Close()
			return nil
		}
		select {
		case <-ended:
			return errors.New("ended before it answered")
		case <-late:
			return fmt.Errorf("did not answer within %s", startTimeout)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
