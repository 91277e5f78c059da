package admin

import (
	"context"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ml/forecast"
)

// pastDays are the days before a forecast's hours that month ends and holidays are learnt from besides.
const pastDays = 26 * 7

// calendar is that of hours from first on, with the days before them. The backend keeps their sums: they are asked for once a day.
func (s *Server) calendar(ctx context.Context, first time.Time, filter map[string]string) (*forecast.Calendar, error) {
	org := s.Backend.Org()
	c := &forecast.Calendar{First: first, Step: time.Hour, Zone: org.Zone, Holiday: org.Holiday}
	if first.IsZero() {
		return c, nil
	}
	year, month, day := first.In(org.Zone).Date()
	spent, err := s.daily(ctx, sentinel.DayStart(year, month, day-pastDays, org.Zone), sentinel.DayStart(year, month, day, org.Zone), org.Zone, filter)
	if err != nil {
		return nil, err
	}
	for at := day - pastDays; at < day; at++ {
		cost := spent[time.Date(year, month, at, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)]
		if len(c.Earlier) > 0 || cost > 0 { // before its first call a service had no habits
			c.Earlier = append(c.Earlier, float64(cost))
		}
	}
	return c, nil
}
