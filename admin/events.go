package admin

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// streams bounds the open event streams.
type streams struct{ open atomic.Int64 }

const (
	maxStreams  = 200
	eventsEvery = 250 * time.Millisecond // what is looked at is one counter
	// elsewhere is how often a stream says that the ledger may have changed by other replicas.
	elsewhere = 10 * time.Second
	// streamLife ends a stream, so that a session's end is noticed; browsers connect again by themselves.
	streamLife = 10 * time.Minute
)

// events sends server-sent events: ledger when there is something new to ask for.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	if s.streams.open.Add(1) > maxStreams {
		s.streams.open.Add(-1)
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many open streams", http.StatusServiceUnavailable)
		return
	}
	defer s.streams.open.Add(-1)
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	tick := time.NewTicker(eventsEvery)
	defer tick.Stop()
	end := time.After(streamLife)
	written, told := int64(-1), time.Now()
	for {
		if wrote := s.Backend.Wrote(); wrote != written || time.Since(told) > elsewhere {
			written, told = wrote, time.Now()
			if _, err := fmt.Fprintf(w, "event: ledger\ndata: %d\n\n", wrote); err != nil || out.Flush() != nil {
				return
			}
		}
		select {
		case <-r.Context().Done():
			return
		case <-end:
			return
		case <-tick.C:
		}
	}
}
