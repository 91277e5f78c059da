package spool

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	sentinel "github.com/saas-sentinel/saas-sentinel"
)

var modes = map[string]Mode{"buffered": Buffered, "sync": Sync}

func TestRecordsComeInOrderOverSegmentsAndRestarts(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			o := Options{Dir: filepath.Join(t.TempDir(), "a", "spool"), Mode: mode, SegmentBytes: minSegmentBytes}
			var got []int
			for round := range 4 {
				s, err := Open(o)
				if err != nil {
					t.Fatal(err)
				}
				add(t, s, round*50, round*50+50)
				b, err := s.Next(t.Context(), 23) // the rest is for the next process
				if err != nil || s.Commit(b) != nil {
					t.Fatal(err)
				}
				for _, r := range b.Records {
					got = append(got, number(r))
				}
				if want := int64(round+1) * 27; s.Stats().LagRecords != want {
					t.Errorf("round %d: LagRecords = %d, want %d", round, s.Stats().LagRecords, want)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			s := open(t, o)
			got = append(got, drain(t, s)...)
			if !slices.Equal(got, upTo(200)) {
				t.Errorf("read %v, want 0 to 199", got)
			}
			if st := s.Stats(); st.LagBytes != 0 || st.Torn != 0 || st.Segments > 1 {
				t.Errorf("Stats() = %+v, want no lag, nothing torn, the tail alone", st)
			}
		})
	}
}

func TestNextRepeatsUntilCommit(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	add(t, s, 0, 5)
	first, _ := s.Next(t.Context(), 3)
	again, _ := s.Next(t.Context(), 3)
	if diff := cmp.Diff(first.Records, again.Records); len(first.Records) != 3 || diff != "" {
		t.Errorf("Next() without a Commit (-first +again)\n%s", diff)
	}
	for range 2 { // the second has nothing to do
		if err := s.Commit(first); err != nil {
			t.Fatal(err)
		}
	}
	rest, _ := s.Next(t.Context(), 100)
	if len(rest.Records) != 2 || number(rest.Records[0]) != 3 {
		t.Errorf("Next() after Commit = %d records, want the last 2", len(rest.Records))
	}
}

func TestNextWaits(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Next(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Next() on an empty spool = %v, want the deadline", err)
		}
		type answer struct {
			b   Batch
			err error
		}
		answers := make(chan answer)
		next := func() {
			b, err := s.Next(t.Context(), 10)
			answers <- answer{b, err}
		}
		go next()
		synctest.Wait()
		add(t, s, 0, 1)
		if a := <-answers; a.err != nil || len(a.b.Records) != 1 {
			t.Errorf("Next() when a record comes = %d records, %v", len(a.b.Records), a.err)
		} else if err := s.Commit(a.b); err != nil {
			t.Error(err)
		}
		go next()
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if a := <-answers; !errors.Is(a.err, ErrClosed) {
			t.Errorf("Next() when the spool is closed = %v, want %v", a.err, ErrClosed)
		}
		if err := s.Append(t.Context(), record(0)); !errors.Is(err, ErrClosed) {
			t.Errorf("Append() after Close = %v, want %v", err, ErrClosed)
		}
	})
}

func TestASecondProcessIsRefusedClearly(t *testing.T) {
	dir := t.TempDir()
	open(t, Options{Dir: dir})
	if _, err := Open(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a second Open() = %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := Open(Options{Mode: 7, SegmentBytes: 1, MaxBytes: 1})
	for _, fault := range []string{"directory", "mode 7", "segments of 1", "1 bytes in all"} {
		if err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("Open() = %v, want a fault about %q", err, fault)
		}
	}
}

func TestAFullSpoolRefusesIntentsFirstAndRecovers(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), SegmentBytes: minSegmentBytes, MaxBytes: 4 * minSegmentBytes})
	fill := func(n int) (taken int) {
		for {
			err := s.Append(t.Context(), record(n))
			if errors.Is(err, ErrFull) {
				return taken
			}
			if err != nil {
				t.Fatal(err)
			}
			taken++
		}
	}
	intents := fill(0)
	entries := fill(1)
	if intents == 0 || entries == 0 || entries > intents {
		t.Errorf("a full spool took %d intents, then %d entries", intents, entries)
	}
	if st := s.Stats(); st.Bytes > 4*minSegmentBytes || st.Refused != 2 {
		t.Errorf("Stats() = %+v, want at most %d bytes and 2 refused", st, 4*minSegmentBytes)
	}
	if n := len(drain(t, s)); n != intents+entries {
		t.Errorf("read %d, want %d", n, intents+entries)
	}
	if err := s.Append(t.Context(), record(0)); err != nil {
		t.Errorf("Append() after the database caught up = %v", err)
	}
}

// brokenFile fails where it is told to.
type brokenFile struct {
	file
	write, sync, truncate error
}

func (f *brokenFile) Write(b []byte) (int, error) {
	if f.write == nil {
		return f.file.Write(b)
	}
	n, _ := f.file.Write(b[:len(b)/2]) // as a full disk does
	return n, f.write
}

func (f *brokenFile) Sync() error { return errors.Join(f.sync, f.file.Sync()) }

func (f *brokenFile) Truncate(size int64) error {
	return errors.Join(f.truncate, f.file.Truncate(size))
}

func TestDiskFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		file   brokenFile
		want   error
		stays  bool
		intact bool
	}{
		"fsync fails":              {brokenFile{sync: syscall.EIO}, ErrPoisoned, true, false},
		"no space":                 {brokenFile{write: syscall.ENOSPC}, ErrFull, false, true},
		"a write fails":            {brokenFile{write: syscall.EIO}, syscall.EIO, false, true},
		"a write cannot be undone": {brokenFile{write: syscall.EIO, truncate: syscall.EIO}, ErrPoisoned, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Dir: t.TempDir(), Mode: Sync}
			s := open(t, o)
			add(t, s, 0, 3)
			file := tt.file
			file.file = s.tail.file
			s.tail.file = &file
			if err := s.Append(t.Context(), record(3)); !errors.Is(err, tt.want) {
				t.Errorf("Append() = %v, want %v", err, tt.want)
			}
			s.tail.file = file.file // the disk is well again
			err := s.Append(t.Context(), record(3))
			if poisoned := errors.Is(err, ErrPoisoned); poisoned != tt.stays || !poisoned && err != nil {
				t.Errorf("the next Append() = %v, want poisoned %v", err, tt.stays)
			}
			if tt.intact {
				if got := drain(t, s); !slices.Equal(got, upTo(4)) {
					t.Errorf("read %v, want 0 to 3", got)
				}
			}
		})
	}
}

func TestManyWritersShareAnFsync(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), Mode: Sync, SegmentBytes: 64 << 10})
	const writers, each = 16, 50
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() { add(t, s, w*each, w*each+each) })
	}
	all.Wait()
	st := s.Stats()
	if st.Appended != writers*each || st.Synced >= st.Appended {
		t.Errorf("%d appended with %d fsyncs, want %d with fewer fsyncs", st.Appended, st.Synced, writers*each)
	}
	last := map[int]int{} // the order of one goroutine is kept
	got := drain(t, s)
	for _, n := range got {
		if before, ok := last[n/each]; ok && n != before+1 {
			t.Fatalf("record %d comes after %d", n, before)
		}
		last[n/each] = n
	}
	if slices.Sort(got); !slices.Equal(got, upTo(writers*each)) {
		t.Errorf("read %d records, want each of %d once", len(got), writers*each)
	}
}

func TestWritersAndReaderAtOnce(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), SegmentBytes: minSegmentBytes, MaxBytes: 64 << 20})
	const writers, each = 8, 400
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() { add(t, s, w*each, w*each+each) })
	}
	var got []int
	for len(got) < writers*each {
		b, err := s.Next(t.Context(), 50)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			got = append(got, number(r))
		}
		if err := s.Commit(b); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	if slices.Sort(got); !slices.Equal(got, upTo(writers*each)) {
		t.Error("a record is missing or came twice")
	}
	if st := s.Stats(); st.LagRecords != 0 || st.LagBytes != 0 {
		t.Errorf("Stats() = %+v, want no lag", st)
	}
}

func TestACancelledContextTakesNothing(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Append(ctx, record(0)); !errors.Is(err, context.Canceled) || s.Stats().Appended != 0 {
		t.Errorf("Append() = %v with %d appended", err, s.Stats().Appended)
	}
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := open(t, Options{Dir: dir})
	add(t, s, 0, 1)
	drain(t, s)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if info, _ := d.Info(); err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func ExampleSpool() {
	dir, _ := os.MkdirTemp("", "spool")
	defer os.RemoveAll(dir)
	s, err := Open(Options{Dir: dir, Mode: Sync})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	_ = s.Append(context.Background(), sentinel.Record{Entry: &sentinel.Entry{Cost: sentinel.USD / 10}})
	b, _ := s.Next(context.Background(), 500)
	os.Stdout.WriteString(b.Records[0].Entry.Cost.String() + "\n") // here the database takes the batch
	_ = s.Commit(b)
	// Output: $0.10
}

func TestASpoolKnowsWhetherTheLastProcessClosedIt(t *testing.T) {
	dir := t.TempDir()
	opened := func() *Spool {
		t.Helper()
		s, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	closed := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	asked := func(s *Spool, want bool) *Spool {
		t.Helper()
		if got := s.Crashed(); got != want {
			t.Errorf("Crashed() = %v, want %v", got, want)
		}
		return s
	}
	closed(asked(opened(), false).Close())
	killed := asked(opened(), false)
	closed(killed.lock.Close()) // as the kernel does for a process that is killed
	closed(opened().Close())    // one whose start fails asks nothing
	next := asked(opened(), true)
	closed(asked(next, false).Close())
	closed(asked(opened(), false).Close())
}
