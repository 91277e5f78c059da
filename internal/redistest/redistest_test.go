package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain lets a copy of the test binary start a server and wait to be killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("REDISTEST_PARENT"); dir != "" {
		addr, _, err := Start(dir)
		fmt.Println(addr, err)
		select {}
	}
	goleak.VerifyTestMain(m)
}

func TestRedisDiesWithItsParent(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "REDISTEST_PARENT="+t.TempDir())
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	addr, fault, _ := strings.Cut(strings.TrimSpace(line), " ")
	if strings.Contains(fault, ErrMissing.Error()) && os.Getenv("E2E") != "must" {
		_ = parent.Process.Kill()
		_ = parent.Wait()
		t.Skip(ErrMissing)
	}
	if !ping(addr) {
		t.Errorf("ping(%s) = false before the kill: %s", addr, fault)
	}
	_ = parent.Process.Kill()
	_ = parent.Wait()
	for end := time.Now().Add(5 * time.Second); ping(addr); <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("redis-server outlived its parent by 5 s")
		}
	}
}

func TestStartedRedisAnswersAndStopsTwice(t *testing.T) {
	addr, stop, err := Start(t.TempDir())
	if errors.Is(err, ErrMissing) && os.Getenv("E2E") != "must" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !ping(addr) {
		t.Errorf("ping(%s) = false after Start", addr)
	}
	stop()
	stop()
	if ping(addr) {
		t.Errorf("ping(%s) = true after stop", addr)
	}
}

func TestTakenPortIsOneSentenceWithTheLog(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, _, err = StartAt(t.TempDir(), l.Addr().(*net.TCPAddr).Port)
	if errors.Is(err, ErrMissing) && os.Getenv("E2E") != "must" {
		t.Skip(err)
	}
	if err == nil || !strings.Contains(err.Error(), "ended at once") || !strings.Contains(err.Error(), "bind") {
		t.Errorf("StartAt on a taken port = %v, want the fact and the log's reason", err)
	}
}
