package detect

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mostFeatures is how many features a detector of either form has at most.
const mostFeatures = max(int(features), int(evidences))

// Event explains an alert to a person.
type Event struct {
	Start    time.Time `json:"start"` // of the rows that led to the alert
	Alert    time.Time `json:"alert"`
	Score    float64   `json:"score"`
	PValue   float64   `json:"p_value"`
	Feature  string    `json:"feature"` // that said most
	Actual   float64   `json:"actual"`  // of Feature, in its own unit
	Expected float64   `json:"expected"`
	Features []Share   `json:"features"` // by share, the largest first
	// ExtraCalls and StakeUSDPerHour are what the row of the alert has above the usual, the latter if it goes on for an hour; 0
	// for a plain series.
	ExtraCalls      float64 `json:"extra_calls"`
	StakeUSDPerHour float64 `json:"stake_usd_per_hour"`
	Sentence        string  `json:"sentence"`
}

// Share is a feature's part in what was unusual.
type Share struct {
	Feature string  `json:"feature"`
	Share   float64 `json:"share"`
}

// leastShare leaves out of an explanation what adds nothing to it.
const leastShare = 0.01

// Explain tells of the last row, for which Step gave p.
func (d *Detector) Explain(p Point) Event {
	e := Event{Start: d.rising, Alert: d.last, Score: p.Score, PValue: p.P, Feature: p.Feature, Actual: p.Actual, Expected: p.Expected}
	if e.Start.IsZero() {
		e.Start = d.last
	}
	e.Features = d.shares()
	if d.plain == nil {
		e.ExtraCalls, e.StakeUSDPerHour = d.stake()
	}
	e.Sentence = e.sentence(d.plain != nil)
	return e
}

func (d *Detector) shares() []Share {
	names := evidenceNames[:]
	if d.plain != nil {
		names = featureNames[:]
	}
	total := 0.0
	by := map[string]float64{}
	for i, name := range names {
		by[name] += d.said[i]
		total += d.said[i]
	}
	out := make([]Share, 0, len(by))
	for name, said := range by {
		if said > leastShare*total {
			out = append(out, Share{name, said / total})
		}
	}
	slices.SortFunc(out, func(a, b Share) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), strings.Compare(a.Feature, b.Feature))
	})
	return out
}

// stake compares the last row with the usual calls of its hour at the usual cost a call.
func (d *Detector) stake() (calls, usdPerHour float64) {
	w := &d.watch
	usual := w.base.expected(d.last.Unix() / 3600)
	if !math.IsNaN(d.row.requests) {
		calls = max(0, d.row.requests-usual)
	}
	if math.IsNaN(d.row.cost) || d.step <= 0 || w.cost.usual.n == 0 {
		return calls, 0
	}
	return calls, max(0, d.row.cost-usual*math.Exp(w.cost.usual.value)) * float64(time.Hour) / float64(d.step)
}

// words say a feature in a sentence, with its unit.
var words = map[string][2]string{
	"requests":                      {"calls a row", ""},
	"requests_for_this_hour":        {"calls a row at this hour", ""},
	"requests_out_of_hours":         {"calls a row that began suddenly at this hour", ""},
	"requests_per_day":              {"calls over the last day", ""},
	"combination":                   {"calls, together with their kind or their failures,", ""},
	"prompt_tokens_per_request":     {"prompt tokens a call", ""},
	"completion_tokens_per_request": {"completion tokens a call", ""},
	"cost_usd_per_request":          {"dollars a call", ""},
	"latency_ms":                    {"latency", " ms"},
	"error_rate":                    {"share of failing calls", ""},
}

// Noun says a service's feature in words, of rows that are each called row: "calls a minute" where they are minutes.
func Noun(feature, row string) string {
	w, ok := words[feature]
	if !ok {
		return feature
	}
	return strings.Replace(w[0], "a row", "a "+row, 1)
}

// Unit follows a feature's values: " ms" for a latency, empty for what its noun says whole.
func Unit(feature string) string { return words[feature][1] }

func (e Event) sentence(plain bool) string {
	now, usual := brief(e.Actual), brief(e.Expected)
	var s strings.Builder
	if plain {
		fmt.Fprintf(&s, "Since %s the series is unusual (%s): %s where about %s was expected", e.Start.UTC().Format(time.DateTime), e.Feature, now, usual)
	} else {
		w := words[e.Feature]
		fmt.Fprintf(&s, "Since %s UTC: %s %s%s, expected %s%s", e.Start.UTC().Format(time.DateTime), w[0], now, w[1], usual, w[1])
		if e.Expected > 0 && e.Actual > e.Expected {
			fmt.Fprintf(&s, " (%s times)", strconv.FormatFloat(e.Actual/e.Expected, 'f', 1, 64))
		}
	}
	if e.StakeUSDPerHour >= 0.005 {
		fmt.Fprintf(&s, "; if it goes on it costs $%.2f an hour more than usual", e.StakeUSDPerHour)
	}
	return s.String() + "."
}

// brief writes three significant digits, without an exponent where a person would not.
func brief(v float64) string {
	if a := math.Abs(v); a >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
