package spool

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// smallDisk is a file system of so many bytes, as far as the test may mount one.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a file system of %s cannot be mounted here (%v): run the test as root", size, err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// A disk that is full before the spool's own bound takes nothing more, loses nothing, and takes records again once the
// database has what is there: also where it is smaller than a segment.
func TestADiskThatIsFullTakesRecordsAgainOnceTheyAreWritten(t *testing.T) {
	for _, mode := range []Mode{Buffered, Sync} {
		dir := smallDisk(t, "256k")
		s := open(t, Options{Dir: dir, Mode: mode})
		next := 0
		fill := func(s *Spool) (taken []int) {
			for {
				err := s.Append(t.Context(), record(next))
				if errors.Is(err, ErrFull) {
					return taken
				}
				if err != nil {
					t.Fatal(err)
				}
				taken = append(taken, next)
				if next++; next > 100_000 {
					t.Fatal("the disk does not become full")
				}
			}
		}
		for round := range 3 {
			taken := fill(s)
			if len(taken) < 100 {
				t.Fatalf("round %d: a disk of 256 KiB took %d records", round, len(taken))
			}
			if round == 1 { // a start on a full disk finds them all
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open(t, Options{Dir: dir, Mode: mode})
			}
			if got := drain(t, s); !slices.Equal(got, taken) {
				t.Fatalf("round %d: %d records are read, want the %d that were taken, in order", round, len(got), len(taken))
			}
		}
		s = reopen(t, s, dir, mode)
		if st := s.Stats(); st.LagRecords != 0 || st.Torn != 0 {
			t.Errorf("after a restart %+v, want nothing left and nothing torn", st)
		}
	}
}

func reopen(t *testing.T, s *Spool, dir string, mode Mode) *Spool {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, Options{Dir: dir, Mode: mode})
}
