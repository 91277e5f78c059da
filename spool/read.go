package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Bounds of one batch.
const (
	maxBatch      = 10_000
	maxBatchBytes = 4 << 20
)

// reader is the place up to which the database has everything.
type reader struct {
	at       position
	turn     uint64 // of the position file
	position file   // the position file
	file     file   // the segment that is being read; nil until it is needed
	fileID   uint64
	buffer   []byte
}

// Batch is a run of uncommitted records, in the order in which they were appended.
type Batch struct {
	Records  []sentinel.Record
	from, to position
	frames   int64 // records, and frames that could not be decoded
	bytes    int64
	strange  []byte // the frames that could not be decoded
	torn     int64  // bytes after damage
}

// Next gives the oldest uncommitted records, at most limit (and 10,000, and 4 MiB). It waits until there is
// one. Without a Commit in between it gives the same records again, so a failed write to the
// database is tried again by calling Next again. ErrClosed follows a Close, ctx's error its end.
func (s *Spool) Next(ctx context.Context, limit int) (Batch, error) {
	limit = min(max(limit, 1), maxBatch)
	for {
		b, err := s.read(limit)
		if err != nil || len(b.Records) > 0 {
			return b, err
		}
		if b.to != b.from { // only bytes that are no records: go past them
			if err := s.Commit(b); err != nil {
				return Batch{}, err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		case <-s.closed:
			return Batch{}, ErrClosed
		case <-s.grown:
		}
	}
}

// read collects a batch from the committed position without waiting.
func (s *Spool) read(limit int) (Batch, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	b := Batch{from: s.reader.at, to: s.reader.at}
	for len(b.Records) < limit && b.bytes < maxBatchBytes {
		seg, last, err := s.segmentAt(b.to.segment)
		if err != nil {
			return Batch{}, err
		}
		if b.to.offset < seg.end {
			if err := s.readSegment(&b, seg, limit); err != nil {
				return Batch{}, err
			}
			continue
		}
		if last {
			break
		}
		b.to = position{segment: seg.id + 1, offset: segmentHead}
	}
	return b, nil
}

// segmentAt finds a segment's state. A number that is missing between two segments was
// removed by hand: its place is empty.
func (s *Spool) segmentAt(id uint64) (seg segment, last bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.fault, ErrClosed) {
		return segment{}, false, ErrClosed
	}
	n := len(s.segments)
	for i, seg := range s.segments {
		if seg.id == id {
			if id == s.fence.segment {
				return segment{id: id, end: min(seg.end, s.fence.offset), bad: seg.bad}, true, nil
			}
			return seg, i == n-1, nil
		}
	}
	return segment{id: id}, id >= s.segments[n-1].id, nil
}

// readSegment adds frames of one segment to b, one buffer at a time.
func (s *Spool) readSegment(b *Batch, seg segment, limit int) error {
	f, err := s.segmentFile(seg.id)
	if err != nil {
		return err
	}
	if s.reader.buffer == nil {
		s.reader.buffer = make([]byte, 4*(frameHead+maxPayload))
	}
	buf := s.reader.buffer[:min(int64(len(s.reader.buffer)), seg.end-b.to.offset)]
	if _, err := f.ReadAt(buf, b.to.offset); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read spool: %w", err)
	}
	start := b.to.offset
	for len(b.Records) < limit && b.bytes < maxBatchBytes {
		payload, size, err := unseal(buf)
		if errors.Is(err, errShort) && b.to.offset > start {
			return nil // the rest of the frame is in the next buffer
		}
		if err != nil { // it was whole when it was written or recovered: the disk has lost it since
			s.spoil(seg.id)
			b.torn += seg.end - b.to.offset
			b.to.offset = seg.end
			return nil //nolint:nilerr // the batch reports it by what it counts as torn
		}
		if r, err := decodeRecord(payload); err != nil {
			b.strange = append(b.strange, buf[:size]...)
		} else {
			b.Records = append(b.Records, r)
		}
		b.frames++
		b.bytes += int64(size)
		b.to.offset += int64(size)
		buf = buf[size:]
	}
	return nil
}

// spoil marks a segment as evidence.
func (s *Spool) spoil(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.segments {
		if s.segments[i].id == id {
			s.segments[i].bad = true
		}
	}
}

func (s *Spool) segmentFile(id uint64) (file, error) {
	if s.reader.file != nil && s.reader.fileID == id {
		return s.reader.file, nil
	}
	f, err := s.disk.Open(segmentName(id), os.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("read spool: %w", err)
	}
	if s.reader.file != nil {
		_ = s.reader.file.Close()
	}
	s.reader.file, s.reader.fileID = f, id
	return f, nil
}
