package reconcile

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// What true-up entries follow from stands before the first slash of their price version.
const (
	byReport  = "report/"
	byResults = "results/"
	byPrices  = "rerate/"
)

// Rated is what re-rated money is booked by: the calls of a payer to a model on a day, under one price list.
type Rated struct {
	Day                   time.Time // midnight UTC
	Caller                sentinel.Caller
	Provider, Model, Tier string
}

// Rerating gathers what calls cost by other prices beyond what is booked. It is not for concurrent use.
type Rerating struct {
	owed     map[Rated]sentinel.NanoUSD // less what earlier re-ratings booked
	earlier  map[Rated]int64            // entries of earlier re-ratings
	reported map[reportedDay]bool
	batches  map[sentinel.CallID]bool // true-up entries that follow from a batch's results
}

// reportedDay is a cell of a provider's report that was booked.
type reportedDay struct {
	provider string
	Cell
}

// maxRated bounds the memory of a re-rating: payers, models and days are few.
const maxRated = 100_000

// ErrManyRated says that a period is too long to be re-rated at once.
var ErrManyRated = errors.New("the period has too many days, services and models: choose a shorter one")

// NewRerating knows the true-up entries of a period, which TrueUp is told.
func NewRerating() *Rerating {
	return &Rerating{
		owed: map[Rated]sentinel.NanoUSD{}, earlier: map[Rated]int64{}, reported: map[reportedDay]bool{}, batches: map[sentinel.CallID]bool{},
	}
}

// TrueUp takes in an entry with the endpoint of this package. All of a period come before its calls.
func (r *Rerating) TrueUp(e sentinel.Entry) error {
	switch {
	case Rerated(e):
		k := ratedOf(e)
		r.owed[k] -= e.Cost
		r.earlier[k]++
	case strings.HasPrefix(e.PriceVersion, byReport):
		r.reported[reportedDay{e.Provider, Cell{dayOf(e.At), e.Model}}] = true
	case strings.HasPrefix(e.PriceVersion, byResults):
		r.batches[e.ID] = true
	}
	if len(r.owed)+len(r.reported)+len(r.batches) > maxRated {
		return ErrManyRated
	}
	return nil
}

// Rerated tells a true-up entry that follows from other prices.
func Rerated(e sentinel.Entry) bool {
	return e.Endpoint == Endpoint && strings.HasPrefix(e.PriceVersion, byPrices)
}

// Settled tells whether a call's cost is somebody else's word already, which no price betters: its day is trued up by the provider's report, or
// it is a batch that was by its results.
func (r *Rerating) Settled(e sentinel.Entry) bool {
	day := dayOf(e.At)
	return r.reported[reportedDay{e.Provider, Cell{day, Name(e.Model)}}] || r.reported[reportedDay{e.Provider, Cell{Day: day}}] ||
		len(r.batches) > 0 && r.batches[batchOf(e.ID)]
}

// Owe takes in what a call costs beyond what is booked; negative where too much is booked.
func (r *Rerating) Owe(e sentinel.Entry, more sentinel.NanoUSD) error {
	if more == 0 {
		return nil
	}
	if r.owed[ratedOf(e)] += more; len(r.owed) > maxRated {
		return ErrManyRated
	}
	return nil
}

// Entries are those after which the ledger has what its calls cost by the other prices, with the sum of them, and how many more there would be of days that are
// not over. Like those that follow from reports they carry money and no usage and stand at the end of their day, but they are the payer's own. Their key
// follows from the day, payer, model and price list, and from how many such entries there are already: two runs at once book them once.
func (r *Rerating) Entries(now time.Time) (due []sentinel.Entry, sum sentinel.NanoUSD, open int) {
	for k, owed := range r.owed {
		switch {
		case owed == 0:
		case now.Before(k.Day.AddDate(0, 0, 1)):
			open++
		default:
			due, sum = append(due, k.entry(owed, r.earlier[k])), sum+owed
		}
	}
	slices.SortFunc(due, func(a, b sentinel.Entry) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Model, b.Model), slices.Compare(a.ID[:], b.ID[:]))
	})
	return due, sum, open
}

func (k Rated) entry(owed sentinel.NanoUSD, earlier int64) sentinel.Entry {
	c := k.Caller
	return sentinel.Entry{
		Call: sentinel.Call{
			ID: idOf("rerate\x00%s\x00%s\x00%s\x00%s\x00%s\x00%s\x00%s\x00%s\x00%d", k.Day.Format(time.DateOnly), c.Org, c.Team, c.Service, c.Tags, k.Provider, k.Model, k.Tier, earlier),
			At: endOf(k.Day), Caller: c, Provider: k.Provider, Endpoint: Endpoint, Model: k.Model, Tier: k.Tier,
		},
		Asked: k.Model, Action: sentinel.Allow, Cost: owed, PriceVersion: byPrices + k.Provider, Source: sentinel.SourceMeter, Method: Method,
	}
}

func ratedOf(e sentinel.Entry) Rated {
	return Rated{Day: dayOf(e.At), Caller: e.Caller, Provider: e.Provider, Model: e.Model, Tier: e.Tier}
}

func dayOf(at time.Time) time.Time { return at.UTC().Truncate(24 * time.Hour) }

// endOf is the last moment of a day that the ledger can tell.
func endOf(day time.Time) time.Time { return day.AddDate(0, 0, 1).Add(-time.Microsecond) }
