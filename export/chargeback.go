package export

import (
	"cmp"
	_ "embed"
	"encoding/csv"
	"html/template"
	"io"
	"slices"
	"strconv"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

//go:embed chargeback.html
var chargebackHTML string

var chargebackPage = template.Must(template.New("chargeback").Parse(chargebackHTML))

// Chargeback is what each team of an organisation owes for a month.
type Chargeback struct {
	Month time.Time
	Total sentinel.NanoUSD
	Calls int64
	Teams []TeamCharge // the dearest first
	teams map[[2]string]*TeamCharge
}

// TeamCharge is one team's part.
type TeamCharge struct {
	Org, Team string
	Calls     int64
	Cost      sentinel.NanoUSD
	Lines     []ChargeLine // the dearest first
}

// ChargeLine is what one service of a team used of one provider.
type ChargeLine struct {
	Service, Provider string
	Calls, Estimated  int64
	Cost              sentinel.NanoUSD
}

// NewChargeback begins a report.
func NewChargeback(month time.Time) *Chargeback {
	return &Chargeback{Month: month, teams: map[[2]string]*TeamCharge{}}
}

// Add counts a charge.
func (b *Chargeback) Add(c sentinel.Charge) {
	key := [2]string{c.Caller.Org, c.Caller.Team}
	t, ok := b.teams[key]
	if !ok {
		t = &TeamCharge{Org: c.Caller.Org, Team: c.Caller.Team}
		b.teams[key] = t
	}
	i := slices.IndexFunc(t.Lines, func(l ChargeLine) bool { return l.Service == c.Caller.Service && l.Provider == c.Provider })
	if i < 0 {
		i = len(t.Lines)
		t.Lines = append(t.Lines, ChargeLine{Service: c.Caller.Service, Provider: c.Provider})
	}
	l := &t.Lines[i]
	l.Calls, l.Estimated, l.Cost = l.Calls+c.Calls, l.Estimated+c.Estimated, l.Cost+c.Cost
	t.Calls, t.Cost = t.Calls+c.Calls, t.Cost+c.Cost
	b.Calls, b.Total = b.Calls+c.Calls, b.Total+c.Cost
}

// sort fills in Teams.
func (b *Chargeback) sort() {
	b.Teams = b.Teams[:0]
	for _, t := range b.teams {
		slices.SortFunc(t.Lines, func(x, y ChargeLine) int {
			return cmp.Or(cmp.Compare(y.Cost, x.Cost), cmp.Compare(x.Service, y.Service), cmp.Compare(x.Provider, y.Provider))
		})
		b.Teams = append(b.Teams, *t)
	}
	slices.SortFunc(b.Teams, func(x, y TeamCharge) int {
		return cmp.Or(cmp.Compare(y.Cost, x.Cost), cmp.Compare(x.Org, y.Org), cmp.Compare(x.Team, y.Team))
	})
}

// CSV writes one row a team, service and provider.
func (b *Chargeback) CSV(w io.Writer) error {
	b.sort()
	to := csv.NewWriter(w)
	rows := [][]string{{"month", "org", "team", "service", "provider", "calls", "estimated", "cost_usd"}}
	for _, t := range b.Teams {
		for _, l := range t.Lines {
			rows = append(rows, []string{b.Month.Format("2006-01"), Safe(t.Org), Safe(t.Team), Safe(l.Service), Safe(l.Provider),
				strconv.FormatInt(l.Calls, 10), strconv.FormatInt(l.Estimated, 10), decimal(int64(l.Cost))})
		}
	}
	return to.WriteAll(rows)
}

// HTML writes a page that prints well, with nothing to load.
func (b *Chargeback) HTML(w io.Writer) error {
	b.sort()
	return chargebackPage.Execute(w, b)
}
