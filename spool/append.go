package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxGroup bounds the bytes that wait for one write; appenders past it wait for the next group.
const maxGroup = 4 << 20

// frames lends buffers to encode in; a frame has at most frameHead+maxPayload bytes.
var frames = sync.Pool{New: func() any { return new([]byte) }}

// tail is the segment that is being written.
type tail struct {
	file file
	size int64
}

// group is a set of records that share one write and one fsync.
type group struct {
	frames  []byte
	records int64
	done    chan struct{}
	err     error // set before done is closed
}

// Append makes r durable as the mode promises, then returns. ctx is looked at before the record is
// taken; from then on Append waits for the disk, so that its answer is always the truth.
// Records of one goroutine keep their order.
//
// The first record of a group leads: it waits for the group before, then writes for
// all that have joined meanwhile. The slower the disk, the larger the groups.
func (s *Spool) Append(ctx context.Context, r sentinel.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	scratch := frames.Get().(*[]byte)
	frame, err := appendFrame((*scratch)[:0], r)
	if err != nil {
		frames.Put(scratch)
		return err
	}
	g, leads, err := s.join(frame, r.Intent != nil) // which copies the frame
	*scratch = frame
	frames.Put(scratch)
	if err != nil {
		return err
	}
	if leads {
		s.lead(g)
	} else {
		<-g.done
	}
	return g.err
}

// join puts a frame into the open group, or opens one and leads it.
func (s *Spool) join(frame []byte, intent bool) (g *group, leads bool, err error) {
	limit := s.options.MaxBytes
	if intent {
		limit -= limit / intentShare
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.open != nil && len(s.open.frames)+len(frame) > maxGroup {
		full := s.open
		s.mu.Unlock()
		<-full.done
		s.mu.Lock()
	}
	if s.fault != nil {
		return nil, false, s.fault
	}
	if s.total+int64(len(frame)) > limit {
		s.stats.Refused++
		return nil, false, fmt.Errorf("%w: %d bytes wait for the database and %d is the bound", ErrFull, s.total, limit)
	}
	if leads = s.open == nil; leads {
		s.open = &group{frames: s.spare[:0], done: make(chan struct{})}
		s.spare = nil
	}
	g = s.open
	g.frames = append(g.frames, frame...)
	g.records++
	s.total += int64(len(frame))
	return g, leads, nil
}

// lead writes the group when its turn has come, publishes it to the reader, and wakes its members.
func (s *Spool) lead(g *group) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	s.open = nil // whoever comes now leads the next group
	g.err = s.fault
	s.mu.Unlock()
	if g.err == nil {
		g.err = s.write(g.frames)
	}

	s.mu.Lock()
	size := int64(len(g.frames))
	if g.err == nil {
		s.segments[len(s.segments)-1].end += size
		s.stats.Appended += g.records
		s.stats.LagRecords += g.records
		s.stats.LagBytes += size
		if s.options.Mode == Sync {
			s.stats.Synced++
		}
	} else {
		s.total -= size
		if errors.Is(g.err, ErrPoisoned) {
			s.fault = g.err
		}
	}
	s.spare, g.frames = g.frames, nil
	s.mu.Unlock()
	close(g.done)
	select {
	case s.grown <- struct{}{}:
	default: // the reader has a wake-up to take already
	}
}

// write puts frames at the end of the tail. After an error, either nothing of them is there, or the
// spool is poisoned: a failed fsync may have dropped pages that the kernel then calls clean.
func (s *Spool) write(frames []byte) error {
	err := s.put(frames)
	if !errors.Is(err, ErrFull) {
		return err
	}
	freed, fault := s.reclaim()
	if fault != nil {
		return errors.Join(ErrPoisoned, err, fault)
	}
	if freed {
		err = s.put(frames)
	}
	return err
}

func (s *Spool) put(frames []byte) error {
	if s.tail.size > segmentHead && s.tail.size+int64(len(frames)) > s.options.SegmentBytes {
		if err := s.rotate(); err != nil {
			return err
		}
	}
	if _, err := s.tail.file.Write(frames); err != nil {
		if undo := s.tail.file.Truncate(s.tail.size); undo != nil {
			return errors.Join(ErrPoisoned, err, undo)
		}
		return diskFault(err)
	}
	if s.options.Mode == Sync {
		if err := s.tail.file.Sync(); err != nil {
			return fmt.Errorf("%w: %w", ErrPoisoned, err)
		}
	}
	s.tail.size += int64(len(frames))
	return nil
}

// reclaim empties the tail where the database has all of it: on a disk that is full before a segment is, nothing else makes room. The
// position goes first: a crash in between reads the records again, which changes nothing. s.writing is held.
func (s *Spool) reclaim() (freed bool, err error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	r := &s.reader
	s.mu.Lock()
	last := s.segments[len(s.segments)-1]
	whole := len(s.segments) == 1 && last.end > segmentHead && r.at == position{last.id, last.end} && !last.bad
	s.mu.Unlock()
	if !whole {
		return false, nil
	}
	if err := r.moveTo(position{last.id, segmentHead}); err != nil {
		return false, err
	}
	if err := errors.Join(s.tail.file.Truncate(segmentHead), s.tail.file.Sync()); err != nil {
		return false, err
	}
	s.tail.size = segmentHead
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments[0].end = segmentHead
	if s.fence.segment == last.id {
		s.fence.offset = segmentHead // all before it is committed: it moves with the position
	}
	s.total -= last.end - segmentHead
	return true, nil
}

// diskFault tells a disk without space, which may get some, from other faults.
func diskFault(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("write spool: %w", err)
}

// rotate opens the next segment. The old one needs no fsync: in Sync mode it has had its own.
func (s *Spool) rotate() error {
	s.mu.Lock()
	id := s.segments[len(s.segments)-1].id + 1
	s.mu.Unlock()
	f, err := s.create(id)
	if err != nil {
		return diskFault(err)
	}
	_ = s.tail.file.Close() // nothing is buffered in it, so nothing can be lost here
	s.tail = tail{file: f, size: segmentHead}
	s.mu.Lock()
	s.segments = append(s.segments, segment{id: id, end: segmentHead})
	s.total += segmentHead
	s.mu.Unlock()
	return nil
}

// create makes an empty segment whose name survives a loss of power.
func (s *Spool) create(id uint64) (file, error) {
	name := segmentName(id)
	f, err := s.disk.Open(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND)
	if err != nil {
		return nil, err
	}
	_, err = f.Write([]byte(segmentMagic))
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = s.disk.Sync()
	}
	if err != nil {
		_ = f.Close()
		_ = s.disk.Remove(name)
		return nil, err
	}
	return f, nil
}
