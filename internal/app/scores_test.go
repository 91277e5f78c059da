package app

import (
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

func TestFeedbackChangesTheCalibration(t *testing.T) {
	now := time.Date(2026, 3, 2, 10, 0, 30, 0, time.UTC)
	list := []sentinel.Score{
		{At: now.Truncate(time.Minute).Add(-time.Minute), Service: "s", Score: 0.9995},
		{At: now.Truncate(time.Minute).Add(-2 * time.Minute), Service: "s", Score: 0.9999},
	}
	said := func(verdicts ...string) *board {
		l := lenience{}
		for _, v := range verdicts {
			l = l.take(sentinel.Feedback{At: now, Service: "s", Verdict: v})
		}
		return &board{said: map[string]lenience{"s": l}}
	}
	plain := said().judge(list, now)
	if got := []float64{plain.Lasted("s", 1), plain.Lasted("s", 2), plain.Lasted("s", 3)}; got[0] != 0.9999 || got[1] != 0.9995 || got[2] != 0 {
		t.Errorf("without feedback: %v, want 0.9999, 0.9995, 0", got)
	}
	if got := said(sentinel.FeedbackFalse).judge(list, now).Lasted("s", 2); got >= 0.999 {
		t.Errorf("after a false alarm %v is left of 0.9995", got)
	}
	if got := said(sentinel.FeedbackTrue).judge(list, now).Lasted("s", 2); got <= 0.9995 {
		t.Errorf("after a confirmed one 0.9995 counts as %v", got)
	}
	if got := said(sentinel.FeedbackPlanned).judge(list, now).Lasted("s", 1); got != 0 {
		t.Errorf("of what is planned %v is left", got)
	}
	if got := said().judge(list, now.Add(staysOpen+5*time.Minute)).Lasted("s", 1); got != 0 {
		t.Errorf("%v is left after %s", got, staysOpen)
	}
}

// A second planned event takes nothing from the first: what is judged again of the past was planned then.
func TestEveryPlannedEventCounts(t *testing.T) {
	first := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	l := lenience{}
	for _, at := range []time.Time{first, first.AddDate(0, 0, 10)} {
		l = l.take(sentinel.Feedback{At: at, Service: "s", Verdict: sentinel.FeedbackPlanned})
	}
	for hours, want := range map[int]float64{-25: 0.9995, -23: 0, 0: 0, 23: 0, 25: 0.9995, 120: 0.9995, 239: 0, 263: 0, 265: 0.9995} {
		if got := l.temper(0.9995, first.Add(time.Duration(hours)*time.Hour)); got != want {
			t.Errorf("%d hours after the first %v is left, want %v", hours, got, want)
		}
	}
}

// A minute's own score is known when it is over, so admission did not have it then.
func TestThePastKnowsWhatAdmissionKnew(t *testing.T) {
	minute := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	var list []sentinel.Score
	for i := range 3 {
		list = append(list, sentinel.Score{At: minute.Add(time.Duration(i) * time.Minute), Service: "s", Score: 0.9995})
	}
	past := (&board{}).past(list)
	for after, want := range map[int][]float64{0: {0, 0}, 1: {0.9995, 0}, 2: {0.9995, 0.9995}, 5: {0.9995, 0.9995}, 3 + int((staysOpen+policy.MostMinutes*time.Minute)/time.Minute): {0, 0}} {
		scores := past(minute.Add(time.Duration(after) * time.Minute))
		if got := []float64{scores.Lasted("s", 1), scores.Lasted("s", 2)}; got[0] != want[0] || got[1] != want[1] {
			t.Errorf("after %d minutes %v, want %v", after, got, want)
		}
	}
}
