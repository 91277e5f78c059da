package admin

import (
	"context"
	"errors"
	"math"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ml/forecast"
)

// MonthForecast is the month's total, with the bounds that it stays within 80 and 95 times of 100.
type MonthForecast struct {
	Known  bool    `json:"known"`
	Reason string  `json:"reason,omitempty" doc:"Why there is none."`
	Mean   Money   `json:"mean"`
	Lo80   Money   `json:"lo80"`
	Hi80   Money   `json:"hi80"`
	Days   []Point `json:"days" nullable:"false" doc:"Spend a day from the month's begin: what was, then what is expected."`
}

// Point is a day of spend.
type Point struct {
	Day      string `json:"day" doc:"In the organisation's zone."`
	Actual   Money  `json:"actual"`
	Expected Money  `json:"expected" doc:"Of the hours that are still to come."`
	Total    Money  `json:"total" doc:"Since the month's begin, mean."`
	Lo80     Money  `json:"lo80" doc:"Bounds of the total."`
	Hi80     Money  `json:"hi80"`
}

const (
	dayHours     = 24
	weekHours    = 7 * dayHours
	historyHours = 5 * weekHours
)

func (s *Server) forecast(ctx context.Context, in *struct {
	Filter []string `query:"filter,explode" maxItems:"4" doc:"dimension:value pairs that must hold, such as team:growth."`
}) (*answer[MonthForecast], error) {
	filter, err := s.dimensions(nil, in.Filter)
	if err != nil {
		return nil, err
	}
	f, err := s.monthForecast(ctx, filter, s.Now())
	if err != nil {
		return nil, s.fault("forecast", err)
	}
	return &answer[MonthForecast]{f}, nil
}

// monthForecast adds what the month has cost to the forecast of its hours to come.
func (s *Server) monthForecast(ctx context.Context, filter map[string]string, now time.Time) (MonthForecast, error) {
	zone := s.Backend.Org().Zone
	local := now.In(zone)
	month := time.Date(local.Year(), local.Month(), 1, 0, 0, 0, 0, zone)
	end := month.AddDate(0, 1, 0)
	last := now.UTC().Truncate(time.Hour) // the hour that runs counts as to come
	from := earlier(month.UTC().Truncate(time.Hour), last.Add(-historyHours*time.Hour))
	spent, first, err := s.hourly(ctx, from, last.Add(time.Hour), filter)
	if err != nil {
		return MonthForecast{}, err
	}
	y := series(spent, first, last)
	out := MonthForecast{Days: []Point{}}
	steps := int(math.Ceil(end.Sub(last).Hours()))
	f, err := forecast.Run(y, forecast.Options{H: max(steps, 1), Season: dayHours, Season2: weekHours})
	switch {
	case errors.Is(err, forecast.ErrShort):
		out.Reason = "there is not enough history yet: eight whole hours are needed, better three days"
	case err != nil:
		return out, err
	default:
		out.Known = true
	}
	out.fill(month, end, last, now, spent, f, zone)
	return out, nil
}

// hourly gives the spend of each hour that has a call, and the first of them.
func (s *Server) hourly(ctx context.Context, from, to time.Time, filter map[string]string) (spent map[time.Time]sentinel.NanoUSD, first time.Time, err error) {
	rows, err := s.Backend.Usage(ctx, UsageQuery{From: from, To: to, By: []string{"hour"}, Filter: filter, Limit: maxRows})
	if err != nil {
		return nil, first, err
	}
	spent = map[time.Time]sentinel.NanoUSD{}
	for _, r := range rows {
		at, err := time.Parse("2006-01-02T15:04Z", r.Keys[0])
		if err != nil {
			return nil, first, err
		}
		if spent[at] += r.Cost; first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return spent, first, nil
}

// series lists the spend of every hour from the first one until another; none where there is no first one.
func series(spent map[time.Time]sentinel.NanoUSD, first, until time.Time) (y []float64) {
	for at := first; !first.IsZero() && at.Before(until); at = at.Add(time.Hour) {
		y = append(y, float64(spent[at]))
	}
	return y
}

// fill puts past and expected hours into days.
func (m *MonthForecast) fill(month, end, last, now time.Time, spent map[time.Time]sentinel.NanoUSD, f forecast.Forecast, zone *time.Location) {
	var actual Money // until the last whole hour
	running := Money(spent[last])
	for at := month.UTC().Truncate(time.Hour); at.Before(end); at = at.Add(time.Hour) {
		day := at.In(zone).Format(time.DateOnly)
		if n := len(m.Days); n == 0 || m.Days[n-1].Day != day {
			if at.After(now) && !m.Known {
				return
			}
			m.Days = append(m.Days, Point{Day: day})
		}
		p := &m.Days[len(m.Days)-1]
		step := int(at.Sub(last) / time.Hour)
		if step < 0 {
			actual += Money(spent[at])
			p.Actual += Money(spent[at])
			p.Total, p.Lo80, p.Hi80 = actual, actual, actual
			continue
		}
		if step == 0 {
			p.Actual += running
		}
		if !m.Known || step >= len(f.Total) {
			p.Total, p.Lo80, p.Hi80 = actual+running, actual+running, actual+running
			continue
		}
		p.Expected += money(f.Mean[step])
		// What is on the ledger already is the least that the total can be.
		p.Total, p.Lo80, p.Hi80 = max(actual+money(f.Total[step]), actual+running), max(actual+money(f.TotalLo80[step]), actual+running), max(actual+money(f.TotalHi80[step]), actual+running)
		m.Mean, m.Lo80, m.Hi80 = p.Total, p.Lo80, p.Hi80
	}
}

// money rounds an estimate; a float holds no amount that is booked.
func money(nano float64) Money {
	const most = math.MaxInt64 / 4
	return Money(math.Round(min(max(nano, -most), most)))
}
