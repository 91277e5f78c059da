package admin

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Overview is the first page.
type Overview struct {
	At            time.Time     `json:"at"`
	Zone          string        `json:"zone"`
	MonthStart    time.Time     `json:"month_start"`
	MonthEnd      time.Time     `json:"month_end"`
	Month         Sums          `json:"month" doc:"The organisation's current month until now."`
	LastMonth     Sums          `json:"last_month" doc:"The month before, until the same moment of it."`
	Today         Sums          `json:"today"`
	Yesterday     Sums          `json:"yesterday" doc:"Until the same time of day."`
	LastHour      Sums          `json:"last_hour"`
	Forecast      MonthForecast `json:"forecast"`
	Downgrades    Downgrades    `json:"downgrades"`
	OpenIncidents int           `json:"open_incidents"`
	Degraded      []string      `json:"degraded" nullable:"false" doc:"What does not work as it should, each a sentence."`
}

// maxAsked is how many of its questions the overview asks at once.
const maxAsked = 3

// Downgrades is what cheaper models saved this month.
type Downgrades struct {
	Calls  int64 `json:"calls"`
	Saved  Money `json:"saved" doc:"What the same usage costs at the asked models' prices, less what it cost."`
	Priced int64 `json:"priced" doc:"Calls that saved covers: the newest, at most 10,000."`
}

func (s *Server) overviewRoutes() {
	register(s, operation{id: "get-overview", method: http.MethodGet, path: "/overview", tag: "usage", summary: "Spend now and by the month's end, and what is wrong", role: sentinel.RoleViewer},
		func(ctx context.Context, _ *struct{}) (*answer[Overview], error) {
			o, err := s.overview(ctx)
			if err != nil {
				return nil, s.fault("overview", err)
			}
			return &answer[Overview]{*o}, nil
		})
	register(s, operation{id: "get-forecast", method: http.MethodGet, path: "/forecast", tag: "usage", summary: "Spend a day until the month's end, with intervals", role: sentinel.RoleViewer}, s.forecast)
}

func (s *Server) overview(ctx context.Context) (*Overview, error) {
	org := s.Backend.Org()
	now := s.Now()
	local := now.In(org.Zone)
	year, m, d := local.Date()
	month, lastMonth := sentinel.DayStart(year, m, 1, org.Zone), sentinel.DayStart(year, m-1, 1, org.Zone)
	today, yesterday := sentinel.DayStart(year, m, d, org.Zone), sentinel.DayStart(year, m, d-1, org.Zone)
	clock := func(month time.Month, day int) time.Time { // the same time of another day, whatever the clocks did in between
		return time.Date(year, month, day, local.Hour(), local.Minute(), 0, 0, org.Zone)
	}
	o := &Overview{At: now, Zone: org.Zone.String(), MonthStart: month.UTC(), MonthEnd: sentinel.DayStart(year, m+1, 1, org.Zone).UTC()}
	soon := now.Truncate(time.Minute).Add(time.Minute)
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(maxAsked)
	for _, p := range []struct {
		to       *Sums
		from, at time.Time
	}{
		{&o.Month, month, soon},
		{&o.LastMonth, lastMonth, earlier(month, clock(m-1, d))},
		{&o.Today, today, soon},
		{&o.Yesterday, yesterday, earlier(today, clock(m, d-1))},
		{&o.LastHour, soon.Add(-time.Hour), soon},
	} {
		group.Go(func() error {
			rows, err := s.Backend.Usage(asking, UsageQuery{From: p.from.UTC().Truncate(time.Minute), To: p.at.UTC().Truncate(time.Minute), Zone: org.Zone, Limit: 1})
			p.to.Keys = []string{}
			for _, r := range rows {
				p.to.add(r)
			}
			return err
		})
	}
	group.Go(func() (err error) {
		o.Forecast, err = s.monthForecast(asking, nil, now)
		return err
	})
	group.Go(func() (err error) {
		o.Downgrades, err = s.downgrades(asking, month, now)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	o.Downgrades.Calls = o.Month.Downgraded
	open, err := s.Backend.Incidents(ctx, sentinel.IncidentQuery{Open: true, Limit: maxRows})
	if err != nil {
		return nil, err
	}
	o.OpenIncidents, o.Degraded = len(open), []string{}
	for _, c := range s.Backend.Health(ctx) {
		if c.State != StateOK {
			o.Degraded = append(o.Degraded, c.Name+": "+c.Detail)
		}
	}
	return o, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// downgrades prices this month's downgraded calls as if they had gone to the model that was asked for.
func (s *Server) downgrades(ctx context.Context, from, to time.Time) (d Downgrades, err error) {
	list, err := s.Backend.Entries(ctx, EntryQuery{From: from.UTC(), To: to, Filter: map[string]string{"action": sentinel.Downgrade.String()}, Limit: maxRows})
	if err != nil {
		return d, err
	}
	for _, e := range list {
		asked := e
		asked.Model = e.Asked
		cost, ok := s.Backend.Reprice(asked)
		if !ok {
			continue
		}
		d.Priced++
		d.Saved += Money(cost - e.Cost)
	}
	return d, nil
}
