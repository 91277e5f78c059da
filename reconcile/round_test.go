package reconcile

import (
	"math/big"
	"testing"
)

func TestSumsAreRoundedHalfToEven(t *testing.T) {
	for text, want := range map[string]int64{"1/2": 0, "3/2": 2, "5/2": 2, "-1/2": 0, "-3/2": -2, "7/3": 2, "8/3": 3, "-7/3": -2, "4": 4, "500000000000000001/1000000000000000000": 1} {
		r, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatal(text)
		}
		if got := halfEven(r); got.Int64() != want {
			t.Errorf("%s is rounded to %s, want %d", text, got, want)
		}
	}
}
