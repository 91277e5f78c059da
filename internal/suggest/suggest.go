package suggest

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ml/forecast"
)

// Options say what is proposed.
type Options struct {
	HeadRoom float64 // above what was used or is expected: 0.2 is a fifth
	Quantile float64 // of days and minutes that fit without it, such as 0.99
	Most     int     // suggestions, those of the largest spenders first
	// Known tells whether the policy still has a team, and a service of it where one is given; nil: it has all.
	Known func(team, service string) bool
}

// Bounds of Options.
const (
	MaxSuggestions = 60
	maxHeadRoom    = 10
	monthDays      = 30
	weekDays       = 7
)

// Validate gives every fault.
func (o Options) Validate() error {
	var faults []error
	if !(o.HeadRoom >= 0 && o.HeadRoom <= maxHeadRoom) {
		faults = append(faults, fmt.Errorf("head-room: %g %% is outside 0 to %d", 100*o.HeadRoom, 100*maxHeadRoom))
	}
	if !(o.Quantile >= 0.5 && o.Quantile <= 1) {
		faults = append(faults, fmt.Errorf("quantile: %g is outside 0.5 to 1", o.Quantile))
	}
	if o.Most < 1 || o.Most > MaxSuggestions {
		faults = append(faults, fmt.Errorf("most: %d is outside 1 to %d", o.Most, MaxSuggestions))
	}
	return errors.Join(faults...)
}

// Suggestion is one budget or limit, as a rule of its own.
type Suggestion struct {
	Name    string // of the rule
	Team    string // empty: the organisation's
	Service string
	Measure sentinel.Measure
	Span    string // minute, day or month
	Amount  int64  // nano-dollars of a budget, else a count
	Basis   string // where the amount is from, in words
	Effect  Effect
}

// Effect is what a suggestion alone would have done to the calls that it was made from.
type Effect struct {
	Calls   int64 // of the period
	Refused int64 // that go out by the policy in force
	Avoided sentinel.NanoUSD
	Worst   int64 // refused in the worst five minutes
}

// Suggest proposes budgets for the organisation, teams and services, and rates for services.
func (h *History) Suggest(o Options) ([]Suggestion, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	type one struct {
		scope
		*past
	}
	var list []one
	for s, p := range h.scopes {
		list = append(list, one{s, p})
	}
	slices.SortFunc(list, func(a, b one) int {
		return cmp.Or(cmp.Compare(b.spent, a.spent), cmp.Compare(a.service, b.service), cmp.Compare(a.team, b.team))
	})
	var out []Suggestion
	for _, x := range list {
		if x.scope != (scope{}) && o.Known != nil && !o.Known(x.team, x.service) {
			continue // nothing can be limited that the policy does not name
		}
		made, err := h.of(x.scope, x.past, o)
		if err != nil {
			return nil, err
		}
		if out = append(out, made...); len(out) >= o.Most {
			return out[:o.Most], nil
		}
	}
	return out, nil
}

func (h *History) of(s scope, p *past, o Options) (out []Suggestion, err error) {
	add := func(m sentinel.Measure, span string, most, held float64, basis string) {
		roomy := most*(1+o.HeadRoom) + held // a limit that its callers have almost used up must still let in the most that a call may use
		amount := rounded(roomy)
		if m == sentinel.MeasureCost {
			amount = rounded(roomy/float64(sentinel.USD)*100) * int64(sentinel.USD) / 100 // whole cents
		}
		if amount > 0 {
			out = append(out, Suggestion{Name: nameOf(s, m, span), Team: s.team, Service: s.service, Measure: m, Span: span, Amount: amount,
				Basis: fmt.Sprintf("%s, %.0f %% head-room, and what one call holds", basis, 100*o.HeadRoom)})
		}
	}
	if days := h.daily(p); len(days) > 0 {
		day, month, basis, err := spendOf(days, o.Quantile)
		if err != nil {
			return nil, err
		}
		held := p.held[0].quantile(o.Quantile)
		if s != (scope{}) {
			add(sentinel.MeasureCost, "day", day, held, basis)
		}
		if s.service == "" {
			add(sentinel.MeasureCost, "month", month, held, basis)
		}
	}
	if s.service != "" {
		basis := fmt.Sprintf("%g of 100 minutes with a call", 100*rateQuantile(o.Quantile))
		add(sentinel.MeasureRequests, "minute", p.perMinute[0].quantile(rateQuantile(o.Quantile)), 0, basis)
		add(sentinel.MeasureTokens, "minute", p.perMinute[1].quantile(rateQuantile(o.Quantile)), p.held[1].quantile(rateQuantile(o.Quantile)), basis)
	}
	return out, nil
}

// rateQuantile is of minutes, of which there are more than a thousand a day: a tenth as many may exceed it as of days.
func rateQuantile(q float64) float64 { return 1 - (1-q)/10 }

// spendOf says what a day and a month are expected to cost: what days cost so far, and the upper bound that the forecast stays below 9
// times of 10, whichever is more.
func spendOf(days []float64, q float64) (day, month float64, basis string, err error) {
	sorted := slices.Sorted(slices.Values(days))
	day = sorted[min(len(sorted)-1, int(math.Ceil(q*float64(len(sorted))))-1)]
	sum := 0.0
	for _, v := range days {
		sum += v
	}
	month = sum / float64(len(days)) * monthDays
	f, err := forecast.Run(days, forecast.Options{H: monthDays, Season: weekDays})
	if errors.Is(err, forecast.ErrShort) {
		return day, month, fmt.Sprintf("%g of 100 days (%d days, too few for a forecast)", 100*q, len(days)), nil
	}
	if err != nil {
		return 0, 0, "", fmt.Errorf("forecast of spend: %w", err)
	}
	return max(day, slices.Max(f.Hi80)), max(month, f.TotalHi80[monthDays-1]), fmt.Sprintf("%g of 100 days of %d, and the forecast's upper bound", 100*q, len(days)), nil
}

// rounded rounds up to two digits, as people write budgets.
func rounded(v float64) int64 {
	if v <= 0 || v > math.MaxInt64/2 {
		return 0
	}
	step := math.Pow(10, max(0, math.Floor(math.Log10(v))-1))
	return int64(math.Ceil(v/step-1e-9) * step)
}

// maxName is the longest name of a rule.
const maxName = 100

func nameOf(s scope, m sentinel.Measure, span string) string {
	who := "the organisation"
	switch {
	case s.service != "":
		who = "service " + s.service
	case s.team != "":
		who = "team " + s.team
	}
	what := m.String()
	if m == sentinel.MeasureCost {
		what = "budget"
	}
	name := fmt.Sprintf("suggested %s a %s of %s", what, span, who)
	return strings.TrimSpace(name[:min(len(name), maxName)])
}

// Amounted is the amount as a policy has it, such as 12.50 or 30000.
func (s Suggestion) Amounted() string {
	if s.Measure == sentinel.MeasureCost {
		return fmt.Sprintf("%d.%02d", s.Amount/int64(sentinel.USD), s.Amount%int64(sentinel.USD)/(int64(sentinel.USD)/100))
	}
	return fmt.Sprint(s.Amount)
}

// Rule is the suggestion as an item of policies.
func (s Suggestion) Rule(shadow bool) string {
	match := ""
	switch {
	case s.Service != "":
		match = fmt.Sprintf("match: {service: %q}, ", s.Service)
	case s.Team != "":
		match = fmt.Sprintf("match: {team: %q}, ", s.Team)
	}
	mode := ""
	if shadow {
		mode = "mode: shadow, "
	}
	what := fmt.Sprintf("limits: {%s: %s/%s}", s.Measure, s.Amounted(), s.Span)
	if s.Measure == sentinel.MeasureCost {
		what = fmt.Sprintf("budget: {usd: %s/%s, mode: hard, warn_at: [80%%]}", s.Amounted(), s.Span)
	}
	return fmt.Sprintf("  - {name: %q, %s%s%s}", s.Name, mode, match, what)
}

// YAML is all suggestions as rules that are pasted under policies.
func YAML(list []Suggestion, shadow bool) string {
	var b strings.Builder
	b.WriteString("policies:\n")
	for _, s := range list {
		_, _ = fmt.Fprintf(&b, "  # %s; would have refused %d of %d calls\n%s\n", s.Basis, s.Effect.Refused, s.Effect.Calls, s.Rule(shadow))
	}
	return b.String()
}
