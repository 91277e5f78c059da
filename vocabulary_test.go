package sentinel_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestCostRoundsOnceHalfToEven(t *testing.T) {
	for name, tt := range map[string]struct {
		usage sentinel.Usage
		rates sentinel.Rates
		want  sentinel.NanoUSD
	}{
		"nothing":           {},
		"half down to even": {sentinel.Usage{sentinel.Requests: 1}, sentinel.Rates{sentinel.Requests: 2500}, 2},
		"half up to even":   {sentinel.Usage{sentinel.Requests: 1}, sentinel.Rates{sentinel.Requests: 3500}, 4},
		"over half":         {sentinel.Usage{sentinel.Requests: 1}, sentinel.Rates{sentinel.Requests: 2501}, 3},
		// 1,800 s at 0.111 dollars an hour are 0.0555 dollars, though a second's rate has no end.
		"half an hour of audio":      {sentinel.Usage{sentinel.Seconds: 1800, sentinel.Requests: 1}, sentinel.Rates{sentinel.Seconds: 111_000_000_000, sentinel.Requests: 1000}, 55_500_001},
		"half of a nano, in seconds": {sentinel.Usage{sentinel.Seconds: 1}, sentinel.Rates{sentinel.Seconds: 1_800_000}, 0},
		"summed before round":        {sentinel.Usage{sentinel.InputTokens: 1, sentinel.OutputTokens: 1}, sentinel.Rates{sentinel.InputTokens: 400, sentinel.OutputTokens: 400}, 1},
		"past 64 bits of pico": {sentinel.Usage{sentinel.InputTokens: 1 << 40}, sentinel.Rates{sentinel.InputTokens: 8_000_000_000},
			sentinel.NanoUSD((1 << 40) * 8_000_000)},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := sentinel.Cost(tt.usage, tt.rates); err != nil || got != tt.want {
				t.Errorf("Cost(%v) = %d, %v; want %d", tt.usage, got, err, tt.want)
			}
		})
	}
}

func TestCostRefusesWhatDoesNotFit(t *testing.T) {
	huge := sentinel.Usage{sentinel.InputTokens: math.MaxInt64, sentinel.OutputTokens: math.MaxInt64}
	if _, err := sentinel.Cost(huge, sentinel.Rates{sentinel.InputTokens: math.MaxInt64, sentinel.OutputTokens: math.MaxInt64}); !errors.Is(err, sentinel.ErrAmountRange) {
		t.Errorf("a cost past the range gave %v", err)
	}
	if _, err := sentinel.Cost(sentinel.Usage{sentinel.Requests: -1}, sentinel.Rates{sentinel.Requests: 1}); err == nil {
		t.Error("a negative usage was priced")
	}
}

func TestMoneyReadsExactly(t *testing.T) {
	for n, want := range map[sentinel.NanoUSD]string{
		0: "$0.00", 100_000_000: "$0.10", 37_500: "$0.0000375", -1: "-$0.000000001", 12 * sentinel.USD: "$12.00",
		math.MinInt64: "-$9223372036.854775808",
	} {
		if got := n.String(); got != want {
			t.Errorf("%d reads %q, want %q", int64(n), got, want)
		}
	}
}

func TestCallIDsFollowTheClockAndRoundTrip(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	before, after := sentinel.NewCallID(at), sentinel.NewCallID(at.Add(time.Millisecond))
	if before.String() >= after.String() {
		t.Errorf("%s is not before %s", before, after)
	}
	if got, err := sentinel.ParseCallID(before.String()); err != nil || got != before {
		t.Errorf("ParseCallID(%s) = %s, %v", before, got, err)
	}
	if v := before.String()[14]; v != '7' {
		t.Errorf("%s has version %c, want 7", before, v)
	}
	for _, bad := range []string{"", "x", strings.Repeat("-", 36), strings.ReplaceAll(before.String(), "-", "0")} {
		if _, err := sentinel.ParseCallID(bad); err == nil {
			t.Errorf("ParseCallID(%q) was accepted", bad)
		}
	}
}

func TestSecretsCannotBePrinted(t *testing.T) {
	const canary = "canary-5e1f"
	type holder struct{ inner sentinel.Secret }
	s := sentinel.NewSecret(canary)
	text := fmt.Sprintf("%v %+v %#v %s %q %x %v %+v %#v", s, s, s, s, s, s, holder{s}, holder{s}, holder{s})
	b, err := json.Marshal(map[string]any{"s": s})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text+string(b), canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
		t.Errorf("the secret shows: %s %s", text, b)
	}
	if s.Reveal() != canary || s.IsZero() || !(sentinel.Secret{}).IsZero() {
		t.Error("Reveal or IsZero is wrong")
	}
}

func TestTokenClassesAddUp(t *testing.T) {
	var u sentinel.Usage
	for i := range u {
		u[i] = 1
	}
	if in, out, all := u.InputTokenSum(), u.OutputTokenSum(), u.TokenSum(); in != 9 || out != 5 || all != 14 {
		t.Errorf("sums are %d, %d, %d; want 9, 5, 14", in, out, all)
	}
	for unit := range sentinel.Unit(sentinel.UnitCount) {
		if got, ok := sentinel.UnitByName(unit.String()); !ok || got != unit {
			t.Errorf("UnitByName(%s) = %v, %v", unit, got, ok)
		}
	}
}

func TestACallIsFoundByTheIdOfItsRequest(t *testing.T) {
	at := time.Date(2026, 11, 28, 12, 0, 0, 123_456_789, time.UTC)
	a, later, other := sentinel.CallIDOf(at, "r-1"), sentinel.CallIDOf(at.Add(time.Hour), "r-1"), sentinel.CallIDOf(at, "r-2")
	if a == later || a.RequestDigest() != later.RequestDigest() || a.RequestDigest() == other.RequestDigest() {
		t.Errorf("ids %s and %s of one request, %s of another", a, later, other)
	}
	if !a.Time().Equal(at.Truncate(time.Millisecond)) || a[6]>>4 != 7 || a[8]>>6 != 2 {
		t.Errorf("%s is of %s, want a UUIDv7 of %s", a, a.Time(), at)
	}
	if x, y := sentinel.CallIDOf(at, ""), sentinel.CallIDOf(at, ""); x == y {
		t.Error("two calls without a request id have one id")
	}
}
