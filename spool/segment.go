package spool

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
)

const (
	segmentSuffix = ".wal"
	segmentMagic  = "SNTLWAL1"
	segmentHead   = int64(len(segmentMagic))
	badSuffix     = ".bad"
)

// segment is one file of the log, as far as its records are good.
type segment struct {
	id  uint64
	end int64 // offset after the last whole record
	bad bool  // holds bytes that could not be read: kept as evidence instead of removed
}

// recover finds what the last process left, and opens the tail.
func (s *Spool) recover() (err error) {
	if s.reader.position, err = s.disk.Open(positionName, os.O_RDWR|os.O_CREATE); err != nil {
		return err
	}
	if s.reader.at, s.reader.turn, err = readPosition(s.reader.position); err != nil {
		return err
	}
	ids, err := segmentIDs(s.disk)
	if err != nil {
		return err
	}
	for i, id := range ids {
		if id < s.reader.at.segment { // committed whole, and the process died before it removed it
			if err := s.disk.Remove(segmentName(id)); err != nil {
				return err
			}
			continue
		}
		if err := s.recoverSegment(id, i == len(ids)-1); err != nil {
			return err
		}
	}
	read := s.reader.at
	if err := s.openTail(); err != nil || s.reader.at == read {
		return err
	}
	// New records will lie where the old position pointed: it must not outlive this.
	return s.reader.moveTo(s.reader.at)
}

// recoverSegment counts a segment's uncommitted records, and cuts what follows the last whole one.
// Only the last segment can have a tail that was torn while it was written.
func (s *Spool) recoverSegment(id uint64, last bool) error {
	name := segmentName(id)
	f, err := s.disk.Open(name, os.O_RDWR)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Size()
	if err != nil {
		return err
	}
	from, beyond := segmentHead, false
	if id == s.reader.at.segment {
		from = max(from, s.reader.at.offset)
		beyond = from > size
	}
	if beyond {
		from = segmentHead
	}
	end, records, err := scan(f, from)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if end == 0 && size > segmentHead { // damaged in its first bytes
		s.stats.Torn++
		s.stats.TornBytes += size
		return s.disk.Rename(name, name+badSuffix)
	}
	torn := size - end
	if torn > 0 {
		s.stats.Torn++
		s.stats.TornBytes += torn
	}
	if last && torn > 0 {
		if err := f.Truncate(end); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	s.segments = append(s.segments, segment{id: id, end: end, bad: !last && torn > 0})
	s.total += end
	if !beyond {
		s.stats.LagRecords += records
		s.stats.LagBytes += max(0, end-from)
	}
	return nil
}

// openTail makes the last segment the tail, or starts the first one, and brings a position that
// points past the data (a loss of power in Buffered mode) back to it.
func (s *Spool) openTail() error {
	at := &s.reader.at
	if len(s.segments) > 0 {
		last := s.segments[len(s.segments)-1]
		if last.end >= segmentHead {
			f, err := s.disk.Open(segmentName(last.id), os.O_WRONLY|os.O_APPEND)
			if err != nil {
				return err
			}
			s.tail = tail{file: f, size: last.end}
		} else { // it died between the file and its first bytes
			if s.segments = s.segments[:len(s.segments)-1]; len(s.segments) == 0 {
				at.segment = max(at.segment, last.id)
			}
		}
	}
	if s.tail.file == nil {
		id := max(1, at.segment)
		if n := len(s.segments); n > 0 {
			id = max(id, s.segments[n-1].id+1)
		}
		f, err := s.create(id)
		if err != nil {
			return err
		}
		s.tail = tail{file: f, size: segmentHead}
		s.segments = append(s.segments, segment{id: id, end: segmentHead})
		s.total += segmentHead
	}
	if first := s.segments[0]; at.segment != first.id {
		*at = position{segment: first.id, offset: segmentHead}
	}
	at.offset = min(max(at.offset, segmentHead), max(s.segments[0].end, segmentHead))
	return nil
}

// scan reads frames from an offset to the first that is not whole.
func scan(f io.ReaderAt, from int64) (end, records int64, err error) {
	var magic [segmentHead]byte
	if _, err := f.ReadAt(magic[:], 0); err != nil || string(magic[:]) != segmentMagic {
		if err == nil || errors.Is(err, io.EOF) {
			return 0, 0, nil
		}
		return 0, 0, err
	}
	r := bufio.NewReaderSize(io.NewSectionReader(f, from, math.MaxInt64-from), 4*(frameHead+maxPayload))
	for end = from; ; records++ {
		size, err := peekFrame(r)
		if err != nil {
			return end, records, err
		}
		if size == 0 {
			return end, records, nil
		}
		_, _ = r.Discard(size) // it was peeked, so it is there
		end += int64(size)
	}
}

// peekFrame gives the length of the next whole frame, 0 when there is none.
func peekFrame(r *bufio.Reader) (int, error) {
	b, err := r.Peek(frameHead)
	if err == nil {
		b, err = r.Peek(frameHead + min(maxPayload, int(binary.LittleEndian.Uint32(b))))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if _, size, err := unseal(b); err == nil {
		return size, nil
	}
	return 0, nil
}

// segmentIDs lists the segments in a directory, oldest first.
func segmentIDs(d disk) ([]uint64, error) {
	names, err := d.Names()
	if err != nil {
		return nil, err
	}
	var ids []uint64
	for _, name := range names {
		if id, ok := segmentNumber(name); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

func segmentName(id uint64) string { return fmt.Sprintf("%020d%s", id, segmentSuffix) }

// segmentNumber is segmentName's inverse.
func segmentNumber(name string) (id uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	id, err := strconv.ParseUint(digits, 10, 64)
	return id, err == nil && id > 0
}
