package envoy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Seen is what Envoy's access log says of one request.
type Seen struct {
	Call sentinel.CallID // zero when Envoy was never told that the call may go
	// Digest is that of the call, or of the request where Envoy knows no call: it finds the call whose processor died before it had answered.
	Digest       [10]byte
	Started      time.Time
	Duration     time.Duration
	Status       int
	Details      string // why Envoy answered so
	Flags        string // Envoy's response flags, "-" or empty for none
	Received     int64  // body bytes of the request
	Sent         int64  // body bytes of the answer to the client
	UpstreamSent int64  // bytes on the wire to the provider; 0 when it was never reached
	UpstreamGot  int64  // bytes on the wire from it
}

// Reached tells whether the provider got anything of the request.
func (s Seen) Reached() bool { return s.UpstreamSent > 0 }

// line is one line of the access log, as accessLog formats it. Envoy writes null for what it does not know.
type line struct {
	At           time.Time `json:"at"`
	Call         string    `json:"call"`
	Request      string    `json:"request"`
	Status       int       `json:"status"`
	Details      string    `json:"details"`
	Flags        string    `json:"flags"`
	Received     int64     `json:"bytes_received"`
	Sent         int64     `json:"bytes_sent"`
	DurationMS   int64     `json:"duration_ms"`
	UpstreamSent int64     `json:"upstream_sent"`
	UpstreamGot  int64     `json:"upstream_got"`
}

// ReadSeen reads one line of the access log. A request that no processor ever judged is not ok.
func ReadSeen(text []byte) (s Seen, ok bool, err error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return s, false, fmt.Errorf("access log: %w", err)
	}
	s = Seen{Started: l.At.UTC(), Duration: time.Duration(l.DurationMS) * time.Millisecond, Status: l.Status, Details: l.Details, Flags: l.Flags,
		Received: l.Received, Sent: l.Sent, UpstreamSent: l.UpstreamSent, UpstreamGot: l.UpstreamGot}
	switch {
	case l.Call != "":
		if s.Call, err = sentinel.ParseCallID(l.Call); err != nil {
			return s, false, fmt.Errorf("access log: %w", err)
		}
		s.Digest = s.Call.RequestDigest()
	case l.Request != "":
		s.Digest = sentinel.CallIDOf(l.At, l.Request).RequestDigest()
	default:
		return s, false, nil
	}
	return s, true, nil
}

// Bounds of a Witness.
const (
	witnessKept  = 200_000  // requests that it remembers, some 200 bytes each
	witnessBack  = 16 << 20 // of the log's end that it reads at its start
	witnessLine  = 16 << 10 // longest line; ours have some 400 bytes
	witnessEvery = 500 * time.Millisecond
)

// Witness reads Envoy's access log as it grows, and remembers the newest requests. It is safe for use by many goroutines.
type Witness struct {
	path string
	kept func(error) // not nil: the file is the witness's own, which it shortens; it is told why that fails, once

	mu    sync.Mutex
	seen  map[[10]byte]Seen
	order [][10]byte // a ring, the oldest at next once it is full
	next  int
	lines int64
	bad   int64
	read  bool // the file was there
	ready chan struct{}
}

// NewWitness reads nothing yet.
func NewWitness(path string) *Witness {
	return &Witness{path: path, seen: map[[10]byte]Seen{}, ready: make(chan struct{})}
}

// Shorten makes the file one that nobody else rotates: what was read long ago is given back to the disk. A system of files that cannot do that is told
// to fault, once. Call it before Run.
func (w *Witness) Shorten(fault func(error)) { w.kept = fault }

// Ready is closed once everything that the log held at the start was read, or no log was there.
func (w *Witness) Ready() <-chan struct{} { return w.ready }

// Find gives what was seen of a call's request, whichever of its processors made the id.
func (w *Witness) Find(call sentinel.CallID) (Seen, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.seen[call.RequestDigest()]
	return s, ok
}

// Between lists calls that reached their provider and ended in [from, to).
func (w *Witness) Between(from, to time.Time) (list []Seen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.seen {
		ended := s.Started.Add(s.Duration)
		if s.Call != (sentinel.CallID{}) && s.Reached() && !ended.Before(from) && ended.Before(to) {
			list = append(list, s)
		}
	}
	return list
}

// Stats counts lines, and those that could not be read. It is not open before the log was found.
func (w *Witness) Stats() (lines, bad int64, open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines, w.bad, w.read
}

// Run follows the file until ctx ends: one that is rotated, truncated or not there yet as well.
func (w *Witness) Run(ctx context.Context) error {
	t := tailing{path: w.path, skip: witnessBack, fault: w.kept}
	defer t.close()
	caught := sync.OnceFunc(func() { close(w.ready) })
	for ctx.Err() == nil {
		more := t.read(w.take)
		w.mu.Lock()
		w.read = t.file != nil
		w.mu.Unlock()
		t.shorten()
		if more {
			continue
		}
		caught()
		select {
		case <-ctx.Done():
		case <-time.After(witnessEvery):
		}
	}
	return nil
}

// take remembers one line.
func (w *Witness) take(text []byte) {
	s, ok, err := ReadSeen(text)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines++
	if err != nil {
		w.bad++
	}
	if !ok {
		return
	}
	if old, had := w.seen[s.Digest]; had {
		if s.Reached() || !old.Reached() {
			w.seen[s.Digest] = s
		}
		return
	}
	w.seen[s.Digest] = s
	if len(w.order) < witnessKept {
		w.order = append(w.order, s.Digest)
		return
	}
	delete(w.seen, w.order[w.next])
	w.order[w.next] = s.Digest
	w.next = (w.next + 1) % witnessKept
}

// tailing reads the whole lines that a growing file gets.
type tailing struct {
	path string
	skip int64 // of a file that is longer, only so much of its end is read
	file *os.File
	from *bufio.Reader
	at   int64  // what was read of the file
	gone int64  // what of that was given back to the disk
	rest []byte // the beginning of a line that is not whole yet
	long bool   // the rest of a line that is too long is skipped

	fault func(error) // not nil: the file is shortened
}

// read gives the lines that are there to use, and tells whether there may be more at once.
func (t *tailing) read(use func([]byte)) (more bool) {
	if t.file == nil && !t.open() {
		return false
	}
	for n := 0; n < 1000; n++ {
		part, err := t.from.ReadSlice('\n')
		t.at += int64(len(part))
		if len(t.rest)+len(part) > witnessLine {
			t.rest, t.long = nil, true
		} else {
			t.rest = append(t.rest, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil: // the end, for now
			return t.changed()
		default:
			if text := bytes.TrimSpace(t.rest); !t.long && len(text) > 0 {
				use(text)
			}
			t.rest, t.long = t.rest[:0], false
		}
	}
	return true
}

func (t *tailing) open() bool {
	f, err := os.Open(t.path)
	if err != nil {
		return false
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return false
	}
	t.file, t.at, t.gone, t.rest, t.long = f, 0, 0, nil, false
	if t.skip > 0 && info.Size() > t.skip {
		if t.at, err = f.Seek(info.Size()-t.skip, io.SeekStart); err != nil {
			t.close()
			return false
		}
		t.long = true // the first line is a part of one
	}
	t.skip = 0 // a file that comes later is read from its beginning
	t.from = bufio.NewReaderSize(f, 64<<10)
	return true
}

// changed looks at the end of the file whether another has taken its name, or whether it was cut.
func (t *tailing) changed() bool {
	now, err := os.Stat(t.path)
	if err != nil {
		return false // renamed, and no new one yet: the old one may still grow
	}
	old, err := t.file.Stat()
	if err == nil && os.SameFile(now, old) && old.Size() >= t.at {
		return false
	}
	t.close()
	return true
}

// shorten leaves of a file what a reader that starts now reads of it.
func (t *tailing) shorten() {
	until := (t.at - witnessBack) &^ (1<<20 - 1) // whole blocks of the disk, whatever their size
	if t.fault == nil || t.file == nil || until-t.gone < witnessBack {
		return
	}
	if err := hole(t.path, t.gone, until); err != nil {
		t.fault(err)
		t.fault = nil
		return
	}
	t.gone = until
}

func (t *tailing) close() {
	if t.file != nil {
		_ = t.file.Close()
		t.file = nil
	}
}
