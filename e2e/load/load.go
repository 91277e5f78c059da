// Package load puts a steady load on an HTTP endpoint and measures it as a client sees it: a
// closed loop of clients that send JSON calls or read event streams, with latencies, the delay of
// every streamed chunk, and what the serving processes used meanwhile.
package load

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Mode is how answers are read.
type Mode string

// The modes.
const (
	JSON Mode = "json" // an answer is read whole
	SSE  Mode = "sse"  // an answer is read event by event
)

// The bounds of Options.
const (
	maxClients  = 10_000
	maxDuration = time.Hour
)

// Options describe one load. URL, Clients and Duration are required.
type Options struct {
	URL      string
	Method   string // POST when empty
	Header   http.Header
	Body     []byte
	Bodies   func(n int64) []byte // the body of the n-th call, from 1, in place of Body; calls at once ask at once
	Mode     Mode                 // JSON when empty
	Clients  int                  // calls in flight, each client's next starts when its last has ended
	Warmup   time.Duration        // calls that start within it are not measured
	Duration time.Duration        // of the measured part; calls that started within it are awaited
	// Ramp spreads the clients' first calls: streams that beat at one pace and began at one instant would
	// all send in the same instant, and each would measure the queue of the others.
	Ramp time.Duration
	// Rate is of an open loop, in calls a second: calls start when they are due, whether others have ended or not, and are timed from then. More
	// than Clients at once wait for one another. 0 is a closed loop.
	Rate     float64
	Requests int64         // ends the load sooner, once so many were measured; 0: no such end
	Timeout  time.Duration // of one call, 30 s when 0
	TLS      *tls.Config   // for https; may be nil
	// Stamp reads from an event's data when the sender sent it, on this machine's clock. The delay
	// of chunks is measured where it is known. SentNS reads the stand-ins' own stamp; nil is SentNS.
	Stamp func(data []byte) (time.Time, bool)
	// Processes are sampled at the start and the end of the measured part, by the caller's names.
	Processes map[string]int
}

// Result is what one load showed.
type Result struct {
	Requests  int64         // measured calls, with errors
	Errors    int64         // no answer, a broken one, or a status outside 200–299
	Elapsed   time.Duration // of the measured part, to the end of its last call
	Statuses  map[int]int64 // measured calls by status; 0: no answer
	Latency   Distribution  // to the last byte, of calls without error
	FirstByte Distribution  // to the first byte of the body
	Chunk     Distribution  // from a chunk's stamp to its arrival; SSE with stamps only
	Gap       Distribution  // between a stream's chunks; SSE only
	Processes map[string]Use
	Faults    []string // the first few errors, as sentences
}

// PerSecond is the rate of measured calls.
func (r Result) PerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Requests) / r.Elapsed.Seconds()
}

// CPUPerCall is the CPU time of a process for one measured call; 0 for an unknown one.
func (r Result) CPUPerCall(process string) time.Duration {
	if r.Requests == 0 {
		return 0
	}
	return r.Processes[process].CPU / time.Duration(r.Requests)
}

func (o Options) validate() error {
	var faults []error
	if u, err := url.Parse(o.URL); err != nil || u.Host == "" {
		faults = append(faults, fmt.Errorf("url: %q is not one", o.URL))
	}
	if o.Mode != JSON && o.Mode != SSE {
		faults = append(faults, fmt.Errorf("mode: %q is neither json nor sse", o.Mode))
	}
	if o.Clients < 1 || o.Clients > maxClients {
		faults = append(faults, fmt.Errorf("clients: %d is outside 1 to %d", o.Clients, maxClients))
	}
	if o.Ramp < 0 || o.Ramp > o.Duration {
		faults = append(faults, fmt.Errorf("ramp: %s is outside [0, %s], the duration", o.Ramp, o.Duration))
	}
	if o.Duration <= 0 || o.Warmup < 0 || o.Duration+o.Warmup > maxDuration {
		faults = append(faults, fmt.Errorf("duration: %s after a warm-up of %s is outside (0, %s]", o.Duration, o.Warmup, maxDuration))
	}
	if o.Requests < 0 || o.Timeout < 0 || o.Rate < 0 {
		faults = append(faults, errors.New("requests, timeout and rate: must not be negative"))
	}
	return errors.Join(faults...)
}

// Run puts the load on and waits for its end. Calls that fail are counted, not returned: the
// error is about the options, the processes or ctx.
func Run(ctx context.Context, o Options) (Result, error) {
	o.Method, o.Mode = cmp.Or(o.Method, http.MethodPost), cmp.Or(o.Mode, JSON)
	o.Timeout = cmp.Or(o.Timeout, 30*time.Second)
	if o.Stamp == nil {
		o.Stamp = SentNS
	}
	if err := o.validate(); err != nil {
		return Result{}, fmt.Errorf("load: %w", err)
	}
	r := newRun(o)
	defer r.client.CloseIdleConnections()
	if err := r.warmUp(ctx); err != nil {
		return Result{}, err
	}
	for _, pid := range o.Processes {
		resetPeak(pid)
	}
	before, err := sampleAll(o.Processes)
	if err != nil {
		return Result{}, err
	}
	r.measured = &measurements{}
	start := time.Now()
	r.drive(ctx, start.Add(o.Duration))
	elapsed := time.Since(start)
	if err := ctx.Err(); err != nil {
		return Result{}, fmt.Errorf("load on %s: %w", o.URL, err)
	}
	after, err := sampleAll(o.Processes)
	if err != nil {
		return Result{}, err
	}
	return r.measured.result(elapsed, spent(before, after)), nil
}

// run is one load under way.
type run struct {
	o        Options
	client   *http.Client
	measured *measurements
}

func newRun(o Options) *run {
	var plain http.Protocols
	plain.SetHTTP1(true)
	return &run{o: o, client: &http.Client{
		Timeout:       o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			MaxIdleConnsPerHost: o.Clients, MaxConnsPerHost: o.Clients, IdleConnTimeout: o.Timeout,
			DisableCompression: true, TLSClientConfig: o.TLS, Protocols: &plain,
			ReadBufferSize: 32 << 10, // a burst of chunks must not wait for its reader
		},
	}}
}

// warmUp opens the connections and fills caches; what it measures is dropped. Its calls end before
// the measured part begins, so that no cost of theirs is counted.
func (r *run) warmUp(ctx context.Context) error {
	if r.o.Warmup == 0 {
		return nil
	}
	warm := *r
	warm.o.Requests = 0
	warm.measured = &measurements{}
	warm.drive(ctx, time.Now().Add(r.o.Warmup))
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("load on %s: %w", r.o.URL, err)
	}
	return nil
}

// drive runs the clients until the deadline or the wanted number of calls.
func (r *run) drive(ctx context.Context, deadline time.Time) {
	if r.o.Rate > 0 {
		r.pace(ctx, deadline)
		return
	}
	var clients sync.WaitGroup
	var begun atomic.Int64
	for i := range r.o.Clients {
		clients.Go(func() {
			select {
			case <-ctx.Done():
			case <-time.After(r.o.Ramp * time.Duration(i) / time.Duration(r.o.Clients)):
			}
			for ctx.Err() == nil && time.Now().Before(deadline) {
				n := begun.Add(1)
				if r.o.Requests > 0 && n > r.o.Requests {
					return
				}
				if !r.once(ctx, n, time.Now()) {
					return
				}
			}
		})
	}
	clients.Wait()
}

// once makes the n-th call, which was due at a time, and counts it unless ctx has ended.
func (r *run) once(ctx context.Context, n int64, due time.Time) bool {
	status, err := r.call(ctx, n, due)
	if ctx.Err() != nil {
		return false
	}
	r.measured.count(status, err)
	return true
}

// pace starts calls when they are due, until the deadline or the wanted number.
func (r *run) pace(ctx context.Context, deadline time.Time) {
	var clients sync.WaitGroup
	free := make(chan struct{}, r.o.Clients)
	start := time.Now()
	for n := int64(0); r.o.Requests == 0 || n < r.o.Requests; n++ {
		due := start.Add(time.Duration(float64(n) / r.o.Rate * float64(time.Second)))
		if due.After(deadline) {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(due)):
		}
		select {
		case <-ctx.Done():
		case free <- struct{}{}:
			clients.Go(func() {
				r.once(ctx, n+1, due)
				<-free
			})
		}
		if ctx.Err() != nil {
			break
		}
	}
	clients.Wait()
}
