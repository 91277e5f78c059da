package envoy

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
)

// eventually polls, because Envoy takes its configuration and writes its log in its own time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.After(10*time.Second), time.NewTicker(25*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s did not come within 10 s", what)
		}
	}
}

// removeFilter takes an HTTP filter out of a snapshot's listener.
func removeFilter(t *testing.T, s *cache.Snapshot, name string) {
	t.Helper()
	l := s.GetResources(resource.ListenerType)[listenerName].(*listenerv3.Listener)
	f := l.FilterChains[0].Filters[0]
	m := &hcmv3.HttpConnectionManager{}
	if err := f.GetTypedConfig().UnmarshalTo(m); err != nil {
		t.Fatal(err)
	}
	m.HttpFilters = slices.DeleteFunc(m.HttpFilters, func(f *hcmv3.HttpFilter) bool { return f.Name == name })
	f.ConfigType = &listenerv3.Filter_TypedConfig{TypedConfig: packed(m)}
}

// TestChangesLoseNoRequest changes routes, clusters and the listener, thirty times, under load and
// under a stream that began before the first change.
func TestChangesLoseNoRequest(t *testing.T) {
	g := startGateway(t, nil)
	streamed := make(chan error, 1)
	began := make(chan struct{})
	go func() { streamed <- g.readStream(t, func(event string) { closeOn(began, event == "0") }) }()
	<-began

	var sent atomic.Int64
	var load sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		load.Go(func() {
			keepAlive := &http.Client{Transport: &http.Transport{}}
			defer keepAlive.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := g.once(t, keepAlive); err != nil {
					t.Error(err)
					return
				}
				sent.Add(1)
			}
		})
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := range 30 {
		c := g.config
		c.StreamIdle += time.Duration(i) * time.Second // the listener
		c.MaxBodyBytes += uint32(i)                    // the routes
		c.Providers = slices.Concat(c.Providers[:1:1], []Provider{{
			Name: fmt.Sprintf("extra%d", i), Host: fmt.Sprintf("extra%d.test", i), Address: g.upstream.address(), Plaintext: true,
			Routes: []Route{{Name: fmt.Sprintf("extra%d/get", i), Method: "GET", Path: "/v1/get"}},
		}})
		if err := g.control.Set(c); err != nil {
			t.Fatal(err)
		}
		<-tick.C
	}
	eventually(t, "the last change", func() bool {
		r, _ := g.do(t, "GET", "/extra29/v1/get", nil, nil)
		return r.StatusCode == http.StatusOK
	})
	close(stop)
	load.Wait()
	close(g.upstream.next)
	if err := <-streamed; err != nil {
		t.Error(err)
	}
	if sent.Load() < 100 {
		t.Errorf("only %d requests ran meanwhile", sent.Load())
	}
	t.Logf("%d requests, none lost", sent.Load())
}

// TestBrokenConfigKeepsTheOldOne: an error, and traffic as before.
func TestBrokenConfigKeepsTheOldOne(t *testing.T) {
	g := startGateway(t, nil)
	bad := g.config
	bad.Providers = slices.Clone(bad.Providers)
	bad.Providers[0].Routes = []Route{{Name: "api/chat", Method: "POST", Path: "v1/{x"}}
	if err := g.control.Set(bad); err == nil || !strings.Contains(err.Error(), `provider "api": route "api/chat": path "v1/{x"`) {
		t.Fatalf("Set of a broken configuration: %v", err)
	}
	if err := g.once(t, client); err != nil {
		t.Error(err)
	}
}

// TestAnswerOutlivesTheProcessor: sentinel dies in the middle of a stream, and its client gets it whole.
func TestAnswerOutlivesTheProcessor(t *testing.T) {
	g := startGateway(t, nil)
	began, streamed := make(chan struct{}), make(chan error, 1)
	go func() { streamed <- g.readStream(t, func(event string) { closeOn(began, event == "1") }) }()
	g.upstream.next <- struct{}{}
	<-began
	g.grpc.Stop()
	close(g.upstream.next)
	if err := <-streamed; err != nil {
		t.Error(err)
	}
	r, _ := g.do(t, "GET", "/api/v1/items/1", nil, nil)
	if hits := len(g.upstream.take()); r.StatusCode != http.StatusServiceUnavailable || hits != 1 {
		t.Errorf("without sentinel: status %d and %d requests upstream, want 503 and only the stream", r.StatusCode, hits)
	}
}

func closeOn(c chan struct{}, now bool) {
	if now {
		close(c)
	}
}

// once sends one call and wants its answer.
func (g *gateway) once(t *testing.T, c *http.Client) error {
	r, err := g.request(t.Context(), "POST", "/api/v1/chat", map[string]string{"behave": "body"}, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	response, err := c.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if b, err := io.ReadAll(response.Body); err != nil || string(b) != `{"bytes":2}` {
		return fmt.Errorf("status %d, body %s, error %w", response.StatusCode, b, err)
	}
	return nil
}

// readStream reads the upstream's event stream and wants every event.
func (g *gateway) readStream(t *testing.T, each func(string)) error {
	r, err := g.request(t.Context(), "GET", "/api/stream", nil, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if n, err := events(response.Body, each); err != nil || n != streamEvents {
		return fmt.Errorf("%d of %d events, error %w", n, streamEvents, err)
	}
	return nil
}
