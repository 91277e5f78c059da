package envoy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// witness follows a log until the test ends.
func witness(t *testing.T, file string) *Witness {
	w := NewWitness(file)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

// The log that people read goes elsewhere.
func TestWitnessReadsWhatEnvoyWrites(t *testing.T) {
	g := startGateway(t, func(c *Config) { c.AccessLog, c.Witness = "/dev/stdout", filepath.Join(t.TempDir(), "witness.json") })
	w := witness(t, g.config.Witness)

	g.do(t, "POST", "/api/v1/chat", nil, strings.NewReader("12345"))
	known, err := sentinel.ParseCallID(call)
	if err != nil {
		t.Fatal(err)
	}
	var s Seen
	eventually(t, "the call is seen", func() bool {
		var ok bool
		s, ok = w.Find(known)
		return ok
	})
	if s.Call != known || !s.Told || s.Status != 200 || !s.Reached || s.Sent == 0 || time.Since(s.Ended()) > time.Minute {
		t.Errorf("the witness says %+v", s)
	}
	if list := w.Between(s.Ended(), time.Now()); len(list) != 1 {
		t.Errorf("Between() = %+v, want the call", list)
	}
}

// A request whose processor dies before it answers is known by Envoy's own id, and no provider has it.
func TestWitnessKnowsARequestThatWasNeverAnswered(t *testing.T) {
	g := startGateway(t, nil)
	w := witness(t, g.config.AccessLog)

	if r, _ := g.do(t, "GET", "/api/v1/items/1", map[string]string{"behave": "fail"}, nil); r.StatusCode != 503 {
		t.Fatalf("answered %d, want 503", r.StatusCode)
	}
	g.processor.mu.Lock()
	request := g.processor.headers["x-request-id"]
	g.processor.mu.Unlock()
	if request == "" {
		t.Fatal("the guard saw no id of the request")
	}
	eventually(t, "the request is seen", func() bool {
		s, ok := w.Find(sentinel.CallIDOf(time.Now(), request))
		return ok && !s.Reached && !s.Told && s.Status == 503
	})
}

func logLine(n int, extra string) string {
	id := sentinel.CallIDOf(time.Unix(int64(n), 0), fmt.Sprint("request", n))
	return fmt.Sprintf(`{"at":"2026-11-28T10:00:00.000Z","call":"%s","status":200,"upstream_sent":9,"details":null%s}`+"\n", id, extra)
}

func seen(w *Witness, n int) bool {
	_, ok := w.Find(sentinel.CallIDOf(time.Unix(0, 0), fmt.Sprint("request", n)))
	return ok
}

func TestWitnessFollowsRotationTruncationAndHalfLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	w := NewWitness(file)
	tail := tailing{path: file, skip: witnessBack}
	defer tail.close()
	write := func(text string) {
		t.Helper()
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.WriteString(text)
		}
		if err != nil || f.Close() != nil {
			t.Fatal(err)
		}
	}
	drain := func() {
		for tail.read(w.take) {
		}
	}
	drain() // no file yet
	write(logLine(1, "") + logLine(2, "")[:30])
	drain()
	if !seen(w, 1) || seen(w, 2) {
		t.Error("a half line counts, or a whole one does not")
	}
	write(logLine(2, "")[30:] + "no JSON\n" + `{"at":"2026-11-28T10:00:00Z","call":null,"request":null}` + "\n" +
		logLine(3, `,"x":"`+strings.Repeat("y", 3*witnessLine)+`"`) + logLine(4, ""))
	drain()
	if !seen(w, 2) || seen(w, 3) || !seen(w, 4) {
		t.Error("a line in two parts is not seen, or one that is too long is, or hides the next")
	}
	if lines, bad, _ := w.Stats(); lines != 5 || bad != 1 {
		t.Errorf("%d lines, %d bad; want 5 and 1", lines, bad)
	}
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	drain()
	write(logLine(5, ""))
	drain()
	if !seen(w, 5) {
		t.Error("after a rotation nothing is seen")
	}
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	drain()
	write(logLine(6, ""))
	drain()
	if !seen(w, 6) {
		t.Error("after a truncation nothing is seen")
	}
}

// What a witness needs again after a crash stays in the file; what is older leaves the disk, while Envoy goes on writing.
func TestWitnessKeepsItsOwnFileShort(t *testing.T) {
	file := filepath.Join(t.TempDir(), "witness.json")
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var faults []error
	tail := tailing{path: file, fault: func(err error) { faults = append(faults, err) }}
	defer tail.close()
	w := NewWitness(file)
	padding := `,"route":"` + strings.Repeat("r", 8<<10) + `"`
	const lines, each = 8 * witnessBack / (8 << 10), 256
	for n := 0; n < lines; n += each {
		var text strings.Builder
		for i := range each {
			text.WriteString(logLine(n+i, padding))
		}
		if _, err := f.WriteString(text.String()); err != nil {
			t.Fatal(err)
		}
		for tail.read(w.take) {
		}
		tail.shorten()
	}
	if runtime.GOOS != "linux" || len(faults) > 0 && errors.Is(faults[0], errors.ErrUnsupported) {
		if len(faults) != 1 {
			t.Errorf("faults: %v, want one", faults)
		}
		t.Skipf("this system of files gives nothing back: %v", faults)
	}
	info, err := os.Stat(file)
	if err != nil || len(faults) > 0 {
		t.Fatal(err, faults)
	}
	if used := info.Sys().(*syscall.Stat_t).Blocks * 512; used > 3*witnessBack || info.Size() < 8*witnessBack {
		t.Errorf("%d bytes of %d are on the disk, want %d at most", used, info.Size(), 3*witnessBack)
	}
	next := witness(t, file)
	<-next.Ready()
	if _, bad, _ := next.Stats(); !seen(w, lines-1) || !seen(next, lines-1) || !seen(next, lines-1000) || bad != 0 {
		t.Errorf("the next process does not know the newest calls, or %d lines are bad", bad)
	}
}

func TestWitnessIsReadyOnceTheLogIsRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	const lines = 5000 // more than one look reads
	var text strings.Builder
	for n := range lines {
		text.WriteString(logLine(n, ""))
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, file + ".missing"} {
		w := witness(t, path)
		<-w.Ready()
		if path == file && !seen(w, lines-1) {
			t.Error("it is ready before it has read the log")
		}
	}
}

func TestWitnessForgetsTheOldest(t *testing.T) {
	lives := func() (m runtime.MemStats) {
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m
	}
	before := lives()
	w := NewWitness("")
	const more = 100_000
	for n := range witnessKept + more {
		w.take([]byte(logLine(n, "")))
	}
	remembered := 0
	for n := range witnessKept + more {
		if seen(w, n) {
			remembered++
		} else if n >= more {
			t.Fatalf("request %d of %d is forgotten", n, witnessKept+more)
		}
	}
	if remembered != witnessKept {
		t.Errorf("%d requests are remembered, want %d, the newest", remembered, witnessKept)
	}
	if used := int64(lives().HeapAlloc) - int64(before.HeapAlloc); used > 22<<20 {
		t.Errorf("they take %d bytes", used)
	} else {
		t.Logf("they take %d bytes", used)
	}
	runtime.KeepAlive(w)
}
