package detect

import (
	"math"
	"math/rand/v2"
	"testing"
)

// alarms gives the days on which hours of calls alarm; factor is that of an hour.
func alarms(seed uint64, days int, factor func(hour int, r *rand.Rand) float64, granted func(hour int) float64) (on []float64) {
	const first = 490_000 // hours since 1970
	r := rand.New(rand.NewPCG(seed, 4))
	var d drip
	ofDay := 1.0
	for h := range days * 24 {
		if h%24 == 0 {
			ofDay = math.Exp(0.08 * r.NormFloat64())
		}
		calls := 100 * (1 + 0.8*math.Sin(2*math.Pi*float64(h)/24)) * ofDay * math.Exp(0.15*r.NormFloat64()) * factor(h, r)
		allowed := 1.0
		if granted != nil {
			allowed = granted(h)
		}
		if calls >= 0 {
			d.step(first+int64(h), calls, allowed)
		}
		if d.now.size >= 1 {
			on = append(on, float64(h)/24)
		}
	}
	return on
}

// TestDripsOfRegularServicesAreFound: services whose days differ by 8 % and hours by 15 %, with a quarter more from the tenth day
// on. Most alarm within five days, once, and hardly any without a drip.
func TestDripsOfRegularServicesAreFound(t *testing.T) {
	const services, days, from = 100, 18, 10
	found, early, again, quiet := 0, 0, 0, 0
	var after []float64
	for seed := range uint64(services) {
		on := alarms(seed, days, func(hour int, _ *rand.Rand) float64 { return 1 + 0.25*float64(min(1, hour/24/from)) }, nil)
		switch {
		case len(on) > 0 && on[0] < from:
			early++
		case len(on) > 0 && on[0] < from+5:
			found++
			after = append(after, on[0]-from)
			if len(on) > 1 {
				again++
			}
		}
		quiet += len(alarms(seed, days, func(int, *rand.Rand) float64 { return 1 }, nil))
	}
	mean := 0.0
	for _, v := range after {
		mean += v / float64(len(after))
	}
	t.Logf("of %d services %d alarm, after %.1f days on the mean, %d again and %d before the drip; %d alarms without one", services, found, mean, again, early, quiet)
	if found < 80 || mean > 3 || again > 10 || quiet > 20 {
		t.Errorf("of %d services %d alarm, after %.1f days on the mean, %d again; %d alarms without a drip", services, found, mean, again, quiet)
	}
}

func TestWhatIsNoDrip(t *testing.T) {
	for name, c := range map[string]struct {
		factor  func(hour int, r *rand.Rand) float64
		granted func(hour int) float64
	}{
		"twenty times as much for an hour": {func(hour int, _ *rand.Rand) float64 {
			if hour == 24*14+3 {
				return 500
			}
			return 1
		}, nil},
		"weekends at a third": {weekend, nil},
		"a month's end": {
			func(hour int, _ *rand.Rand) float64 { return 1 + float64(min(1, hour/24/20)) },
			func(hour int) float64 { return 1 + float64(min(1, hour/24/20)) },
		},
		"a day without a row": {func(hour int, _ *rand.Rand) float64 {
			if hour/24 == 9 {
				return -1
			}
			return 1
		}, nil},
		"a few calls more": {func(hour int, _ *rand.Rand) float64 { return 0.003 * (1 + float64(hour/24/14)) }, nil},
	} {
		if on := alarms(1, 22, c.factor, c.granted); len(on) > 0 {
			t.Errorf("%s alarms on days %v", name, on)
		}
	}
}

func weekend(hour int, _ *rand.Rand) float64 {
	if hour/24%7 >= 5 {
		return 0.3
	}
	return 1
}

// TestWeeksAreComparedWithWeeks: a service that rests at weekends has days that differ much, and weeks that do not.
func TestWeeksAreComparedWithWeeks(t *testing.T) {
	on := alarms(2, 35, func(hour int, r *rand.Rand) float64 { return weekend(hour, r) * (1 + 0.25*float64(min(1, hour/24/28))) }, nil)
	if len(on) != 1 || on[0] < 28 || on[0] > 34 {
		t.Errorf("alarms on days %v, want one in the week from the 28th on", on)
	}
}

// TestALongSilenceBeginsAnew: a service that comes back after more than what is looked back on is as good as new.
func TestALongSilenceBeginsAnew(t *testing.T) {
	var d drip
	for h := range int64(24 * 14) {
		d.step(h, 100, 1)
	}
	d.step(24*60, 500, 1)
	if d.now.size != 0 || d.from != 24*60+23 {
		t.Errorf("size %v, usual days from hour %d; want 0, and hour %d", d.now.size, d.from, 24*60+23)
	}
}
