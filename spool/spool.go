// Package spool is a write-ahead log of usage on local disk. A record that Append has
// accepted survives a kill of the process (Buffered) or a loss of power (Sync), and is read
// back in order until the database has it.
//
// The directory holds segments (00000000000000000001.wal, …), the position up to which the
// reader has committed, and a lock file. A segment is removed after its last record is
// committed, so that the disk holds what the database lacks and little else. A file named running stays behind a process that did not close its spool.
package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// Mode says what a record survives once Append has returned.
type Mode uint8

// The modes.
const (
	Buffered Mode = iota // the death of the process: the kernel has the bytes
	Sync                 // the death of the machine: the disk has them, one fsync for a group of records
)

// Defaults and bounds of Options.
const (
	DefaultSegmentBytes = 64 << 20
	DefaultMaxBytes     = 4 << 30
	minSegmentBytes     = 4 << 10
)

// intentShare is the part of MaxBytes that entries have for themselves: a full spool refuses new
// calls first, so that calls under way can still be settled.
const intentShare = 16

var (
	// ErrFull says that MaxBytes is reached, or that the disk has no space left. The record
	// was not taken; later ones may be, once the database has caught up.
	ErrFull = errors.New("the spool is full")
	// ErrClosed says that the spool was closed.
	ErrClosed = errors.New("the spool is closed")
	// ErrPoisoned says that the disk failed in a way after which nobody can tell what it holds.
	// It stays until the process ends: the next Open reads what is really there.
	ErrPoisoned = errors.New("the spool's disk failed")
)

// Options choose the place and the promise of a spool.
type Options struct {
	Dir          string // made with mode 0700 when missing; one process at a time
	Mode         Mode
	SegmentBytes int64 // a segment is closed past this size; 0 is DefaultSegmentBytes, at least 4 KiB
	MaxBytes     int64 // of all segments together; 0 is DefaultMaxBytes, at least two segments
}

func (o Options) withDefaults() (Options, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = DefaultSegmentBytes
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = max(DefaultMaxBytes, 2*o.SegmentBytes)
	}
	var faults []error
	if o.Dir == "" {
		faults = append(faults, errors.New("spool: a directory is required"))
	}
	if o.Mode > Sync {
		faults = append(faults, fmt.Errorf("spool: mode %d is neither buffered nor sync", o.Mode))
	}
	if o.SegmentBytes < minSegmentBytes {
		faults = append(faults, fmt.Errorf("spool: segments of %d bytes are below %d", o.SegmentBytes, minSegmentBytes))
	}
	if o.MaxBytes/2 < o.SegmentBytes {
		faults = append(faults, fmt.Errorf("spool: %d bytes in all do not hold two segments of %d", o.MaxBytes, o.SegmentBytes))
	}
	return o, errors.Join(faults...)
}

// Spool is safe for many appending goroutines and one reader.
type Spool struct {
	options Options
	id      string
	crashed atomic.Bool // and nobody has asked yet
	lock    io.Closer
	disk    disk

	writing sync.Mutex // held by the leader of a group while it writes; taken before mu
	tail    tail       // guarded by writing

	mu       sync.Mutex
	open     *group    // the group that takes records now; nil when the next one must lead
	spare    []byte    // buffer of a finished group
	segments []segment // oldest first, never empty; the last one is the tail
	total    int64     // bytes of all segments and of the open groups
	fault    error     // ErrClosed or ErrPoisoned; no append succeeds past it
	fence    position  // up to which Next reads; the zero value is none
	stats    Stats

	reading sync.Mutex // held by Next and Commit; taken before mu
	reader  reader     // guarded by reading
	grown   chan struct{}
	closed  chan struct{}
}

// Stats is what operators watch. Counters start at Open.
type Stats struct {
	LagRecords int64 // written and not committed
	LagBytes   int64
	Bytes      int64 // of all segments on disk
	Segments   int
	Torn       int64 // places where recovery or the reader dropped bytes that are no record
	TornBytes  int64
	Unreadable int64 // whole records that this release cannot decode: set aside in unreadable.frames
	Appended   int64
	Synced     int64 // fsyncs of segments: Appended/Synced is the size of a group
	Refused    int64 // appends that found the spool full
}

// Open locks the directory, drops a torn tail, and continues where the last process stopped.
func Open(o Options) (*Spool, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create spool directory: %w", err)
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	id, err := identity(lock)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	d, err := openDisk(o.Dir)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s, err := openOn(d, lock, o)
	if err == nil {
		s.id = id
		s.crashed.Store(begin(o.Dir))
	}
	return s, err
}

// ID names the spool: the same for every process that opens its directory.
func (s *Spool) ID() string { return s.id }

// Crashed tells once whether the process that had the directory before did not close its spool: it was killed, or the machine failed. As long as
// nobody asks, such as while starts fail, the directory keeps it for the next process.
func (s *Spool) Crashed() bool { return s.crashed.Swap(false) }

// openOn takes over the disk and the lock.
func openOn(d disk, lock io.Closer, o Options) (*Spool, error) {
	s := &Spool{options: o, lock: lock, disk: d, grown: make(chan struct{}, 1), closed: make(chan struct{})}
	if err := s.recover(); err != nil {
		_ = s.release()
		return nil, fmt.Errorf("open spool %s: %w", o.Dir, err)
	}
	return s, nil
}

// Stats is a consistent snapshot.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Segments, st.Bytes = len(s.segments), s.total
	return st
}

// Close waits for the group that is being written, syncs, and unlocks the directory. A Next that
// waits returns ErrClosed. A second Close does nothing.
func (s *Spool) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	if errors.Is(s.fault, ErrClosed) {
		s.mu.Unlock()
		return nil
	}
	poisoned := s.fault
	s.fault = ErrClosed
	close(s.closed)
	s.mu.Unlock()

	s.reading.Lock()
	defer s.reading.Unlock()
	var err error
	if poisoned == nil {
		err = s.tail.file.Sync()
	}
	if poisoned == nil && err == nil && s.id != "" && !s.crashed.Load() {
		err = end(s.options.Dir)
	}
	if err = errors.Join(err, s.release()); err != nil {
		return fmt.Errorf("close spool %s: %w", s.options.Dir, err)
	}
	return nil
}

// release closes every file that is open.
func (s *Spool) release() error {
	return closeAll(s.tail.file, s.reader.file, s.reader.position, s.disk, s.lock)
}
