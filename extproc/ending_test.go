package extproc_test

import (
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// TestAnAnswerThatOutgrowsAHardBudgetsHoldIsEnded has a provider that goes on past the fifty tokens that it was asked for.
func TestAnAnswerThatOutgrowsAHardBudgetsHoldIsEnded(t *testing.T) {
	r := newRig(t)
	a := r.answer(streams, chatLine, [2]string{":status", "200"}, [2]string{"content-type", "text/event-stream"})
	piece := delta("The weather in Lima is mild, and the forecast says that it stays so. ")
	const most = 4 * 50 / 15 // pieces of fifteen tokens
	var last string
	for sent := 0; !strings.Contains(last, `"error"`); sent++ {
		if sent > most {
			t.Fatalf("after %d pieces the answer goes on", sent)
		}
		last = a.chunk(piece, false)
		if last != piece && !strings.Contains(last, `"error"`) {
			t.Fatalf("a piece became %q", last)
		}
	}
	if !strings.HasPrefix(last, "data: {") || !strings.HasSuffix(last, "}\n\n") || !strings.Contains(last, "insufficient_quota") || !strings.Contains(last, "hard budget") {
		t.Errorf("the last event is %q", last)
	}
	if got := a.chunk(piece, false) + a.chunk(usage, false) + a.chunk("data: [DONE]\n\n", true); got != "" {
		t.Errorf("behind the end %q passes", got)
	}
	if e := r.only(); e.Usage[sentinel.OutputTokens] == 0 || e.Source != sentinel.SourceMeter {
		t.Errorf("it is booked as %+v", e)
	}
}

// TestAProviderThatGoesOnBehindTheEndIsHungUpOn: a client has a second to hang up by itself, as SDKs do.
func TestAProviderThatGoesOnBehindTheEndIsHungUpOn(t *testing.T) {
	r := newRig(t)
	var passed atomic.Int64
	r.server.Governor.Now = func() time.Time { return time.Now().UTC().Add(time.Duration(passed.Load())) }
	a := r.answer(streams, chatLine, [2]string{":status", "200"}, [2]string{"content-type", "text/event-stream"})
	piece := delta("The weather in Lima is mild, and the forecast says that it stays so. ")
	for sent := 0; !strings.Contains(a.chunk(piece, false), `"error"`); sent++ {
		if sent > 20 {
			t.Fatal("the answer goes on")
		}
	}
	if got := a.chunk(piece, false); got != "" {
		t.Errorf("behind the end %q passes", got)
	}
	passed.Store(int64(time.Second))
	must(t, a.st.Send(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseBody{ResponseBody: &extprocv3.HttpBody{Body: []byte(piece)}}}))
	v, err := a.st.Recv()
	must(t, err)
	if v.GetImmediateResponse() == nil {
		t.Fatalf("a second later the chunk is answered %v", v)
	}
	if _, err := a.st.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the metering goes on: %v", err)
	}
	if e := r.only(); e.Usage[sentinel.OutputTokens] < 60 || e.Source != sentinel.SourcePartial {
		t.Errorf("it is booked as %+v", e)
	}
}

// TestAnAnswerWithinItsBoundIsNotEnded: neither a long one of few tokens, nor one that no hard budget holds.
func TestAnAnswerWithinItsBoundIsNotEnded(t *testing.T) {
	for name, tt := range map[string]struct {
		piece string
		hold  sentinel.Hold
	}{
		"few and long tokens": {delta(strings.Repeat(" ", 64)), "hold"},
		"nothing is held":     {delta("The weather in Lima is mild, and the forecast says that it stays so. "), ""},
	} {
		r := newRig(t)
		r.reserve = func(sentinel.Ask) (sentinel.Reservation, error) { return sentinel.Reservation{Hold: tt.hold}, nil }
		a := r.answer(streams, chatLine, [2]string{":status", "200"}, [2]string{"content-type", "text/event-stream"})
		for range 30 {
			if got := a.chunk(tt.piece, false); got != tt.piece {
				t.Fatalf("%s: a piece became %q", name, got)
			}
		}
		if got := a.chunk("data: [DONE]\n\n", true); got != "data: [DONE]\n\n" {
			t.Errorf("%s: the end became %q", name, got)
		}
		r.finish()
	}
}
