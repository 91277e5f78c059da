package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// file is what the spool needs of an open file.
type file interface {
	io.Writer
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Sync() error
	Truncate(size int64) error
}

// disk is the spool's directory. The log reaches files through it alone, so that a test can take away its power
// and see what a machine would find afterwards. Names are those inside the directory.
type disk interface {
	Open(name string, flag int) (file, error)
	Remove(name string) error
	Rename(from, to string) error
	Names() ([]string, error)
	Sync() error // of the directory: names that were made or removed
	io.Closer
}

// osDisk is a directory of the operating system.
type osDisk struct {
	path string
	dir  *os.File
}

func openDisk(path string) (*osDisk, error) {
	dir, err := os.Open(path)
	return &osDisk{path, dir}, err
}

func (d *osDisk) Open(name string, flag int) (file, error) {
	f, err := os.OpenFile(filepath.Join(d.path, name), flag, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d *osDisk) Remove(name string) error { return os.Remove(filepath.Join(d.path, name)) }

func (d *osDisk) Rename(from, to string) error {
	return os.Rename(filepath.Join(d.path, from), filepath.Join(d.path, to))
}

// Names lists regular files. Anything else that has a segment's name is a fault.
func (d *osDisk) Names() ([]string, error) {
	files, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range files {
		if _, ok := segmentNumber(f.Name()); ok && !f.Type().IsRegular() {
			return nil, fmt.Errorf("%s is not a segment: %w", f.Name(), fs.ErrInvalid)
		}
		names = append(names, f.Name())
	}
	return names, nil
}

func (d *osDisk) Sync() error  { return d.dir.Sync() }
func (d *osDisk) Close() error { return d.dir.Close() }

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// closeAll closes what is open.
func closeAll(closers ...io.Closer) error {
	var errs []error
	for _, c := range closers {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
