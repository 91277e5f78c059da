package provider

import (
	"strings"
	"testing"
	"time"
)

// A stream that is cut behind its usage is charged by it, not by an estimate.
func TestUsageCountsWithoutItsEmptyLine(t *testing.T) {
	event := strings.TrimRight(usageEvent, "\n")
	for name, end := range map[string]string{"no line end": "", "LF": "\n", "CR": "\r", "CRLF": "\r\n"} {
		for _, hide := range []bool{false, true} {
			spec := MeterSpec{Endpoint: chatEndpoint(t), Status: 200, ContentType: "text/event-stream", HideUsage: hide, Model: "gpt-5-mini"}
			passed, got := pour(openAI.NewMeter(spec), event[:20], event[20:]+end)
			if got.Usage != chatUsage || !got.Reported || got.Method != "" {
				t.Errorf("%s, hide %v: %+v", name, hide, got)
			}
			if hide && strings.Contains(passed, "usage") || !hide && passed != event+end {
				t.Errorf("%s, hide %v: passed on %q", name, hide, passed)
			}
		}
	}
}

// What is held back must not be paid for again with every chunk: a long event in small ones would take the square.
func TestALongEventInSmallChunks(t *testing.T) {
	m := openAI.NewMeter(MeterSpec{Endpoint: chatEndpoint(t), Status: 200, ContentType: "text/event-stream", HideUsage: true})
	piece := []byte("x: y\n")
	at := time.Now()
	for range maxEvent / len(piece) {
		m.Write(piece)
	}
	// It takes about 0.1 s; a buffer as long as what is held, at every chunk, is 110 GB of memory.
	if took := time.Since(at); took > 4*time.Second {
		t.Errorf("%d bytes in chunks of %d took %s", maxEvent, len(piece), took)
	}
}
