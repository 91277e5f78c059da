package forecast

// Never is what Exhausted gives when an amount lasts beyond the forecast.
const Never = -1

// Exhausted is the first step (from 0) by whose end the totals' quantile of probability p has reached an amount, or Never: the date at
// which an amount is used up with a chance of 1-p or more. For p = 0.5 it is the middle of the forecast.
func (f Forecast) Exhausted(amount, p float64) int {
	for i, total := range f.Total {
		if p != 0.5 {
			total = f.calibration.bound(f.calibration.totals, total, f.totalScale[i], p)
		}
		if total >= amount {
			return i
		}
	}
	return Never
}

// UsedUp are the steps at which an amount is used up: the middle, and the ends of what 80 and 95 of 100 cases stay within;
// each may be Never.
type UsedUp struct{ Middle, First80, Last80, First95, Last95 int }

// UsedUp gives the steps at which an amount is used up.
func (f Forecast) UsedUp(amount float64) UsedUp {
	return UsedUp{
		Middle:  f.Exhausted(amount, 0.5),
		First80: f.Exhausted(amount, 0.9), Last80: f.Exhausted(amount, 0.1),
		First95: f.Exhausted(amount, 0.975), Last95: f.Exhausted(amount, 0.025),
	}
}
