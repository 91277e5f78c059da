// Package baotest starts OpenBao, the open fork of Vault with the same API, as a child process in
// development mode: everything in memory, KV version 2 at secret/, one root token. It serves the
// demonstration and the tests, never production.
package baotest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// startTimeout bounds a start, and stopTimeout the wait for an orderly end.
const (
	startTimeout = 30 * time.Second
	stopTimeout  = 5 * time.Second
)

// ErrNoBinary says that OpenBao is not installed.
var ErrNoBinary = errors.New("openbao is not installed: run make tools")

var errEnded = errors.New("ended before it answered")

// Start runs OpenBao on a free loopback port and returns when it answers. dir gets its home and
// its log, bao.log; tools is the project's .tools folder. addr is a URL, and token the root token.
// stop ends the process and waits for it; it may be called twice.
func Start(dir, tools string) (addr, token string, stop func(), err error) {
	return start(dir, tools, false)
}

// StartTLS is Start with HTTPS, by a certificate of an authority that it makes: its PEM file is CAFile of dir.
func StartTLS(dir, tools string) (addr, token string, stop func(), err error) {
	return start(dir, tools, true)
}

// CAFile is the file below the directory of StartTLS that has its authority.
const CAFile = "vault-ca.pem"

func start(dir, tools string, secure bool) (addr, token string, stop func(), err error) {
	binary := filepath.Join(tools, "venv", "bin", "bao")
	if _, err := os.Stat(binary); err != nil {
		return "", "", nil, fmt.Errorf("%w (there is no %s)", ErrNoBinary, binary)
	}
	token = rand.Text()
	for range 3 { // the free port can be taken by another process before OpenBao has it
		var listen string
		if listen, err = freeAddress(); err != nil {
			return "", "", nil, err
		}
		if stop, err = launch(dir, binary, listen, token, secure); err == nil {
			return scheme(secure) + listen, token, stop, nil
		}
		if !errors.Is(err, errEnded) {
			break
		}
	}
	return "", "", nil, err
}

func scheme(secure bool) string {
	if secure {
		return "https://"
	}
	return "http://"
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("a free port for openbao: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// launch starts one process and waits until its KV mount answers.
func launch(dir, binary, listen, token string, secure bool) (stop func(), err error) {
	logFile := filepath.Join(dir, "bao.log")
	log, err := os.Create(logFile)
	if err != nil {
		return nil, fmt.Errorf("openbao's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(binary, "server", "-dev", "-dev-no-store-token", "-dev-listen-address="+listen)
	if secure {
		cmd.Args = append(cmd.Args, "-dev-tls", "-dev-tls-cert-dir="+dir)
	}
	cmd.Dir = dir
	// The token goes by the environment: arguments are for every user of the machine to read.
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "BAO_DEV_ROOT_TOKEN_ID=" + token}
	child, err := spawn(cmd, log)
	if err != nil {
		return nil, err
	}
	stop = sync.OnceFunc(child.stop)
	if err := answers(scheme(secure)+listen, token, child.ended); err != nil {
		stop()
		return nil, fmt.Errorf("openbao on %s %w; its log, %s, ends with:\n%s", listen, err, logFile, tail(logFile))
	}
	return stop, nil
}

// process is one that runs.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// spawn starts a server that writes to log.
func spawn(cmd *exec.Cmd, log *os.File) (*process, error) {
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true} // Ctrl-C is for the parent to handle
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start openbao: %w", err)
	}
	p := &process{cmd, make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its state is in the log; ending is all that matters here
		close(p.ended)
	}()
	return p, nil
}

// stop ends it in order, or else at once.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		p.kill()
	}
}

// kill ends it as a crash would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// answers waits until the KV mount can be read: it comes up a little after the server.
func answers(addr, token string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	// What is asked for is whether it is up: its own certificate proves nothing yet.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for {
		rq, err := http.NewRequestWithContext(ctx, http.MethodGet, addr+"/v1/secret/config", nil)
		if err != nil {
			return err
		}
		rq.Header.Set("X-Vault-Token", token)
		if rs, err := client.Do(rq); err == nil {
			_ = rs.Body.Close()
			if rs.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ended:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("did not answer within %s", startTimeout)
		case <-tick.C:
		}
	}
}

// tail gives the last lines of a log, at most 2 KiB.
func tail(file string) []byte {
	b, err := os.ReadFile(file)
	if err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(b[max(0, len(b)-2048):])
}
