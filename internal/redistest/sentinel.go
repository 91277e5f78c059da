package redistest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Watched is a master and its replica under the eyes of one Redis Sentinel.
type Watched struct {
	Master     string // its name
	Sentinel   string // host:port
	KillMaster func()
	Stop       func() // of all; safe to call twice
}

// StartWatched runs a master, a replica of it and a Sentinel that fails over half a second after the master is gone. The processes die
// with this one.
func StartWatched(dir string) (w Watched, err error) {
	w.Master, w.Stop = "main", func() {}
	add := func(stop func()) {
		before := w.Stop
		w.Stop = func() { stop(); before() }
	}
	defer func() {
		if err != nil {
			w.Stop()
		}
	}()
	var homes [3]string
	for i, name := range []string{"master", "replica", "sentinel"} {
		homes[i] = filepath.Join(dir, name)
		err = errors.Join(err, os.Mkdir(homes[i], 0o755))
	}
	if err != nil {
		return w, fmt.Errorf("make room for three servers: %w", err)
	}
	master, stop, err := Start(homes[0])
	if err != nil {
		return w, err
	}
	w.KillMaster = stop
	add(stop)
	host, port, _ := net.SplitHostPort(master)
	replicaPort, err := freePort()
	if err != nil {
		return w, err
	}
	replica, stop, err := start(homes[1], loopback, replicaPort, "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0")
	if err != nil {
		return w, err
	}
	add(stop)
	if err := until("the replica follows", func() bool {
		info, err := ask(replica, "INFO replication")
		return err == nil && strings.Contains(info, "master_link_status:up")
	}); err != nil {
		return w, err
	}
	w.Sentinel, stop, err = startSentinel(homes[2], w.Master, host, port)
	if err != nil {
		return w, err
	}
	add(stop)
	return w, until("Sentinel knows the replica", func() bool {
		info, err := ask(w.Sentinel, "INFO sentinel")
		return err == nil && strings.Contains(info, "slaves=1")
	})
}

func startSentinel(dir, name, host, port string) (addr string, stop func(), err error) {
	own, err := freePort()
	if err != nil {
		return "", nil, err
	}
	config := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %s\nsentinel monitor %s %s %s 1\nsentinel down-after-milliseconds %s 500\nsentinel failover-timeout %s 3000\n",
		own, dir, name, host, port, name, name)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", nil, fmt.Errorf("configure Sentinel: %w", err)
	}
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return "", nil, ErrMissing
	}
	cmd := exec.Command(bin, config, "--sentinel")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	exited, err := spawn(cmd)
	if err != nil {
		return "", nil, fmt.Errorf("start Sentinel: %w", err)
	}
	stop = func() {
		_ = cmd.Process.Kill() // ended already is fine
		<-exited
	}
	addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(own))
	if err := ready(addr, exited); err != nil {
		stop()
		return "", nil, fmt.Errorf("redis Sentinel on %s: %w", addr, err)
	}
	return addr, stop, nil
}

// until waits for what a server must come to know.
func until(what string, done func() bool) error {
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if done() {
			return nil
		}
	}
	return fmt.Errorf("%s: not within %s", what, startTimeout)
}
