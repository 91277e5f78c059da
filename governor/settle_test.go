package governor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// answered is what a whole answer used.
var answered = provider.Metered{Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 10, sentinel.OutputTokens: 20}, Reported: true}

// ended gives a call that was admitted and answered, and forgets how it was admitted.
func (w *world) ended() governor.Outcome {
	w.Helper()
	a := w.admit(w.request("app", chat, large))
	w.effects.list = nil
	return governor.Outcome{Ticket: a.Ticket, Metered: answered, Status: 200, FirstByte: time.Second}
}

func TestSettlementBooksTheEntryAndEndsTheHold(t *testing.T) {
	w := newWorld(t, "")
	o := w.ended()
	got, err := w.Settle(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(w.effects.list) // the two wait side by side
	w.happened("entry", "settle")
	const cost = 10*1250 + 20*10_000 // at 1.25 and 10 dollars a million tokens
	in := w.journal.intents[0]
	want := sentinel.Entry{
		Call: o.Ticket.Call, Asked: "gpt-5", Status: 200, Usage: answered.Usage, Cost: cost, PriceVersion: in.PriceVersion,
		PolicyVersion: in.PolicyVersion, Source: sentinel.SourceMeter, Duration: 3 * time.Second, FirstByte: time.Second,
	}
	if d := cmp.Diff(want, w.journal.entries[0]); d != "" {
		t.Errorf("the entry differs (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Settle gives another entry (-want +got):\n%s", d)
	}
	end := sentinel.Settlement{Org: "acme", Call: o.Ticket.Call.ID, Hold: "hold", Actual: sentinel.AmountsOf(answered.Usage, cost)}
	if d := cmp.Diff(end, w.limiter.settled[0]); d != "" {
		t.Errorf("the settlement differs (-want +got):\n%s", d)
	}
}

// Each attempt is a row and a reservation of its own, whoever ends it.
func TestAnAttemptIsBookedAndSettledByItself(t *testing.T) {
	w := newWorld(t, "")
	o := w.ended()
	o.Ticket.Attempt = 1
	if _, err := w.Settle(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	in := w.journal.intents[0]
	in.Attempt = 2
	if err := w.Reconcile(t.Context(), []governor.Lost{{Intent: in}}); err != nil {
		t.Fatal(err)
	}
	seen := map[sentinel.CallID]bool{in.ID: true}
	for i, e := range w.journal.entries {
		if int(e.Attempt) != i+1 || e.ID != in.ID || seen[w.limiter.settled[i].Call] {
			t.Errorf("entry %d of attempt %d of %s; settled %s", i, e.Attempt, e.ID, w.limiter.settled[i].Call)
		}
		seen[w.limiter.settled[i].Call] = true
	}
	if len(seen) != 3 {
		t.Errorf("settled as %v", seen)
	}
}

// A call that began by a clock that was put back since has taken no time, rather than less than none.
func TestAClockThatIsPutBackMakesNoDurationNegative(t *testing.T) {
	w := newWorld(t, "")
	o := w.ended()
	in := w.journal.intents[0]
	o.Ticket.Call.At, in.At = now.Add(time.Hour), now.Add(time.Hour)
	if e, err := w.Settle(t.Context(), o); err != nil || e.Duration != 0 {
		t.Errorf("settled it took %s, %v", e.Duration, err)
	}
	if err := w.Refuse(t.Context(), o.Ticket, 429); err != nil {
		t.Fatal(err)
	}
	if err := w.Reconcile(t.Context(), []governor.Lost{{Intent: in}}); err != nil {
		t.Fatal(err)
	}
	for i, e := range w.journal.entries {
		if e.Duration != 0 {
			t.Errorf("entry %d took %s", i, e.Duration)
		}
	}
}

func TestAnEstimateIsMarkedAsOne(t *testing.T) {
	w := newWorld(t, "")
	o := w.ended()
	o.Metered = provider.Metered{Usage: answered.Usage, Method: "o200k_base"}
	e, err := w.Settle(t.Context(), o)
	if err != nil || e.Source != sentinel.SourcePartial || !e.Estimated() {
		t.Errorf("a cut answer is booked as %s by %q, %v", e.Source, e.Method, err)
	}
}

func TestSettlingTwiceBooksTheSameEntry(t *testing.T) {
	w := newWorld(t, "")
	o := w.ended()
	for range 2 {
		if _, err := w.Settle(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(w.journal.entries[0], w.journal.entries[1]); d != "" {
		t.Errorf("the ledger cannot see that it is the same call:\n%s", d)
	}
	if d := cmp.Diff(w.limiter.settled[0], w.limiter.settled[1]); d != "" {
		t.Errorf("the limiter cannot see that it is the same call:\n%s", d)
	}
}

func TestAFaultOfOneSideDoesNotStopTheOther(t *testing.T) {
	disk, redis := errors.New("disk full"), errors.New("connection refused")
	for name, tt := range map[string]struct{ disk, redis error }{
		"no journal": {disk, nil}, "no limiter": {nil, redis}, "neither": {disk, redis},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			o := w.ended()
			w.journal.fault, w.limiter.settleFault = tt.disk, tt.redis
			_, err := w.Settle(t.Context(), o)
			if err == nil || tt.disk != nil && !errors.Is(err, tt.disk) || tt.redis != nil && !errors.Is(err, tt.redis) {
				t.Errorf("Settle = %v, want all of %v, %v", err, tt.disk, tt.redis)
			}
			if len(w.effects.list) != 2 {
				t.Errorf("it did %q, want both", w.effects.list)
			}
		})
	}
}

func TestCallWithoutAHoldAsksNoLimiter(t *testing.T) {
	w := newWorld(t, "")
	a := w.admit(w.request("loose", "weather/forecast", ""))
	w.effects.list = nil
	e, err := w.Settle(t.Context(), governor.Outcome{Ticket: a.Ticket, Metered: provider.Metered{Usage: sentinel.Usage{sentinel.Requests: 1}, Reported: true}})
	if err != nil || e.Cost != sentinel.USD/10 {
		t.Errorf("it cost %s, %v; want $0.10", e.Cost, err)
	}
	w.happened("entry")
}

func TestWhatCannotBePricedIsAnErrorAndNotFree(t *testing.T) {
	for name, change := range map[string]func(o *governor.Outcome){
		"a route that is gone": func(o *governor.Outcome) { o.Ticket.Call.Endpoint = "gone" },
		"a model without price": func(o *governor.Outcome) {
			o.Ticket.Call.Model = "gpt-99"
		},
		"a negative usage": func(o *governor.Outcome) { o.Metered.Usage[sentinel.InputTokens] = -1 },
		"a usage past all money": func(o *governor.Outcome) {
			o.Metered.Usage[sentinel.InputTokens] = 1 << 62
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			o := w.ended()
			change(&o)
			if e, err := w.Settle(t.Context(), o); err == nil {
				t.Errorf("it was booked at %s", e.Cost)
			}
			w.happened() // the intent stays for the reconciler, and the hold is charged until then
		})
	}
}

func TestReconciledCallsAreBookedAtTheirBound(t *testing.T) {
	w := newWorld(t, "")
	w.ended()
	in := w.journal.intents[0]
	if err := w.Reconcile(context.WithoutCancel(t.Context()), []governor.Lost{{Intent: in}}); err != nil {
		t.Fatal(err)
	}
	w.happened("entry", "settle")
	e := w.journal.entries[0]
	if e.Call != in.Call || e.Usage != in.Bound || e.Cost != in.BoundCost || e.Source != sentinel.SourceReconciler || !e.Estimated() || e.Status != 0 || e.PriceVersion != in.PriceVersion {
		t.Errorf("the lost call %+v is booked as %+v", in, e)
	}
	if s := w.limiter.settled[0]; s.Hold != in.Hold || s.Actual[sentinel.MeasureCost] != int64(in.BoundCost) {
		t.Errorf("its hold ends with %+v", s)
	}
}

func TestTheWitnessTellsWhatALostCallWas(t *testing.T) {
	for name, tt := range map[string]struct {
		evidence governor.Evidence
		cost     sentinel.NanoUSD
		refused  bool
		method   string
	}{
		"nobody saw it":      {governor.Evidence{}, sentinel.USD / 10, false, "bound"},
		"it was answered":    {governor.Evidence{Seen: true, Delivered: true, Status: 200, Duration: time.Second}, sentinel.USD / 10, false, "witness"},
		"it never went out":  {governor.Evidence{Seen: true, Status: 503, Duration: time.Second}, 0, true, ""},
		"it went out, reset": {governor.Evidence{Seen: true, Delivered: true}, sentinel.USD / 10, false, "witness"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			w.admit(w.request("app", "weather/forecast", ""))
			if err := w.Reconcile(t.Context(), []governor.Lost{{Intent: w.journal.intents[0], Evidence: tt.evidence}}); err != nil {
				t.Fatal(err)
			}
			e := w.journal.entries[0]
			if e.Cost != tt.cost || e.Action.Refused() != tt.refused || e.Method != tt.method || e.Status != tt.evidence.Status || e.Source != sentinel.SourceReconciler {
				t.Errorf("booked as %+v", e)
			}
			if tt.evidence.Seen && e.Duration != tt.evidence.Duration {
				t.Errorf("it took %s, the witness says %s", e.Duration, tt.evidence.Duration)
			}
			if s := w.limiter.settled[0]; s.Actual[sentinel.MeasureCost] != int64(tt.cost) {
				t.Errorf("its hold ends with %+v", s)
			}
		})
	}
}

func TestReconcileStopsWhereItCannotBook(t *testing.T) {
	w := newWorld(t, "")
	w.ended()
	w.journal.fault = errors.New("disk full")
	if err := w.Reconcile(t.Context(), []governor.Lost{{Intent: w.journal.intents[0]}, {Intent: w.journal.intents[0]}}); !errors.Is(err, w.journal.fault) {
		t.Errorf("Reconcile = %v", err)
	}
	w.happened("no journal") // a hold is not released for a call that is on no ledger
}

// dearer is the same house in which a forecast costs more.
func dearer(usd string) string {
	return strings.Replace(house, "per_request_usd: 0.10", "per_request_usd: "+usd, 1)
}

func TestCallsInFlightKeepTheirPriceThroughASwap(t *testing.T) {
	w := newWorld(t, "")
	a := w.admit(w.request("app", "weather/forecast", ""))
	o := governor.Outcome{Ticket: a.Ticket, Metered: provider.Metered{Usage: sentinel.Usage{sentinel.Requests: 1}, Reported: true}}
	for i := range 7 { // eight states are kept
		w.Swap(compile(t, dearer(fmt.Sprintf("0.2%d", i))))
		e, err := w.Settle(t.Context(), o)
		if err != nil || e.Cost != sentinel.USD/10 || e.PolicyVersion != a.Ticket.PolicyVersion || e.PriceVersion != a.Ticket.PriceVersion {
			t.Errorf("after %d swaps it cost %s by %s, %v; want $0.10 by %s", i+1, e.Cost, e.PriceVersion, err, a.Ticket.PriceVersion)
		}
	}
	b := w.admit(w.request("app", "weather/forecast", ""))
	if b.Ticket.PriceVersion == a.Ticket.PriceVersion || w.journal.intents[1].BoundCost != 260_000_000 {
		t.Errorf("a new call has the bound %s by %s", w.journal.intents[1].BoundCost, b.Ticket.PriceVersion)
	}
	if w.Route(&a.Ticket).Name != "weather/forecast" {
		t.Error("the old call's route is gone")
	}
}

// An entry's cost and its price version must belong together, whatever has been forgotten meanwhile.
func TestForgottenStateIsNotTakenForTheOldPrice(t *testing.T) {
	w := newWorld(t, "")
	a := w.admit(w.request("app", "weather/forecast", ""))
	for range 8 {
		w.Swap(compile(t, dearer("0.25")))
	}
	o := governor.Outcome{Ticket: a.Ticket, Metered: provider.Metered{Usage: sentinel.Usage{sentinel.Requests: 1}, Reported: true}}
	e, err := w.Settle(t.Context(), o)
	if err == nil && e.Cost != sentinel.USD/10 && e.PriceVersion == a.Ticket.PriceVersion {
		t.Errorf("it cost %s by the price %s, which is another one's", e.Cost, e.PriceVersion)
	}
}
