package sentinel

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// NanoUSD is money in billionths of a US dollar. A cached token costs tens of nano-dollars,
// and integer sums, unlike float sums, do not depend on their order. The range is
// ±9.2 billion dollars.
type NanoUSD int64

// PicoUSD is a rate in trillionths of a US dollar per unit: the finest published token
// rates need it (0.0375 USD a million tokens is 37,500 pico-dollars a token).
type PicoUSD int64

// USD is one dollar in nano-dollars.
const USD NanoUSD = 1_000_000_000

// picoPerNano converts rates to amounts.
const picoPerNano = 1000

// ErrAmountRange says that an amount of money does not fit into NanoUSD.
var ErrAmountRange = errors.New("amount outside ±9.2 billion dollars")

// String gives the exact amount in dollars, without trailing zeros past the cents: "$0.10", "$0.0000375".
func (n NanoUSD) String() string {
	sign, u := "", uint64(n)
	if n < 0 {
		sign, u = "-", -u
	}
	frac := fmt.Sprintf("%09d", u%uint64(USD))
	end := len(frac)
	for end > 2 && frac[end-1] == '0' {
		end--
	}
	return fmt.Sprintf("%s$%d.%s", sign, u/uint64(USD), frac[:end])
}

// secondsPerHour is the divisor of the rate of Seconds.
const secondsPerHour = 3600

// Cost is the price of a usage under rates: Σ usage[u] × rates[u], with seconds as parts of an hour, summed exactly
// in 128 bits and rounded once to nano-dollars, half to even. Negative quantities are refused, because
// no provider consumes less than nothing.
func Cost(usage Usage, rates Rates) (NanoUSD, error) { return CostAt(&usage, &rates, 0) }

// Factor scales a price, in millionths: 880,000 is 12 % off. Zero is the plain price, as a million is.
type Factor int64

// OneFactor is the factor of the plain price.
const OneFactor Factor = 1_000_000

// CostAt is Cost under a contract's factor, likewise rounded once.
func CostAt(usage *Usage, rates *Rates, f Factor) (NanoUSD, error) {
	var sum uint128
	for u, n := range usage {
		rate := rates[u]
		if n == 0 || rate == 0 {
			continue
		}
		if n < 0 || rate < 0 {
			return 0, fmt.Errorf("%d %s at %d pico-dollars: negative", n, Unit(u), rate)
		}
		if Unit(u) != Seconds {
			sum.add(bits.Mul64(uint64(n), uint64(rate)))
		}
	}
	divisor := uint64(picoPerNano)
	if usage[Seconds] > 0 && rates[Seconds] > 0 {
		divisor *= secondsPerHour
		sum.scale(secondsPerHour)
		sum.add(bits.Mul64(uint64(usage[Seconds]), uint64(rates[Seconds])))
	}
	if f > 0 && f != OneFactor {
		divisor *= uint64(OneFactor)
		sum.scale(uint64(f))
	}
	return sum.divided(divisor)
}

// divided gives the quotient as an amount, rounded half to even.
func (s *uint128) divided(divisor uint64) (NanoUSD, error) {
	if s.over || s.hi >= divisor { // the quotient would not fit into 64 bits
		return 0, ErrAmountRange
	}
	quo, rem := bits.Div64(s.hi, s.lo, divisor)
	if half := divisor / 2; rem > half || rem == half && quo%2 == 1 {
		quo++
	}
	if quo > math.MaxInt64 {
		return 0, ErrAmountRange
	}
	return NanoUSD(quo), nil
}

// uint128 is a sum that remembers that it has left its range.
type uint128 struct {
	hi, lo uint64
	over   bool
}

func (s *uint128) add(hi, lo uint64) {
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, lo, 0)
	s.hi, carry = bits.Add64(s.hi, hi, carry)
	s.over = s.over || carry != 0
}

func (s *uint128) scale(by uint64) {
	over, hi := bits.Mul64(s.hi, by)
	carry, lo := bits.Mul64(s.lo, by)
	s.over = s.over || over != 0
	s.hi, s.lo = hi, lo
	s.add(carry, 0)
}
