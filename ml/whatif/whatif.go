// Package whatif finds where recorded calls could have cost less: short ones at a cheaper model of the same family, and prompts that begin alike
// from the provider's cache. It proposes; whether a cheaper model answers well enough, no ledger knows.
package whatif

import (
	"cmp"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Kind is what would have been done otherwise.
type Kind string

// The kinds.
const (
	CheaperModel Kind = "cheaper model"
	PromptCache  Kind = "prompt cache"
)

// Options are what a Finder knows of prices, and which calls a smaller model could take.
type Options struct {
	// Reprice gives what an entry's usage costs; an error where it has no price.
	Reprice func(sentinel.Entry) (sentinel.NanoUSD, error)
	// Models lists the priced models of an endpoint.
	Models func(provider, endpoint string) []string
	// A call is short with at most so many tokens in and out.
	MaxInput, MaxOutput int64
}

// The bounds of a short call, unless told otherwise: what classifications, extractions and short answers need.
const (
	UsualInput  = 4_000
	UsualOutput = 500
)

// Saving is one thing to do, and what it would have saved.
type Saving struct {
	Kind     Kind             `json:"kind"`
	Team     string           `json:"team"`
	Service  string           `json:"service"`
	Provider string           `json:"provider"`
	Model    string           `json:"model"`
	To       string           `json:"to,omitempty"` // the cheaper model
	Calls    int64            `json:"calls"`        // that could have gone there
	OfCalls  int64            `json:"of_calls"`     // that the service made to the model
	Spent    sentinel.NanoUSD `json:"spent_nano_usd"`
	Saved    sentinel.NanoUSD `json:"saved_nano_usd"` // within the period
	Month    Range            `json:"month_nano_usd"` // 30 days like these
	Assumes  string           `json:"assumes"`
}

// Range is an estimate with the bounds that 80 and 95 of 100 stay within, in nano-dollars.
type Range struct {
	Mean sentinel.NanoUSD `json:"mean"`
	Lo80 sentinel.NanoUSD `json:"lo80"`
	Hi80 sentinel.NanoUSD `json:"hi80"`
	Lo95 sentinel.NanoUSD `json:"lo95"`
	Hi95 sentinel.NanoUSD `json:"hi95"`
}

// Bounds of memory.
const (
	maxGroups = 20_000 // services and models; calls of others are left out
	maxPast   = 10_000 // calls of a group that are kept for its prompts' lengths; then every second, and so on
	maxDays   = 400
)

// ErrPeriod says that a period is empty or too long.
var ErrPeriod = errors.New("a period of 1 minute to 400 days is wanted")

// Finder reads entries and finds savings. Not safe for concurrent use.
type Finder struct {
	o        Options
	from, to time.Time
	groups   map[place]*group
	siblings map[place][]string
}

// place is where calls of one kind come from and go to.
type place struct{ team, service, provider, endpoint, model string }

// group is what one service sent to one model.
type group struct {
	calls   int64
	spent   float64
	to      map[string]*swap
	prompts prompts
}

// swap is a group's short calls at another model, by day: what it saves, and how much of its cost there is the answers'.
type swap struct {
	calls   int64
	days    []float64 // saved
	answers []float64 // cost of the answers at the other model
	saved   float64
}

// New makes a finder for the calls of a period.
func New(from, to time.Time, o Options) (*Finder, error) {
	if to.Sub(from) < time.Minute || to.Sub(from) > maxDays*24*time.Hour {
		return nil, ErrPeriod
	}
	return &Finder{o: o, from: from, to: to, groups: map[place]*group{}, siblings: map[place][]string{}}, nil
}

// days is the number of begun days.
func (f *Finder) days() int { return int(math.Ceil(f.to.Sub(f.from).Hours() / 24)) }

// Add takes an entry in; the oldest come first. Refused calls and such without tokens are passed over.
func (f *Finder) Add(e sentinel.Entry) {
	input, output := e.Usage.InputTokenSum(), e.Usage.OutputTokenSum()
	if e.Model == "" || e.Cost <= 0 || e.Action.Refused() || input == 0 || e.At.Before(f.from) || !e.At.Before(f.to) {
		return
	}
	at := place{e.Caller.Team, e.Caller.Service, e.Provider, e.Endpoint, e.Model}
	g := f.groups[at]
	if g == nil {
		if len(f.groups) >= maxGroups {
			return
		}
		g = &group{to: map[string]*swap{}}
		f.groups[at] = g
	}
	g.calls++
	g.spent += float64(e.Cost)
	day := int(e.At.Sub(f.from) / (24 * time.Hour))
	g.prompts.add(e, day, f.o.Reprice)
	if input > f.o.MaxInput || output > f.o.MaxOutput {
		return
	}
	for _, model := range f.family(at) {
		f.swap(g, e, model, day)
	}
}

// swap books what a short call would have saved at another model.
func (f *Finder) swap(g *group, e sentinel.Entry, model string, day int) {
	actual := float64(e.Cost)
	e.Model = model
	other, err := f.o.Reprice(e)
	if err != nil || other < 0 {
		return
	}
	for _, u := range sentinel.OutputTokenUnits {
		e.Usage[u] = 0
	}
	asked, err := f.o.Reprice(e)
	if err != nil {
		return
	}
	s := g.to[model]
	if s == nil {
		s = &swap{days: make([]float64, f.days()), answers: make([]float64, f.days())}
		g.to[model] = s
	}
	s.calls++
	s.saved += actual - float64(other)
	s.days[day] += actual - float64(other)
	s.answers[day] += float64(other - asked)
}

// family are the models that a model's name says are of its family and generation.
func (f *Finder) family(at place) []string {
	key := place{provider: at.provider, endpoint: at.endpoint, model: at.model}
	known, ok := f.siblings[key]
	if !ok {
		for _, m := range f.o.Models(at.provider, at.endpoint) {
			if sibling(at.model, m) {
				known = append(known, m)
			}
		}
		f.siblings[key] = known
	}
	return known
}

// sizes are the words by which providers tell the sizes of one family; other words, such as audio or codex, tell what a model is for.
var sizes = map[string]bool{
	"nano": true, "mini": true, "lite": true, "micro": true, "small": true, "medium": true, "large": true, "pro": true, "premier": true, "plus": true, "max": true,
	"flash": true, "turbo": true, "haiku": true, "sonnet": true, "opus": true, "fast": true, "air": true,
}

// sibling tells whether two names differ in the word of their size alone: gpt-5 and gpt-5-mini, claude-opus-4-5 and claude-haiku-4-5. A snapshot's
// date is no part of it.
func sibling(a, b string) bool {
	x, y := parts(a), parts(b)
	if len(x) > len(y) {
		x, y = y, x
	}
	i := 0
	for i < len(x) && x[i] == y[i] {
		i++
	}
	switch len(y) - len(x) {
	case 0:
		return i < len(x) && sizes[x[i]] && sizes[y[i]] && slices.Equal(x[i+1:], y[i+1:])
	case 1:
		return sizes[y[i]] && slices.Equal(x[i:], y[i+1:])
	}
	return false
}

// parts are a name's words, without a date of eight digits at its end or one with dashes.
func parts(name string) []string {
	p := strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '@' })
	n := len(p)
	switch {
	case n > 3 && len(p[n-3]) == 4 && len(p[n-2]) == 2 && len(p[n-1]) == 2 && strings.HasPrefix(p[n-3], "20"):
		return p[:n-3]
	case n > 1 && len(p[n-1]) == 8 && strings.HasPrefix(p[n-1], "20"):
		return p[:n-1]
	}
	return p
}

// Savings ranks what was found by the month's mean. Of several cheaper models of a group the one that saves most is told. What two savings of a group
// would give together is less than their sum.
func (f *Finder) Savings() []Saving {
	out := []Saving{}
	for at, g := range f.groups {
		base := Saving{Team: at.team, Service: at.service, Provider: at.provider, Model: at.model, OfCalls: g.calls, Spent: sentinel.NanoUSD(g.spent)}
		best, model := (*swap)(nil), ""
		for name, s := range g.to {
			if best == nil || s.saved > best.saved || s.saved == best.saved && name < model {
				best, model = s, name
			}
		}
		if best != nil && best.saved > 0 {
			s := base
			s.Kind, s.To, s.Calls, s.Saved = CheaperModel, model, best.calls, sentinel.NanoUSD(best.saved)
			s.Month = best.month(f.to.Sub(f.from))
			s.Assumes = "the smaller model answers well enough, in about as many tokens (80 % within 28 % of them)"
			out = append(out, s)
		}
		if saved, calls, month := g.prompts.savings(f.days(), f.to.Sub(f.from)); saved > 0 {
			s := base
			s.Kind, s.Calls, s.Saved, s.Month = PromptCache, calls, sentinel.NanoUSD(saved), month
			s.Assumes = "between none and all of the shortest usual prompt is the same in every call, and stands first"
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Saving) int {
		return cmp.Or(cmp.Compare(b.Month.Mean, a.Month.Mean), strings.Compare(a.Service, b.Service), strings.Compare(a.Model, b.Model), strings.Compare(string(a.Kind), string(b.Kind)))
	})
	return out
}

// The simulation of a month.
const (
	draws     = 2_000
	monthDays = 30
	// wordier is the deviation of the log of another model's tokens an answer: an assumption, about what models of one family differ by.
	wordier = 0.22
	// Days differ by so much of their mean, where few are known: an assumption with the weight of so many days.
	usualSpread = 0.4
	spreadDays  = 3
)

// month simulates months: each has one draw of how wordy the other model is.
func (s *swap) month(period time.Duration) Range {
	answers := floats.Sum(s.answers)
	return simulate(s.days, period, func(luck float64) float64 { return s.saved - answers*(math.Exp(wordier*luck)-1) })
}

// simulate gives what 30 days save of which a period's begun days saved as told; of gives what the period would have saved with a standard
// normal draw of luck. The mean m of n days of the relative deviation s is that of other days with an error of s·√(1/n), and that of the month's
// with one of s·√(1/30): both are drawn at once, from a log-normal distribution, so that the bounds of few days are wide, and from a normal one where
// a day cost money, as a month then can. The factor's mean is 1, so that the mean needs no draw of it. Seeded, so that the same record gives the same
// answer.
func simulate(days []float64, period time.Duration, of func(luck float64) float64) Range {
	n := float64(len(days))
	deviation := spread(days) * math.Sqrt(1/n+1.0/monthDays)
	months := monthDays * 24 * float64(time.Hour) / float64(period)
	r := rand.New(rand.NewPCG(1, uint64(len(days)))) //nolint:gosec // the same record has to give the same answer
	factor := func(z float64) float64 { return math.Exp(deviation*z - deviation*deviation/2) }
	if slices.Min(days) < 0 {
		factor = func(z float64) float64 { return 1 + deviation*z }
	}
	saved, mean := make([]float64, draws), 0.0
	for i := range saved {
		month := months * of(r.NormFloat64())
		mean += month / draws
		saved[i] = month * factor(r.NormFloat64())
	}
	slices.Sort(saved)
	at := func(p float64) sentinel.NanoUSD {
		return sentinel.NanoUSD(stat.Quantile(p, stat.Empirical, saved, nil))
	}
	return Range{Mean: sentinel.NanoUSD(mean), Lo80: at(0.1), Hi80: at(0.9), Lo95: at(0.025), Hi95: at(0.975)}
}

// spread is the deviation of days relative to their mean, shrunk to the usual one where each of them saved; as few days do not know it well, it has the
// variance of Student's t of as many degrees of freedom.
func spread(days []float64) float64 {
	mean := stat.Mean(days, nil)
	if mean <= 0 {
		return usualSpread
	}
	usual := usualSpread
	if slices.Min(days) < 0 { // gains less costs differ by any multiple of their mean: what few days have is the best guess of the others
		usual = stat.StdDev(days, nil) / mean
	}
	sum := spreadDays * usual * usual
	for _, d := range days {
		sum += (d/mean - 1) * (d/mean - 1)
	}
	return math.Sqrt(sum / float64(len(days)-1+spreadDays-2)) // s²·ν/(ν-2)
}
