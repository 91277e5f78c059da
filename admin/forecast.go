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
	Mean   Money   `json:"mean" doc:"Above it and below it with even odds."`
	Lo80   Money   `json:"lo80" doc:"Between lo80 and hi80 80 times of 100."`
	Hi80   Money   `json:"hi80"`
	Lo95   Money   `json:"lo95" doc:"Between lo95 and hi95 95 times of 100."`
	Hi95   Money   `json:"hi95"`
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
	Lo95     Money  `json:"lo95"`
	Hi95     Money  `json:"hi95"`
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
	m := month{zone: s.Backend.Org().Zone, now: now, last: now.UTC().Truncate(time.Hour)}
	local := now.In(m.zone)
	m.begin, m.end = sentinel.DayStart(local.Year(), local.Month(), 1, m.zone), sentinel.DayStart(local.Year(), local.Month()+1, 1, m.zone)
	var err error
	if m.days, err = s.daily(ctx, m.begin, m.last.Add(time.Hour), m.zone, filter); err != nil {
		return MonthForecast{}, err
	}
	spent, first, err := s.hourly(ctx, m.last.Add(-historyHours*time.Hour), m.last.Add(time.Hour), filter)
	if err != nil {
		return MonthForecast{}, err
	}
	m.running = Money(spent[m.last])
	out := MonthForecast{Days: []Point{}}
	steps := int(math.Ceil(m.end.Sub(m.last).Hours()))
	calendar, err := s.calendar(ctx, first, filter)
	if err != nil {
		return MonthForecast{}, err
	}
	f, err := forecast.Run(series(spent, first, m.last), forecast.Options{H: max(steps, 1), Season: dayHours, Season2: weekHours, Calendar: calendar})
	switch {
	case errors.Is(err, forecast.ErrShort):
		out.Reason = "there is not enough history yet: eight whole hours are needed, better three days"
	case err != nil:
		return out, err
	default:
		out.Known = true
	}
	out.fill(m, f)
	return out, nil
}

// month is what was spent in the current one.
type month struct {
	zone            *time.Location
	begin, end, now time.Time
	last            time.Time // begin of the hour that runs: it counts as to come
	days            map[string]Money
	running         Money // in the hour that runs
}

// daily gives the spend of each day of a zone that has a call. Hours would not do: a zone's days may begin within one of UTC.
func (s *Server) daily(ctx context.Context, from, to time.Time, zone *time.Location, filter map[string]string) (map[string]Money, error) {
	rows, err := s.Backend.Usage(ctx, UsageQuery{From: from.UTC(), To: to.UTC(), By: []string{"day"}, Filter: filter, Zone: zone, Limit: maxRows})
	days := map[string]Money{}
	for _, r := range rows {
		days[r.Keys[0]] += Money(r.Cost)
	}
	return days, err
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

// fill puts days that were and hours that are expected together. What is on the ledger already is the least that a total can be.
func (m *MonthForecast) fill(in month, f forecast.Forecast) {
	first := in.begin.In(in.zone)
	total := Money(0)
	for day := 1; ; day++ {
		begin := sentinel.DayStart(first.Year(), first.Month(), day, in.zone)
		if !begin.Before(in.end) || begin.After(in.now) && !m.Known {
			break
		}
		name := time.Date(first.Year(), first.Month(), day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		total += in.days[name]
		m.Days = append(m.Days, Point{Day: name, Actual: in.days[name], Total: total, Lo80: total, Hi80: total, Lo95: total, Hi95: total})
	}
	if !m.Known {
		return
	}
	ends := func(sums []float64, step int) Money { return max(total-in.running+money(sums[step]), total) }
	for step := range f.Total {
		at := in.last.Add(time.Duration(step) * time.Hour)
		if !at.Before(in.end) {
			return
		}
		if step == 0 { // a day may have begun within the hour that runs
			at = in.now
		}
		p := &m.Days[at.In(in.zone).Day()-1]
		p.Expected += money(f.Mean[step])
		p.Total = ends(f.Total, step)
		p.Lo80, p.Hi80 = ends(f.TotalLo80, step), ends(f.TotalHi80, step)
		p.Lo95, p.Hi95 = ends(f.TotalLo95, step), ends(f.TotalHi95, step)
		m.Mean, m.Lo80, m.Hi80, m.Lo95, m.Hi95 = p.Total, p.Lo80, p.Hi80, p.Lo95, p.Hi95
	}
}

// money rounds an estimate; a float holds no amount that is booked.
func money(nano float64) Money {
	const most = math.MaxInt64 / 4
	return Money(math.Round(min(max(nano, -most), most)))
}
