package forecast

import "slices"

// Never is the step of an amount that lasts beyond the forecast.
const Never = -1

// UsedUp are the steps by whose end an amount is used up: the middle, and the ends of what 80 and 95 of 100 cases stay within; each may
// be Never.
type UsedUp struct{ Middle, First80, Last80, First95, Last95 int }

// UsedUp gives the steps by whose end the total, and each of its bounds, reaches an amount.
func (f Forecast) UsedUp(amount float64) UsedUp {
	at := func(total []float64) int { return slices.IndexFunc(total, func(v float64) bool { return v >= amount }) }
	return UsedUp{Middle: at(f.Total), First80: at(f.TotalHi80), Last80: at(f.TotalLo80), First95: at(f.TotalHi95), Last95: at(f.TotalLo95)}
}
