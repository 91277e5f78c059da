package extproc_test

import (
	"strings"
	"testing"

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
