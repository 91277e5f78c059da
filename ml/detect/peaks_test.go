package detect

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestPeaksLimit holds the limit to what chance exceeds: the quantile of exponential block maxima.
func TestPeaksLimit(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var p peaks
	for block := range int64(400) {
		p.add(block, r.ExpFloat64(), 0.001)
	}
	if p.limit < 5 || p.limit > 13 {
		t.Errorf("limit %.2f for a risk of 0.001 of exponential blocks, want about 6.9 and a little for the heavier prior", p.limit)
	}
	before := p.limit
	for block := int64(400); block < 800; block++ {
		p.add(block, 10*r.ExpFloat64(), 0.001)
	}
	if p.limit < 3*before {
		t.Errorf("limit %.2f after blocks ten times as large, %.2f before", p.limit, before)
	}
}

// TestBaselineShrinks: an hour of the week that was never seen is like its hour of the day, and that like the level.
func TestBaselineShrinks(t *testing.T) {
	var b baseline
	for h := range 3 * 24 {
		rate := 10.0
		if h%24 == 9 {
			rate = 100
		}
		b.take(start.Add(time.Duration(h)*time.Hour), rate)
	}
	hour := start.Unix()/3600 + 3*24
	nine, eight := b.expected(hour+9), b.expected(hour+8)
	if nine < 70 || nine > 100 || eight < 8 || eight > 16 {
		t.Errorf("Thursday after three days: %.1f at nine, %.1f at eight; want nearly 100 and 10", nine, eight)
	}
	if seen := b.expected(hour + 9 - 72 + 168); seen <= nine {
		t.Errorf("Monday's nine o'clock was seen and expects %.1f, Thursday's %.1f", seen, nine)
	}
}

// TestMonthEndIsGranted: the last days and the first of a month may have twice the calls.
func TestMonthEndIsGranted(t *testing.T) {
	for date, want := range map[string]float64{"2026-03-29": 1, "2026-03-30": 2, "2026-03-31": 2, "2026-04-01": 2, "2026-04-02": 1, "2024-02-27": 1, "2024-02-28": 2} {
		at, err := time.Parse(time.DateOnly, date)
		if err != nil {
			t.Fatal(err)
		}
		if got := allowance(at); got != want {
			t.Errorf("%s: %v, want %v", date, got, want)
		}
	}
}
