package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/alerts"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/store"
)

const (
	digestScope = "digest/"     // begins a digest's scope
	digestLate  = time.Hour     // one that could not be told by then is left out
	digestOpen  = 2 * time.Hour // from its time: longer than digestLate, so that a restart tells nothing twice
	digestNames = 3             // services that are named
)

// digest reports what a day or a week has cost, and gives when it was due.
func (al *alerting) digest(ctx context.Context, now time.Time, d policy.Digest) (told time.Time, err error) {
	set := al.app.governor.State().Policy
	from, to, told := d.Period(now, set.Zone)
	before := from.In(set.Zone).AddDate(0, 0, -d.Days).UTC()
	this, err := al.totals(ctx, from, to)
	if err != nil {
		return told, err
	}
	last, err := al.totals(ctx, before, from)
	if err != nil {
		return told, err
	}
	title, detail := digestText(set.Org, from.In(set.Zone), d.Days, this, last)
	al.inbox.Report(alerts.Event{
		Rule: d.Name(), Scope: digestScope + map[int]string{1: "day", 7: "week"}[d.Days], Window: from.Format(time.RFC3339), Firing: true,
		Title: title, Detail: detail, At: now, Until: told.Add(digestOpen),
	})
	return told, nil
}

// totals sums a time by service, the most expensive first.
func (al *alerting) totals(ctx context.Context, from, to time.Time) ([]store.UsageRow, error) {
	return al.app.store.Usage(ctx, store.UsageQuery{From: from, To: to, By: []string{"service"}, Rolled: true, Limit: maxGroups})
}

// digestText writes a digest: what was spent against the time before, by whom, and how much was refused.
func digestText(org string, from time.Time, days int, this, last []store.UsageRow) (title, detail string) {
	cost, calls, refused := sums(this)
	was, _, _ := sums(last)
	period, before := "on "+from.Format("Monday, 2 January"), "the day before"
	if days > 1 {
		period, before = "in the week from "+from.Format("Monday, 2 January"), "the week before"
	}
	title = fmt.Sprintf("%s spent %s USD %s", org, dollars(float64(cost)), period)
	switch {
	case was > 0 && cost >= was:
		title += fmt.Sprintf(", %.0f %% more than %s", 100*(float64(cost)/float64(was)-1), before)
	case was > 0:
		title += fmt.Sprintf(", %.0f %% less than %s", 100*(1-float64(cost)/float64(was)), before)
	}
	var names []string
	for _, r := range this[:min(len(this), digestNames)] {
		if r.Cost > 0 {
			names = append(names, fmt.Sprintf("%s %s USD", r.Keys[0], dollars(float64(r.Cost))))
		}
	}
	detail = fmt.Sprintf("%d calls, %d refused", calls, refused)
	if len(names) > 0 {
		detail += "; most by " + strings.Join(names, ", ")
	}
	return title, detail
}

func sums(rows []store.UsageRow) (cost sentinel.NanoUSD, calls, refused int64) {
	for _, r := range rows {
		cost, calls, refused = cost+r.Cost, calls+r.Calls, refused+r.Refused
	}
	return cost, calls, refused
}
