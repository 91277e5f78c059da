package train

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// steady has days with a busy noon, about twelve calls a minute.
func steady(days int) History {
	h := History{Start: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range days * day {
		mean := 12 + 6*math.Sin(2*math.Pi*float64(i)/day)
		calls := max(0, math.Round(mean+math.Sqrt(mean)*r.NormFloat64()))
		h.Rows = append(h.Rows, []float64{calls, 500 * calls, 100 * calls, 0.001 * calls, 800, 0})
	}
	return h
}

func TestSteadyServicesLearnFromAllOfTheirPast(t *testing.T) {
	h := steady(15)
	got, err := Choose(h, -1)
	if err != nil {
		t.Fatal(err)
	}
	if got.From != 0 || got.Bursts < 4 || got.Found < got.Bursts || got.FalseAlerts > 1 {
		t.Errorf("%+v, want every burst found, each as if it were the first, from all of the past", got)
	}
}

// turned is a service of 24 days that was of another kind until a row: an hour's effects were often large.
func turned(turn int) History {
	h := steady(24)
	r := rand.New(rand.NewPCG(3, 4))
	for i := 0; i < turn; i++ {
		if r.Float64() < 0.02 {
			for j := i; j < min(i+6, turn); j++ {
				h.Rows[j] = []float64{900, 450000, 90000, 0.9, 800, 0}
			}
		}
	}
	return h
}

// A past in which the service was of another kind teaches large effects: then what came after it is the better teacher.
func TestAWorseModelDoesNotReplaceABetterOne(t *testing.T) {
	turn := 13 * day
	h := turned(turn)
	better := turn + 1
	held := h.held(-1)
	whole, since := Backtest(h, 0, held), Backtest(h, better, held)
	if since.Mistakes() >= whole.Mistakes() {
		t.Fatalf("learning from all makes %d mistakes, since the turn %d: the case is not one", whole.Mistakes(), since.Mistakes())
	}
	kept, err := Choose(h, better)
	if err != nil || kept.Mistakes() > since.Mistakes() {
		t.Errorf("%+v, %v in place of %+v", kept, err, since)
	}
	replaced, err := Choose(h, 0)
	if err != nil || replaced.From == 0 || replaced.Mistakes() >= whole.Mistakes() {
		t.Errorf("%+v, %v: a better model did not replace the one that learns from all", replaced, err)
	}
}

// A model of the last days (of a training with few days) is judged by the days after those that it needs, and not dropped unjudged.
func TestAModelOfTheLastDaysIsNotReplacedUnjudged(t *testing.T) {
	turn := 20 * day
	h := turned(turn)
	if turn < h.held(-1) {
		t.Fatal("the model learns from none of the days held back: the case is not one")
	}
	got, err := Choose(h, turn)
	if err != nil || got.From != turn || got.Bursts == 0 {
		t.Errorf("%+v, %v, want the model that learns from row %d, judged by later days", got, err, turn)
	}
	if got.Held < turn+day || len(h.Rows)-got.Held < day {
		t.Errorf("judged from row %d: want a day to learn from after %d, and a day to judge by before %d", got.Held, turn, len(h.Rows))
	}
}

// A tie leaves everything as it is: eight days of a steady service teach as much as ten.
func TestAnEqualModelDoesNotReplace(t *testing.T) {
	h := steady(15)
	held := h.held(-1)
	incumbent := held - 8*day
	all, mine := Backtest(h, 0, held), Backtest(h, incumbent, held)
	if mine.Mistakes() != all.Mistakes() {
		t.Fatalf("the incumbent's %+v, all: %+v: the case is not one", mine, all)
	}
	if got, err := Choose(h, incumbent); err != nil || got.From != incumbent {
		t.Errorf("%+v, %v, want the incumbent's %+v", got, err, mine)
	}
}

func TestExcusedAlertsAreNotFalse(t *testing.T) {
	h := steady(9)
	held := h.held(-1)
	at := held + day/2
	for i := at; i < at+10; i++ {
		h.Rows[i] = []float64{300, 150000, 30000, 0.3, 800, 0}
	}
	before := Backtest(h, 0, held).FalseAlerts
	h.Excused = func(when time.Time) bool { return when.Sub(h.Start) < time.Duration(at+day)*time.Minute }
	if after := Backtest(h, 0, held).FalseAlerts; after != before-1 {
		t.Errorf("%d false alerts, %d once one is confirmed", before, after)
	}
}

func TestTwoDaysAreTooShort(t *testing.T) {
	if _, err := Choose(steady(2), -1); !errors.Is(err, ErrShort) {
		t.Errorf("%v, want ErrShort", err)
	}
}
