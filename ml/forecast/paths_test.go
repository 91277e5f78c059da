package forecast

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The same series has the same totals, to the bit: what the dashboard shows does not flicker.
func TestTotalsAreTheSameEachTime(t *testing.T) {
	y := days(12, 20)
	a, b := run(t, y, Options{H: 96, Season: 24}), run(t, y, Options{H: 96, Season: 24})
	if !slices.Equal(a.TotalHi95, b.TotalHi95) || !slices.Equal(a.TotalLo80, b.TotalLo80) {
		t.Error("two forecasts of one series have different totals")
	}
}

// A total of what is never below 0 never falls, nor does a bound of it; and each future is above its bound as often as it says, so that a budget's date
// moves on with the amount.
func TestTotalsOfSpendNeverFall(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	y := make([]float64, 240)
	for i := range y {
		if random.Float64() < 0.2 {
			y[i] = 100 * random.ExpFloat64()
		}
	}
	f := run(t, y, Options{H: 72, Season: 24})
	for name, bound := range map[string][]float64{"total": f.Total, "lo80": f.TotalLo80, "hi80": f.TotalHi80, "lo95": f.TotalLo95, "hi95": f.TotalHi95} {
		if !slices.IsSorted(bound) || bound[0] < 0 {
			t.Errorf("%s falls: %v", name, bound)
		}
	}
	previous := UsedUp{}
	for amount := 10.0; amount < 3000; amount += 50 {
		u := f.UsedUp(amount)
		for _, step := range [][2]int{{previous.Middle, u.Middle}, {previous.First80, u.First80}, {previous.Last95, u.Last95}} {
			if step[1] != Never && (step[0] == Never || step[0] > step[1]) {
				t.Fatalf("%v is used up before less is: %+v, then %+v", amount, previous, u)
			}
		}
		previous = u
	}
}

// Errors that hang together add up, and those that take turns cancel out: bounds of the totals of a walk grow as its sum does, those of white noise by the root.
func TestTotalsKnowHowErrorsHangTogether(t *testing.T) {
	width := func(step func(last, z float64) float64) float64 {
		random := rand.New(rand.NewPCG(5, 6))
		sum := 0.0
		const series, h = 20, 24
		for range series {
			y, last := make([]float64, 200), 0.0
			for i := range y {
				last = step(last, random.NormFloat64())
				y[i] = 1000 + last
			}
			f := run(t, y, Options{H: h, Season: 1})
			sum += (f.TotalHi80[h-1] - f.TotalLo80[h-1]) / (f.Hi80[h-1] - f.Lo80[h-1]) / series
		}
		return sum
	}
	walk, noise := width(func(last, z float64) float64 { return last + z }), width(func(_, z float64) float64 { return z })
	// Of 24 independent steps the total is √24 = 4.9 times as wide as one, of a walk Σk²'s root over √24, 14.
	t.Logf("widths of totals over those of a step: %.1f of a walk, %.1f of noise", walk, noise)
	if math.Abs(noise-4.9) > 2 || math.Abs(walk-14.3) > 4 {
		t.Errorf("totals are %.1f times as wide as a step of a walk, and %.1f of noise; want about 14 and 5", walk, noise)
	}
}
