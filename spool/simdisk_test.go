package spool

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
)

// errPower is what every operation answers once the machine has lost its power.
var errPower = errors.New("no power")

const sector = 512

// simDisk is a disk in memory that keeps apart what was synced and what was only written, to files and to the directory.
// crash then decides anew for each sector, length and name that was not synced whether it had reached the
// platter: later ones may have been faster than earlier ones.
type simDisk struct {
	rng    *rand.Rand
	lies   bool // Sync does nothing
	left   int  // operations until the power fails
	names  map[string]*simFile
	stable map[string]*simFile
	moves  []simMove // of names, since the directory was synced
}

type simMove struct {
	name string
	to   *simFile // nil after a removal
	also string   // the other name of a rename
}

type simFile struct {
	data, stable []byte
	changes      []simChange // since the file was synced
}

// simChange is a write, or a truncation when data is nil.
type simChange struct {
	at   int64
	data []byte
}

func newSimDisk(rng *rand.Rand, lies bool) *simDisk {
	return &simDisk{rng: rng, lies: lies, names: map[string]*simFile{}, stable: map[string]*simFile{}}
}

func (d *simDisk) step() error {
	if d.left <= 0 {
		return errPower
	}
	d.left--
	return nil
}

// crash gives the disk as the next start finds it.
func (d *simDisk) crash() *simDisk {
	next := newSimDisk(d.rng, d.lies)
	found := maps.Clone(d.stable)
	for _, m := range d.moves {
		switch {
		case d.rng.IntN(2) == 0:
		case m.to == nil:
			delete(found, m.name)
		default:
			found[m.name] = m.to
			delete(found, m.also)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		data := found[name].survivors(d.rng)
		next.names[name] = &simFile{data: data, stable: slices.Clone(data)}
		next.stable[name] = next.names[name]
	}
	return next
}

// survivors are the bytes of a file after a loss of power.
func (f *simFile) survivors(rng *rand.Rand) []byte {
	data := slices.Clone(f.stable)
	for _, c := range f.changes {
		if c.data == nil {
			if rng.IntN(2) == 0 {
				data = resized(data, c.at)
			}
			continue
		}
		if rng.IntN(3) == 0 { // the length had reached the disk, whatever the bytes did
			data = resized(data, max(int64(len(data)), c.at+int64(len(c.data))))
		}
		for from := int64(0); from < int64(len(c.data)); {
			to := min((c.at+from)/sector*sector+sector-c.at, int64(len(c.data)))
			if rng.IntN(2) == 0 {
				data = overlaid(data, c.at+from, c.data[from:to])
			}
			from = to
		}
	}
	return data
}

func resized(data []byte, n int64) []byte {
	if n <= int64(len(data)) {
		return data[:n]
	}
	return append(data, make([]byte, n-int64(len(data)))...)
}

func overlaid(data []byte, at int64, b []byte) []byte {
	data = resized(data, max(int64(len(data)), at+int64(len(b))))
	copy(data[at:], b)
	return data
}

func (d *simDisk) Open(name string, flag int) (file, error) {
	if err := d.step(); err != nil {
		return nil, err
	}
	f, ok := d.names[name]
	if !ok {
		if flag&os.O_CREATE == 0 {
			return nil, fs.ErrNotExist
		}
		f = &simFile{}
		d.names[name] = f
		d.moves = append(d.moves, simMove{name: name, to: f})
	}
	h := &simHandle{disk: d, file: f}
	if ok && flag&os.O_TRUNC != 0 {
		return h, h.Truncate(0)
	}
	return h, nil
}

func (d *simDisk) Remove(name string) error { return d.move(simMove{name: name}) }

func (d *simDisk) Rename(from, to string) error {
	return d.move(simMove{name: to, to: d.names[from], also: from})
}

func (d *simDisk) move(m simMove) error {
	if err := d.step(); err != nil {
		return err
	}
	d.moves = append(d.moves, m)
	delete(d.names, m.also)
	if delete(d.names, m.name); m.to != nil {
		d.names[m.name] = m.to
	}
	return nil
}

func (d *simDisk) Names() ([]string, error) {
	return slices.Sorted(maps.Keys(d.names)), d.step()
}

func (d *simDisk) Sync() error {
	if err := d.step(); err != nil || d.lies {
		return err
	}
	d.stable, d.moves = maps.Clone(d.names), nil
	return nil
}

func (d *simDisk) Close() error { return nil }

// simHandle is an open file.
type simHandle struct {
	disk *simDisk
	file *simFile
}

func (h *simHandle) Write(b []byte) (int, error) { return h.WriteAt(b, int64(len(h.file.data))) }

func (h *simHandle) WriteAt(b []byte, at int64) (int, error) {
	if err := h.disk.step(); err != nil {
		if h.disk.rng.IntN(2) == 0 { // it failed in the middle of this very write
			h.file.changes = append(h.file.changes, simChange{at, slices.Clone(b)})
		}
		return 0, err
	}
	h.file.data = overlaid(h.file.data, at, b)
	h.file.changes = append(h.file.changes, simChange{at, slices.Clone(b)})
	return len(b), nil
}

func (h *simHandle) ReadAt(b []byte, at int64) (int, error) {
	if err := h.disk.step(); err != nil {
		return 0, err
	}
	if at >= int64(len(h.file.data)) {
		return 0, io.EOF
	}
	n := copy(b, h.file.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (h *simHandle) Truncate(n int64) error {
	if err := h.disk.step(); err != nil {
		return err
	}
	h.file.data = resized(h.file.data, n)
	h.file.changes = append(h.file.changes, simChange{at: n})
	return nil
}

func (h *simHandle) Sync() error {
	if err := h.disk.step(); err != nil || h.disk.lies {
		return err
	}
	h.file.stable, h.file.changes = slices.Clone(h.file.data), nil
	return nil
}

func (h *simHandle) Size() (int64, error) { return int64(len(h.file.data)), h.disk.step() }
func (h *simHandle) Close() error         { return nil }
