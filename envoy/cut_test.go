package envoy

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
)

// TestAMeterIsHandedWhatArrivedBeforeAnAnswerWasCut has clients hang up while the meter has read none of the chunks that Envoy has sent it.
func TestAMeterIsHandedWhatArrivedBeforeAnAnswerWasCut(t *testing.T) {
	g := startGateway(t, nil)
	g.processor.slow = make(chan struct{})
	t.Cleanup(func() { close(g.processor.slow); close(g.upstream.next) })
	const cuts, chunks = 10, 4
	for i := range cuts {
		sent := i * (1 + chunks)
		ctx, hangUp := context.WithCancel(t.Context())
		defer hangUp()
		r, err := g.request(ctx, "GET", "/api/stream", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		for chunk := range chunks {
			if chunk > 0 {
				g.upstream.next <- struct{}{}
			}
			eventually(t, "the meter is sent a chunk", func() bool { return g.count(t, "stream_msgs_sent") >= sent+2+chunk })
		}
		hangUp()
		eventually(t, "Envoy hears of it", func() bool { return g.count(t, "streams_closed") > i })
		g.processor.slow <- struct{}{}
		for range streamEvents - (chunks - 1) { // the provider has more, and nobody to send it to
			g.upstream.next <- struct{}{}
		}
	}
	eventually(t, "the meters end", func() bool {
		g.processor.mu.Lock()
		defer g.processor.mu.Unlock()
		return len(g.processor.ends) == cuts
	})
	if g.processor.chunks != cuts*chunks {
		t.Errorf("the meters were handed %d chunks of %d", g.processor.chunks, cuts*chunks)
	}
	for _, err := range g.processor.ends {
		if !errors.Is(err, io.EOF) {
			t.Errorf("a meter's stream ends with %v", err)
		}
	}
}

// count reads a counter of the meter's filter.
func (g *gateway) count(t *testing.T, name string) int {
	t.Helper()
	_, n, _ := strings.Cut(g.stat(t, "http.egress.ext_proc.meter."+name), ": ")
	v, err := strconv.Atoi(strings.TrimSpace(n))
	if err != nil {
		t.Fatalf("the counter %s: %v", name, err)
	}
	return v
}
