package redistest

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"
)

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
