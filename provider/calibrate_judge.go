package provider

import (
	"maps"
	"slices"
)

// Judged is how the prompts of a model would have been estimated, in thousandths of what its provider counted: by those before each, and by weight alone.
type Judged struct {
	Model      string
	Prompts    int
	Calibrated int   // of them, those before which enough were seen
	Ratio      int64 // that a next prompt is estimated by, in thousandths of a token by weight; 0 for none
	Miss       int64 // the median of the calibrated ones
	Plain      int64 // the median of all, by weight alone
}

// refreshed is after how many prompts Judge takes what was learnt: a process does every five minutes.
const refreshed = 100

// Judge estimates prompts, the oldest first, each by what those before it showed, by model.
func Judge(list []Observed) []Judged {
	type misses struct{ plain, calibrated []int64 }
	var c Calibrator
	ratios, of := Ratios{}, map[string]*misses{}
	for i, p := range list {
		if i%refreshed == 0 {
			ratios = c.Ratios()
		}
		if c.Add(p); p.Tokens <= 0 || p.Weight <= 0 {
			continue
		}
		m := of[p.Model]
		if m == nil {
			m = &misses{}
			of[p.Model] = m
		}
		m.plain = append(m.plain, p.missed(0))
		if r := ratios.Of(p.Model); r > 0 {
			m.calibrated = append(m.calibrated, p.missed(r))
		}
	}
	ratios = c.Ratios()
	out := make([]Judged, 0, len(of))
	for _, model := range slices.Sorted(maps.Keys(of)) {
		m := of[model]
		out = append(out, Judged{Model: model, Prompts: len(m.plain), Calibrated: len(m.calibrated), Ratio: ratios.Of(model), Miss: middle(m.calibrated), Plain: middle(m.plain)})
	}
	return out
}

// missed is by how many thousandths of what the provider counted an estimate differs from it.
func (p Observed) missed(ratio int64) int64 {
	n, _ := inputEstimate(MeterSpec{Weight: p.Weight, MilliTokens: ratio})
	return max(n-p.Tokens, p.Tokens-n) * milli / p.Tokens
}

// middle is the median; 0 of nothing.
func middle(of []int64) int64 {
	if len(of) == 0 {
		return 0
	}
	slices.Sort(of)
	return of[len(of)/2]
}
