package main

import (
	"math"
	"os"
	"strings"
	"testing"
)

// TestSlotIsRedisOwn has the check value of CRC16/XMODEM and slots that CLUSTER KEYSLOT of Redis 7.0 gave.
func TestSlotIsRedisOwn(t *testing.T) {
	for tag, want := range map[string]int{"123456789": 0x31c3, "o:acme": 15475, "": 0} {
		if got := slot(tag); got != want {
			t.Errorf("slot(%q) = %d, want %d", tag, got, want)
		}
	}
}

// TestQueueIsTheKnownOne compares with the mean of M/D/1, and its ends.
func TestQueueIsTheKnownOne(t *testing.T) {
	const service = 150e-6
	for _, busy := range []float64{0.3, 0.6, 0.9} {
		p50, p99 := queue(busy/service, service, 1)
		mean := busy / (2 * (1 - busy)) * service * 1e3
		if p50 > mean || p99 < 2*mean || p99 > 12*mean {
			t.Errorf("at %.0f %%: median %.3f ms, p99 %.3f ms; the mean is %.3f ms", 100*busy, p50, p99, mean)
		}
	}
	if p50, _ := queue(1/service, service, 1); !math.IsInf(p50, 1) {
		t.Errorf("a queue that is never served waits %.3f ms", p50)
	}
}

func TestSharesAreAllCallsAndMastersDivideThem(t *testing.T) {
	s := DefaultSite()
	sum := 0.0
	for _, v := range s.shares() {
		sum += v
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("the shares are %v together", sum)
	}
	m := Measured{RedisMicros: 150}
	last := math.Inf(1)
	for _, n := range sizes {
		k := s.busiest(m, n)
		if k.Rate > last || k.Rate < s.shares()[0]*s.peakRate()/2 {
			t.Errorf("%d masters: the fullest has %.0f calls/s, with fewer masters it had %.0f", n, k.Rate, last)
		}
		last = k.Rate
	}
	if k := s.busiest(m, 1); math.Abs(k.Rate-s.peakRate()) > 1e-6 || k.Orgs != s.Orgs {
		t.Errorf("one master has %.0f calls/s of %.0f", k.Rate, s.peakRate())
	}
}

// TestScaleDocumentIsWrittenFromTheMeasuredFigures holds that nobody edits what make scale-model writes.
func TestScaleDocumentIsWrittenFromTheMeasuredFigures(t *testing.T) {
	want, err := run(DefaultSite(), "../../docs/bench/capacity.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/scale.md")
	if err != nil || string(got) != want {
		t.Errorf("docs/scale.md is not what make scale-model writes (%v)", err)
	}
}

func TestFaultsAreNamedAtOnce(t *testing.T) {
	s := DefaultSite()
	s.Envoys, s.Streams = 0, 2
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "-envoys") || !strings.Contains(err.Error(), "-streams") {
		t.Errorf("Validate = %v, want both faults", err)
	}
	if _, err := run(DefaultSite(), "nowhere.json"); err == nil || !strings.Contains(err.Error(), "make capacity") {
		t.Errorf("without figures: %v", err)
	}
}

func TestNumbersAreForPeople(t *testing.T) {
	for v, want := range map[float64]string{0.5: "0.5", 12: "12", 1234: "1,230", 86_400_000: "86,400,000", 99.999: "100"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %s, want %s", v, got, want)
		}
	}
}
