package forecast

import "testing"

// The date at which an amount is used up lies within what the intervals say about as often as they say.
func TestDatesOfBudgetsHold(t *testing.T) {
	y := days(60, 25)
	const history, h = 12 * 24, 96
	var in80, in95, n float64
	for cut := history; cut+h <= len(y); cut += 24 {
		f := run(t, y[cut-history:cut], Options{H: h, Season: 24})
		for _, day := range []float64{1, 2, 3} {
			amount := 2400*day + 300
			total, when := 0.0, Never
			for i, v := range y[cut : cut+h] {
				if total += v; total >= amount {
					when = i
					break
				}
			}
			if when == Never {
				continue
			}
			n++
			u := f.UsedUp(amount)
			within := func(first, last int) bool { return first != Never && when >= first && (last == Never || when <= last) }
			if within(u.First80, u.Last80) {
				in80++
			}
			if within(u.First95, u.Last95) {
				in95++
			}
			if u.First95 > u.First80 || u.First80 > u.Middle || u.Middle == Never {
				t.Fatalf("out of order: %+v", u)
			}
		}
	}
	t.Logf("%v dates: 80 %% hold %.2f, 95 %% %.2f", n, in80/n, in95/n)
	if in80/n < 0.7 || in95/n < 0.88 { // a step is coarse, so that they hold more than they say
		t.Errorf("of %v dates the 80 %% intervals hold %.2f, the 95 %% ones %.2f", n, in80/n, in95/n)
	}
}

func TestWhatLastsIsNeverUsedUp(t *testing.T) {
	f := run(t, days(12, 5), Options{H: 48, Season: 24})
	if u := f.UsedUp(1e9); u != (UsedUp{Never, Never, Never, Never, Never}) {
		t.Errorf("%+v", u)
	}
	if u := f.UsedUp(0); u != (UsedUp{}) {
		t.Errorf("nothing left: %+v, want the first step", u)
	}
}
