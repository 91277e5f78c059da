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

// runningName is a file that is there while a process has the spool, and after one that did not close it.
const runningName = "running"

// begin marks the directory as one that a process has, and tells whether the last one did not close it. Where the mark cannot be made, such as on a
// full disk, the next process will not know, and this one serves.
func begin(dir string) (crashed bool) {
	f, err := os.OpenFile(filepath.Join(dir, runningName), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_ = f.Close()
	}
	return errors.Is(err, os.ErrExist)
}

// end takes the mark away.
func end(dir string) error {
	if err := os.Remove(filepath.Join(dir, runningName)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
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
