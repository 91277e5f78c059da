package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

const (
	positionName = "position"
	strangeName  = "unreadable.frames"
)

// position is a place in the log: every record before it is in the database.
type position struct {
	segment uint64
	offset  int64
}

// The position file has two slots that are written in turn, so that a torn write leaves the other:
// turn, segment, offset (8 bytes each), CRC-32C (4 bytes).
const slotSize = 28

// Commit says that the database has b, durably, and removes the segments that it has whole. b must come
// from the last Next; a batch that was committed already does nothing. A crash between
// the database's commit and this one repeats b: the ledger takes a record twice as once.
func (s *Spool) Commit(b Batch) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	r := &s.reader
	if b.to == b.from || b.to.segment < r.at.segment || b.to.segment == r.at.segment && b.to.offset <= r.at.offset {
		return nil
	}
	if b.from != r.at {
		return errors.New("commit spool: the batch does not begin where the last one ended")
	}
	done, err := s.finished(b.to)
	if err != nil {
		return err
	}
	if err := s.keep(b.strange); err != nil {
		return fmt.Errorf("commit spool: keep unreadable records: %w", err)
	}
	if err := r.moveTo(b.to); err != nil {
		return fmt.Errorf("commit spool: %w", err)
	}
	for _, seg := range done {
		if err := s.remove(seg); err != nil {
			return fmt.Errorf("commit spool: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.LagRecords -= b.frames
	s.stats.LagBytes -= b.bytes + b.torn
	s.stats.TornBytes += b.torn
	if b.torn > 0 {
		s.stats.Torn++
	}
	s.stats.Unreadable += b.frames - int64(len(b.Records))
	return nil
}

// keep sets frames aside for the release that can read them.
func (s *Spool) keep(frames []byte) error {
	if len(frames) == 0 {
		return nil
	}
	f, err := s.disk.Open(strangeName, os.O_WRONLY|os.O_CREATE|os.O_APPEND)
	if err != nil {
		return err
	}
	_, err = f.Write(frames)
	return errors.Join(err, f.Sync(), f.Close(), s.disk.Sync())
}

// finished lists the segments that lie before a position.
func (s *Spool) finished(to position) ([]segment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.fault, ErrClosed) {
		return nil, ErrClosed
	}
	var done []segment
	for _, seg := range s.segments[:len(s.segments)-1] { // the tail stays, it is being written
		if seg.id < to.segment {
			done = append(done, seg)
		}
	}
	return done, nil
}

func (s *Spool) remove(seg segment) error {
	if s.reader.file != nil && s.reader.fileID == seg.id {
		_ = s.reader.file.Close()
		s.reader.file = nil
	}
	name := segmentName(seg.id)
	var err error
	if seg.bad {
		err = s.disk.Rename(name, name+badSuffix)
	} else {
		err = s.disk.Remove(name)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = s.segments[1:]
	s.total -= seg.end
	return nil
}

// moveTo makes a position durable, and then the reader's.
func (r *reader) moveTo(at position) error {
	if err := writePosition(r.position, at, r.turn+1); err != nil {
		return err
	}
	r.at, r.turn = at, r.turn+1
	return nil
}

func writePosition(f file, at position, turn uint64) error {
	var slot [slotSize]byte
	binary.LittleEndian.PutUint64(slot[0:], turn)
	binary.LittleEndian.PutUint64(slot[8:], at.segment)
	binary.LittleEndian.PutUint64(slot[16:], uint64(at.offset))
	binary.LittleEndian.PutUint32(slot[24:], crc32.Checksum(slot[:24], castagnoli))
	if _, err := f.WriteAt(slot[:], int64(turn%2)*slotSize); err != nil {
		return err
	}
	return f.Sync()
}

// readPosition takes the newer of the whole slots; none means the beginning.
func readPosition(f file) (at position, turn uint64, err error) {
	var slots [2 * slotSize]byte
	n, err := f.ReadAt(slots[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return at, 0, err
	}
	for start := 0; start+slotSize <= n; start += slotSize {
		slot := slots[start : start+slotSize]
		if crc32.Checksum(slot[:24], castagnoli) != binary.LittleEndian.Uint32(slot[24:]) {
			continue
		}
		if t := binary.LittleEndian.Uint64(slot); t > turn {
			offset := int64(binary.LittleEndian.Uint64(slot[16:]))
			at, turn = position{binary.LittleEndian.Uint64(slot[8:]), offset}, t
		}
	}
	return at, turn, nil
}
