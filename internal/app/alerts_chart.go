package app

import (
	"context"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/alerts"
)

// Bounds of charts.
const (
	chartHours = 48
	bandDays   = 14 // of the past that say what is expected
	leastDays  = 4  // below which nothing is expected
	bandEdge   = 10 // of a hundred are below the band, and as many above it
)

// chart draws what a message is about. Nothing to draw is no fault.
func (al *alerting) chart(ctx context.Context, m alerts.Message) *alerts.Chart {
	now := time.Now().UTC()
	to := now.Truncate(time.Hour).Add(time.Hour)
	filter, ok := filterOf(m.Scope)
	show := chartHours
	if period, is := strings.CutPrefix(m.Scope, digestScope); is {
		filter, ok, show, to = nil, true, map[string]int{"day": weekHours, "week": 4 * weekHours}[period], to.Add(-time.Hour)
	}
	if !ok || m.Test {
		return nil
	}
	set := al.app.governor.State().Policy
	l, known := set.Limit(m.Scope, now)
	budget := known && l.Kind == sentinel.Window && l.Measure == sentinel.MeasureCost && now.Sub(l.Start) >= time.Hour
	if budget {
		show = min(int(to.Sub(l.Start.Truncate(time.Hour))/time.Hour), pastHours)
	}
	past, err := al.spend(ctx, filter, to, show+bandDays*dayHours)
	if err != nil {
		al.app.log.Warn().Err(err).Msg("chart not drawn")
		return nil
	}
	c := drawn(past, show)
	switch {
	case budget:
		c.Title, c.Budget = l.Name+": spent since "+l.Start.In(set.Zone).Format("2 January 15:04"), float64(l.Max)/float64(sentinel.USD)
		for _, series := range [][]float64{c.Actual, c.Low, c.High} {
			for i := 1; i < len(series); i++ {
				series[i] += series[i-1]
			}
		}
	case filter == nil:
		c.Title = set.Org + ": US dollars an hour"
	default:
		c.Title = strings.Join(strings.SplitN(m.Scope, "/", 3)[:2], " ") + ": US dollars an hour"
	}
	return c
}

// drawn makes a chart of the last show hours, and of what the same hours of the days before lead to expect.
func drawn(past hours, show int) *alerts.Chart {
	first := len(past.y) - show
	began := slices.IndexFunc(past.y, func(v float64) bool { return v > 0 })
	if began < 0 {
		began = len(past.y)
	}
	c := &alerts.Chart{}
	for i := first; i < len(past.y); i++ {
		c.At = append(c.At, past.from.Add(time.Duration(i)*time.Hour))
		c.Actual = append(c.Actual, past.y[i]/float64(sentinel.USD))
	}
	if first-began < leastDays*dayHours {
		return c
	}
	for i := first; i < len(past.y); i++ {
		var same []float64
		for k := i - (i-first)/dayHours*dayHours - dayHours; k >= max(began, first-bandDays*dayHours); k -= dayHours {
			same = append(same, past.y[k]/float64(sentinel.USD))
		}
		slices.Sort(same)
		c.Low = append(c.Low, same[(len(same)-1)*bandEdge/100])
		c.High = append(c.High, same[len(same)-1-(len(same)-1)*bandEdge/100])
	}
	return c
}
