package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/uuid"
)

// lockDir takes the directory for this process. The kernel drops the lock when the process dies,
// however it dies, so a stale lock file never needs to be removed.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open spool lock: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("spool directory %s is in use by another process: stop it, or give each process its own directory", dir)
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

// identity is the name of the spool, whatever process has it: the lock's file keeps it.
func identity(lock *os.File) (string, error) {
	const most = 64
	text, err := io.ReadAll(io.NewSectionReader(lock, 0, most))
	if err != nil {
		return "", fmt.Errorf("read the spool's name: %w", err)
	}
	if id, err := uuid.Parse(string(text)); err == nil {
		return id.String(), nil
	}
	id := uuid.NewString()
	if err = lock.Truncate(0); err == nil {
		_, err = lock.WriteAt([]byte(id), 0)
	}
	if err = errors.Join(err, lock.Sync()); err != nil {
		return "", fmt.Errorf("write the spool's name: %w", err)
	}
	return id, nil
}
