package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// The bounds of one answer.
const (
	maxAnswer = 64 << 20
	maxLine   = 256 << 10
)

// readers are kept, because a fresh buffer for each stream would be most of the client's own cost.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, maxLine) }}

// call makes the n-th call and measures it from when it was due. A failed one leaves no latency behind.
func (r *run) call(ctx context.Context, n int64, start time.Time) (status int, err error) {
	sent := r.o.Body
	if r.o.Bodies != nil {
		sent = r.o.Bodies(n)
	}
	rq, err := http.NewRequestWithContext(ctx, r.o.Method, r.o.URL, bytes.NewReader(sent))
	if err != nil {
		return 0, err
	}
	if r.o.Header != nil {
		rq.Header = r.o.Header.Clone()
	}
	if host := rq.Header.Get("Host"); host != "" { // net/http takes it from here alone
		rq.Host = host
	}
	rs, err := r.client.Do(rq)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rs.Body.Close() }()
	body := &firstByte{r: http.MaxBytesReader(nil, rs.Body, maxAnswer)}
	if r.o.Mode == SSE && rs.StatusCode == http.StatusOK {
		err = r.events(body)
	} else {
		_, err = io.Copy(io.Discard, body)
	}
	switch {
	case err != nil:
		return rs.StatusCode, fmt.Errorf("status %d, then: %w", rs.StatusCode, err)
	case rs.StatusCode < 200 || rs.StatusCode > 299:
		return rs.StatusCode, fmt.Errorf("status %d", rs.StatusCode)
	}
	r.measured.latency.add(time.Since(start))
	if !body.at.IsZero() {
		r.measured.firstByte.add(body.at.Sub(start))
	}
	return rs.StatusCode, nil
}

// firstByte notes when a body began.
type firstByte struct {
	r  io.Reader
	at time.Time
}

func (f *firstByte) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if n > 0 && f.at.IsZero() {
		f.at = time.Now()
	}
	return n, err
}

// events reads a stream to its end and measures each event's data as it arrives.
func (r *run) events(body io.Reader) error {
	lines := readers.Get().(*bufio.Reader)
	defer readers.Put(lines)
	lines.Reset(body)
	var last time.Time
	for seen := 0; ; {
		line, err := lines.ReadSlice('\n')
		at := time.Now()
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0 && seen > 0:
			return nil
		case errors.Is(err, io.EOF):
			return errors.New("the stream ended without an event, or within a line")
		case err != nil:
			return err
		}
		data, ok := bytes.CutPrefix(line, []byte("data:"))
		if !ok {
			continue
		}
		seen++
		if !last.IsZero() {
			r.measured.gap.add(at.Sub(last))
		}
		last = at
		if sent, ok := r.o.Stamp(data); ok {
			r.measured.chunk.add(at.Sub(sent))
		}
	}
}

// SentNS reads the member "sent_ns", Unix nanoseconds, which the stand-ins put into each chunk.
func SentNS(data []byte) (time.Time, bool) {
	_, rest, ok := bytes.Cut(data, []byte(`"sent_ns":`))
	if !ok {
		return time.Time{}, false
	}
	rest = bytes.TrimLeft(rest, " ")
	end := 0
	for end < len(rest) && end < 20 && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	ns, err := strconv.ParseInt(string(rest[:end]), 10, 64)
	return time.Unix(0, ns), err == nil
}
