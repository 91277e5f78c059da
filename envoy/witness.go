package envoy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Seen is what Envoy's access log says of one request. It holds no pointers, because hundreds of thousands are remembered.
type Seen struct {
	Call    sentinel.CallID // of the request; the call's own where Envoy was told it
	Sent    int64           // body bytes of the answer to the client
	Began   int64           // Unix milliseconds
	Took    int32           // milliseconds
	Status  int16
	Told    bool // the call may go, a processor said to Envoy
	Reached bool // the provider got something of the request
}

// Ended is when the last byte of the answer had gone.
func (s Seen) Ended() time.Time { return time.UnixMilli(s.Began + int64(s.Took)).UTC() }

// Duration is the time from the request's first byte to the answer's last.
func (s Seen) Duration() time.Duration { return time.Duration(s.Took) * time.Millisecond }

// line is one line of the access log, as accessLog formats it. Envoy writes null for what it does not know.
type line struct {
	At           time.Time `json:"at"`
	Call         string    `json:"call"`
	Request      string    `json:"request"`
	Status       int16     `json:"status"`
	Sent         int64     `json:"bytes_sent"`
	DurationMS   int64     `json:"duration_ms"`
	UpstreamSent int64     `json:"upstream_sent"` // bytes on the wire to the provider; 0 when it was never reached
}

// ReadSeen reads one line of the access log. A request that no processor ever judged is not ok.
func ReadSeen(text []byte) (s Seen, ok bool, err error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return s, false, fmt.Errorf("access log: %w", err)
	}
	s = Seen{
		Began: l.At.UnixMilli(), Took: int32(min(max(l.DurationMS, 0), math.MaxInt32)), Status: l.Status, Sent: l.Sent,
		Told: l.Call != "", Reached: l.UpstreamSent > 0,
	}
	switch {
	case s.Told:
		if s.Call, err = sentinel.ParseCallID(l.Call); err != nil {
			return s, false, fmt.Errorf("access log: %w", err)
		}
	case l.Request != "":
		s.Call = sentinel.CallIDOf(l.At, l.Request)
	default:
		return s, false, nil
	}
	return s, true, nil
}

// Bounds of a Witness.
const (
	witnessKept  = 400_000  // requests that it remembers, 20 MB: minutes of what one Envoy can carry
	witnessBlock = 8_192    // requests for which room is made at once
	witnessSlots = 1 << 12  // of its index at the start
	witnessBack  = 16 << 20 // of the log's end that it reads at its start
	witnessLine  = 16 << 10 // longest line; ours have some 400 bytes
	witnessEvery = 500 * time.Millisecond
)

// Witness reads Envoy's access log as it grows, and remembers the newest requests. It is safe for use by many goroutines.
type Witness struct {
	path string
	kept func(error) // not nil: the file is the witness's own, which it shortens; it is told why that fails, once

	mu    sync.Mutex
	index placesOf // where a request stands in the ring, by the digest of its id
	ring  [][]Seen // in blocks, the oldest at next once all are full
	next  int32
	lines int64
	bad   int64
	read  bool // the file was there
	ready chan struct{}
}

// NewWitness reads nothing yet.
func NewWitness(path string) *Witness {
	return &Witness{path: path, index: make(placesOf, witnessSlots), ready: make(chan struct{})}
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
	slot := w.slot(call.RequestDigest())
	if w.index[slot] == 0 {
		return Seen{}, false
	}
	return *w.of(w.index[slot] - 1), true
}

// of is the request that stands at a place of the ring.
func (w *Witness) of(i int32) *Seen { return &w.ring[i/witnessBlock][i%witnessBlock] }

// Between lists calls that reached their provider and ended in [from, to).
func (w *Witness) Between(from, to time.Time) (list []Seen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	first, end := from.UnixMilli(), to.UnixMilli()
	for _, block := range w.ring {
		for _, s := range block {
			if ended := s.Began + int64(s.Took); s.Told && s.Reached && ended >= first && ended < end {
				list = append(list, s)
			}
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
	slot := w.slot(s.Call.RequestDigest())
	if place := w.index[slot]; place != 0 {
		if old := w.of(place - 1); s.Reached || !old.Reached {
			*old = s
		}
		return
	}
	i := w.next
	w.next = (w.next + 1) % witnessKept
	switch block := int(i / witnessBlock); {
	case block == len(w.ring):
		w.ring = append(w.ring, append(make([]Seen, 0, witnessBlock), s))
	case int(i%witnessBlock) == len(w.ring[block]):
		w.ring[block] = append(w.ring[block], s)
	default:
		old := w.of(i)
		w.forget(w.slot(old.Call.RequestDigest()))
		*old = s
		w.index[w.slot(s.Call.RequestDigest())] = i + 1
		return
	}
	w.index[slot] = i + 1
	if 2*int(i) > len(w.index) {
		w.widen()
	}
}

// placesOf is a hash table of places in the ring, each plus one, that is open and searched from a key's home on (Knuth, The Art of Computer Programming,
// volume 3, 6.4, algorithms L and R): a map of Go's that is always full grows while entries come and go.
type placesOf []int32

// home is where the search for a digest begins. Digests are of SHA-256; these bytes of them are no part of the id's version.
func (p placesOf) home(digest [10]byte) int {
	return int(binary.BigEndian.Uint32(digest[4:])) & (len(p) - 1)
}

// slot is where a digest stands in the index, or would.
func (w *Witness) slot(digest [10]byte) int {
	i := w.index.home(digest)
	for w.index[i] != 0 && w.of(w.index[i]-1).Call.RequestDigest() != digest {
		i = (i + 1) & (len(w.index) - 1)
	}
	return i
}

// forget empties a slot, and moves those behind it that would not be found any more.
func (w *Witness) forget(hole int) {
	last := len(w.index) - 1
	for i := (hole + 1) & last; w.index[i] != 0; i = (i + 1) & last {
		home := w.index.home(w.of(w.index[i] - 1).Call.RequestDigest())
		if (i-home)&last >= (i-hole)&last { // the hole is on the way from its home
			w.index[hole], hole = w.index[i], i
		}
	}
	w.index[hole] = 0
}

// widen doubles the index.
func (w *Witness) widen() {
	old := w.index
	w.index = make(placesOf, 2*len(old))
	for _, place := range old {
		if place != 0 {
			w.index[w.slot(w.of(place-1).Call.RequestDigest())] = place
		}
	}
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
