// Package redistest starts Debian's redis-server as a child process. It is the one place that
// knows how.
package redistest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startTimeout bounds the wait for the first PONG; a start was seen to take 20 ms.
const startTimeout = 10 * time.Second

// ErrMissing says that this machine has no redis-server.
var ErrMissing = errors.New("redis-server is not installed: run apt-get install redis-server")

// Start runs a Redis without persistence on a free loopback port, with its log in dir/redis.log.
// The process dies with this one. stop is safe to call twice.
func Start(dir string) (addr string, stop func(), err error) {
	port, err := freePort()
	if err != nil {
		return "", nil, err
	}
	return StartAt(dir, port)
}

// StartAt is Start on a given port, so that a test can bring a Redis back where it was.
func StartAt(dir string, port int) (addr string, stop func(), err error) {
	return start(dir, loopback, port)
}

const loopback = "127.0.0.1"

// Secure are the files of a server with TLS, and who may do what there.
type Secure struct {
	Cert, Key, CA string
	Users         []string // lines of ACL, such as "user ada on >secret ~* +@all"
}

// StartSecure is Start of a server that also takes TLS, on another port: tls. Who names no user there may do nothing but look whether it is up.
func StartSecure(dir string, s Secure) (tls string, stop func(), err error) {
	port, err := freePort()
	if err != nil {
		return "", nil, err
	}
	secure, err := freePort()
	if err != nil {
		return "", nil, err
	}
	more := []string{"--tls-port", strconv.Itoa(secure), "--tls-cert-file", s.Cert, "--tls-key-file", s.Key, "--tls-ca-cert-file", s.CA, "--tls-auth-clients", "no"}
	users := filepath.Join(dir, "users.acl")
	lines := strings.Join(append(slices.Clone(s.Users), "user default on nopass -@all +ping"), "\n") + "\n"
	if err := os.WriteFile(users, []byte(lines), 0o600); err != nil {
		return "", nil, fmt.Errorf("write the users of redis-server: %w", err)
	}
	_, stop, err = start(dir, loopback, port, append(more, "--aclfile", users)...)
	return net.JoinHostPort(loopback, strconv.Itoa(secure)), stop, err
}

func start(dir, host string, port int, more ...string) (addr string, stop func(), err error) {
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return "", nil, ErrMissing
	}
	logPath := filepath.Join(dir, "redis.log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644) // a log of a test server
	if err != nil {
		return "", nil, fmt.Errorf("open the log of redis-server: %w", err)
	}
	defer func() { _ = log.Close() }() // the child has its own descriptor
	args := []string{"--bind", host, "--port", strconv.Itoa(port), "--dir", dir,
		"--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", "--daemonize", "no"}
	cmd := exec.Command(bin, append(args, more...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	exited, err := spawn(cmd)
	if err != nil {
		return "", nil, fmt.Errorf("start %s: %w", bin, err)
	}
	stop = func() {
		_ = cmd.Process.Kill() // it keeps nothing on disk; killed already is fine
		<-exited
	}
	addr = net.JoinHostPort(host, strconv.Itoa(port))
	if err := ready(addr, exited); err != nil {
		stop()
		return "", nil, fmt.Errorf("redis-server on %s: %w\n%s", addr, err, tail(logPath))
	}
	return addr, stop, nil
}

// spawn starts a command on a thread of its own. Linux delivers the parent-death signal when the
// thread that forked ends, and Go ends idle threads, so that thread waits for the child.
func spawn(cmd *exec.Cmd) (exited <-chan struct{}, err error) {
	started, done := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(done)
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		_ = cmd.Wait() // it is stopped by a kill, which is an error
	}()
	return done, <-started
}

func ready(addr string, exited <-chan struct{}) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(startTimeout)
	defer late.Stop()
	for {
		if ping(addr) {
			return nil
		}
		select {
		case <-exited:
			return errors.New("it ended at once")
		case <-late.C:
			return fmt.Errorf("no answer within %s", startTimeout)
		case <-tick.C:
		}
	}
}

func ping(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Second)) // a dead line shows in the read
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	answer := make([]byte, 7)
	n, err := c.Read(answer)
	return err == nil && bytes.HasPrefix(answer[:n], []byte("+PONG"))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// tail is the last 2 KiB of a log.
func tail(path string) string {
	b, _ := os.ReadFile(path) // the log that was opened above; unreadable is empty
	return string(b[max(0, len(b)-2048):])
}
