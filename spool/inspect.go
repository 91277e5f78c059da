package spool

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// SegmentReport is what Inspect found in one segment.
type SegmentReport struct {
	ID         uint64
	Bytes      int64
	Intents    int64
	Entries    int64
	Unreadable int64 // whole frames that this release cannot decode
	Pending    int64 // records after the committed position
	TornBytes  int64 // after the last whole frame
}

// Inspect reads a spool's segments, oldest first, and changes nothing, so that a process that runs may go on; what
// that appends or removes meanwhile may be missing. each, when it is not nil, gets every record in order, and
// whether the database has it.
func Inspect(dir string, each func(r sentinel.Record, committed bool) error) ([]SegmentReport, error) {
	d, err := openDisk(dir)
	if err != nil {
		return nil, fmt.Errorf("inspect spool: %w", err)
	}
	defer func() { _ = d.Close() }()
	at, err := positionIn(d)
	if err != nil {
		return nil, fmt.Errorf("inspect spool %s: %w", dir, err)
	}
	ids, err := segmentIDs(d)
	if err != nil {
		return nil, fmt.Errorf("inspect spool %s: %w", dir, err)
	}
	var reports []SegmentReport
	for _, id := range ids {
		r, err := inspectSegment(d, id, at, each)
		if errors.Is(err, fs.ErrNotExist) { // the database has it since
			continue
		}
		if err != nil {
			return reports, fmt.Errorf("inspect segment %d of %s: %w", id, dir, err)
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// positionIn is the zero position where nothing was ever committed.
func positionIn(d disk) (position, error) {
	f, err := d.Open(positionName, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return position{}, nil
	}
	if err != nil {
		return position{}, err
	}
	defer func() { _ = f.Close() }()
	at, _, err := readPosition(f)
	return at, err
}

func inspectSegment(d disk, id uint64, at position, each func(sentinel.Record, bool) error) (SegmentReport, error) {
	report := SegmentReport{ID: id}
	f, err := d.Open(segmentName(id), os.O_RDONLY)
	if err != nil {
		return report, err
	}
	defer func() { _ = f.Close() }()
	if report.Bytes, err = f.Size(); err != nil {
		return report, err
	}
	end := segmentHead
	r := bufio.NewReaderSize(io.NewSectionReader(f, segmentHead, math.MaxInt64-segmentHead), 4*(frameHead+maxPayload))
	for {
		size, err := peekFrame(r)
		if err != nil {
			return report, err
		}
		if size == 0 {
			report.TornBytes = max(0, report.Bytes-end)
			return report, nil
		}
		frame, _ := r.Peek(size) // it was peeked before, so it is there
		committed := id < at.segment || id == at.segment && end < at.offset
		if err := report.add(frame[frameHead:], committed, each); err != nil {
			return report, err
		}
		_, _ = r.Discard(size)
		end += int64(size)
	}
}

// add counts one frame's record.
func (s *SegmentReport) add(payload []byte, committed bool, each func(sentinel.Record, bool) error) error {
	if !committed {
		s.Pending++
	}
	r, err := decodeRecord(payload)
	switch {
	case err != nil:
		s.Unreadable++
		return nil //nolint:nilerr // counted: an inspection goes on past it
	case r.Intent != nil:
		s.Intents++
	default:
		s.Entries++
	}
	if each == nil {
		return nil
	}
	return each(r, committed)
}
