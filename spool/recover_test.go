package spool

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

const firstSegment = "00000000000000000001.wal"

// written gives the bytes of a segment with n records, and where each ends.
func written(t testing.TB, n int) (data []byte, ends []int) {
	t.Helper()
	data = []byte(segmentMagic)
	for i := range n {
		var err error
		if data, err = appendFrame(data, record(i)); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, len(data))
	}
	return data, ends
}

// recovered opens a spool whose only segment has these bytes, and reads it.
func recovered(t testing.TB, dir string, data []byte) (got []int, st Stats) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, firstSegment), data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	st = s.Stats()
	add(t, s, 1000, 1001) // whatever was there, the spool goes on
	got = drain(t, s)
	if len(got) == 0 || got[len(got)-1] != 1000 {
		t.Fatalf("a record after recovery is lost: %v", got)
	}
	return got[:len(got)-1], st
}

func TestATornLastRecordIsDroppedAtEveryByte(t *testing.T) {
	data, ends := written(t, 4)
	for cut := ends[2]; cut <= ends[3]; cut++ {
		want, torn := 3, int64(1)
		switch cut {
		case ends[2]:
			torn = 0
		case ends[3]:
			want, torn = 4, 0
		}
		got, st := recovered(t, t.TempDir(), data[:cut])
		if !slices.Equal(got, upTo(want)) || st.Torn != torn || st.LagRecords != int64(want) {
			t.Fatalf("cut at byte %d of %d: read %v, want %d records; stats %+v", cut, ends[3], got, want, st)
		}
	}
}

func TestAnyTruncationOrDamageYieldsAPrefix(t *testing.T) {
	data, ends := written(t, 12)
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "spool")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		broken := slices.Clone(data[:rapid.IntRange(0, len(data)).Draw(rt, "cut")])
		first := len(broken)
		if len(broken) > 0 && rapid.Bool().Draw(rt, "damage") {
			first = rapid.IntRange(0, len(broken)-1).Draw(rt, "place")
			broken[first] ^= byte(rapid.IntRange(1, 255).Draw(rt, "flip"))
		}
		want := 0
		for want < len(ends) && ends[want] <= first && first >= len(segmentMagic) {
			want++
		}
		if got, _ := recovered(t, dir, broken); !slices.Equal(got, upTo(want)) {
			rt.Fatalf("read %v, want the first %d", got, want)
		}
	})
}

// A caller's text that looks like frames must not become records when the record around it is torn.
func TestATextThatImitatesAFrameIsNoRecord(t *testing.T) {
	forged, err := appendFrame(nil, record(666))
	if err != nil {
		t.Fatal(err)
	}
	r := record(0)
	r.Intent.Model = string(forged) + string(forged)
	data, err := appendFrame([]byte(segmentMagic), r)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut < len(data); cut += 17 {
		if got, _ := recovered(t, t.TempDir(), data[:cut]); len(got) != 0 {
			t.Fatalf("cut at byte %d: read %v, want nothing", cut, got)
		}
	}
}

func TestDamageInAnOldSegmentIsCountedAndKept(t *testing.T) {
	dir := t.TempDir()
	o := Options{Dir: dir, SegmentBytes: minSegmentBytes}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	add(t, s, 0, 100)
	path := filepath.Join(dir, firstSegment)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(s *Spool) {
		t.Helper()
		b, err := s.Next(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		n := len(b.Records)
		if n == 100 || n < 80 || number(b.Records[n-1]) != 99 {
			t.Errorf("read %d records up to %d, want most of 100 up to 99", n, number(b.Records[n-1]))
		}
	}
	check(s) // damaged while it is open
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, o) // and before it is opened
	check(s)
	if st := s.Stats(); st.Torn != 1 || st.TornBytes == 0 {
		t.Errorf("Stats() = %+v, want one torn place", st)
	}
	drain(t, s)
	if st := s.Stats(); st.LagBytes != 0 {
		t.Errorf("Stats() = %+v, want no lag", st)
	}
	if _, err := os.Stat(path + badSuffix); err != nil {
		t.Errorf("the damaged segment was not kept: %v", err)
	}
}

func TestARecordOfALaterReleaseIsSetAside(t *testing.T) {
	data, _ := written(t, 2)
	strange, err := appendFrame(nil, record(2))
	if err != nil {
		t.Fatal(err)
	}
	strange[frameHead+1] = 77 // a kind that nobody knows yet
	seal(strange)
	last, err := appendFrame(nil, record(3))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	got, st := recovered(t, dir, slices.Concat(data, strange, last))
	if !slices.Equal(got, []int{0, 1, 3}) || st.Torn != 0 {
		t.Errorf("read %v with stats %+v, want 0, 1 and 3, nothing torn", got, st)
	}
	if kept, err := os.ReadFile(filepath.Join(dir, strangeName)); err != nil || !slices.Equal(kept, strange) {
		t.Errorf("kept %x, %v, want %x", kept, err, strange)
	}
}

// After a loss of power in Buffered mode the position may point past what is left.
func TestAPositionPastTheDataHidesNoNewRecord(t *testing.T) {
	data, ends := written(t, 10)
	for name, left := range map[string]int{"shorter": ends[4], "empty": len(segmentMagic), "not even its head": 3, "gone": -1} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if got, _ := recovered(t, dir, data); len(got) != 10 {
				t.Fatalf("read %v", got)
			}
			path := filepath.Join(dir, firstSegment)
			if left < 0 {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			} else if err := os.Truncate(path, int64(left)); err != nil {
				t.Fatal(err)
			}
			s, err := Open(Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			if st := s.Stats(); st.LagRecords != 0 {
				t.Errorf("Stats() = %+v, want no lag", st)
			}
			add(t, s, 0, 20)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if got := drain(t, open(t, Options{Dir: dir})); !slices.Equal(got, upTo(20)) {
				t.Errorf("read %v, want 0 to 19", got)
			}
		})
	}
}

func TestATornPositionFallsBackToTheOneBefore(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	add(t, s, 0, 10)
	for range 3 {
		b, err := s.Next(t.Context(), 2)
		if err != nil || s.Commit(b) != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, positionName)
	slots, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	slots[10] ^= 1 // Open writes turn 1, so the third commit is turn 4, in the first slot
	if err := os.WriteFile(path, slots, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := drain(t, open(t, Options{Dir: dir})); !slices.Equal(got, []int{4, 5, 6, 7, 8, 9}) {
		t.Errorf("read %v, want 4 to 9", got)
	}
}

// child appends from several goroutines until it is killed, and says which records were acknowledged.
func child(dir string) {
	mode, _ := strconv.Atoi(os.Getenv("SPOOL_CHILD_MODE"))
	from, _ := strconv.Atoi(os.Getenv("SPOOL_CHILD_FROM"))
	s, err := Open(Options{Dir: dir, Mode: Mode(mode), SegmentBytes: 64 << 10})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var out sync.Mutex
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for n := from + w; ; n += 4 {
				if err := s.Append(context.Background(), record(n)); err != nil {
					panic(err)
				}
				out.Lock()
				_, _ = os.Stdout.WriteString(strconv.Itoa(n) + "\n")
				out.Unlock()
			}
		})
	}
	all.Wait()
}

var kills = flag.Int("kills", 5, "processes that TestKilledProcessLosesNothing kills, for each mode")

func TestKilledProcessLosesNothing(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			acknowledged := map[int]bool{}
			for round := range *kills {
				runAndKill(t, dir, mode, round*1_000_000, 300+round*211%1500, acknowledged)
			}
			s := open(t, Options{Dir: dir, Mode: mode, SegmentBytes: 64 << 10})
			seen := map[int]bool{}
			for _, n := range drain(t, s) {
				if seen[n] {
					t.Errorf("record %d is there twice", n)
				}
				seen[n] = true
			}
			for n := range acknowledged {
				if !seen[n] {
					t.Errorf("record %d was acknowledged and is lost", n)
				}
			}
			t.Logf("%d kills, %d acknowledged, %d found", *kills, len(acknowledged), len(seen))
		})
	}
}

// runAndKill starts a child and kills it once it has acknowledged enough.
func runAndKill(t *testing.T, dir string, mode Mode, from, enough int, acknowledged map[int]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SPOOL_CHILD_DIR="+dir, fmt.Sprintf("SPOOL_CHILD_MODE=%d", mode), fmt.Sprintf("SPOOL_CHILD_FROM=%d", from))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	for got := 0; ; got++ {
		if got == enough {
			_ = cmd.Process.Signal(syscall.SIGKILL)
		}
		line, err := r.ReadString('\n')
		if err != nil { // a line without its end was cut off by the kill
			break
		}
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(errors.New(line))
		}
		acknowledged[n] = true
	}
	_ = cmd.Wait()
}
