package app

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/audit"
	"github.com/saas-sentinel/saas-sentinel/extproc"
)

// Bounds of the verdicts that wait for the audit chain: callers must not be able to fill it at will. What is past them is counted,
// in the chain itself.
const (
	maxVerdicts   = 10_000
	verdictsAtMax = 200         // rows of one transaction
	verdictPause  = time.Second // between transactions: so many rows in it at most
)

// verdicts writes chosen verdicts into the audit chain, beside the path.
type verdicts struct {
	chosen map[sentinel.Action]bool
	queue  chan sentinel.AuditRow
	lost   atomic.Int64 // not in the chain yet
	missed atomic.Int64 // ever
}

func newVerdicts(names []string) *verdicts {
	v := &verdicts{chosen: map[sentinel.Action]bool{}}
	for _, name := range names {
		action, _ := sentinel.ActionByName(name) // checked with the configuration
		v.chosen[action] = true
	}
	if len(names) > 0 { // the queue alone is 2 MB
		v.queue = make(chan sentinel.AuditRow, maxVerdicts)
	}
	return v
}

// observe takes a chosen verdict. It is on the path of a call: it never waits.
func (v *verdicts) observe(o extproc.Observation) {
	if o.Entry != nil || !v.chosen[o.Action] {
		return
	}
	c := o.Call
	row := sentinel.AuditRow{
		Actor: cmp.Or(strings.Trim(c.Caller.Team+"/"+c.Caller.Service, "/"), "unknown caller"), Action: "verdict." + o.Action.String(),
		Object: strings.Trim(c.Provider+"/"+c.Endpoint+"/"+c.Model, "/"), After: strings.TrimSpace(string(o.Reason) + " " + c.ID.String()),
	}
	select {
	case v.queue <- row:
	default:
		v.lost.Add(1)
		v.missed.Add(1)
	}
}

// run writes what is queued until ctx ends, and then what is left, once served is closed. A batch that the chain does not take
// is tried again: the queue behind it is bounded.
func (v *verdicts) run(ctx context.Context, log *audit.Log, by string, served <-chan struct{}, told zerolog.Logger) error {
	for ctx.Err() == nil {
		sleep(ctx, verdictPause)
		rows, lost := v.take(by)
		for len(rows) > 0 && ctx.Err() == nil {
			err := log.Record(ctx, rows...)
			if err == nil {
				rows = nil
				v.lost.Add(-lost)
				break
			}
			told.Warn().Err(err).Int("rows", len(rows)).Msg("verdicts not in the audit chain yet")
			sleep(ctx, drainWait)
		}
		v.back(rows)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime+lastDrain)
	defer cancel()
	select {
	case <-served:
	case <-end.Done():
	}
	for rows, lost := v.take(by); len(rows) > 0; rows, lost = v.take(by) {
		if err := log.Record(end, rows...); err != nil {
			told.Warn().Err(err).Int("rows", len(rows)+len(v.queue)).Msg("verdicts are not in the audit chain")
			return nil
		}
		v.lost.Add(-lost)
	}
	return nil
}

// take gives what is queued, up to the bound, and a row that counts what was lost since the last one.
func (v *verdicts) take(by string) (rows []sentinel.AuditRow, lost int64) {
	if lost = v.lost.Load(); lost > 0 {
		rows = append(rows, sentinel.AuditRow{Actor: by, Action: "verdict.lost", After: fmt.Sprintf("%d verdicts came faster than they could be recorded", lost)})
	}
	for len(rows) < verdictsAtMax {
		select {
		case r := <-v.queue:
			rows = append(rows, r)
		default:
			return rows, lost
		}
	}
	return rows, lost
}

// back queues rows again that a stop kept from the chain.
func (v *verdicts) back(rows []sentinel.AuditRow) {
	for _, r := range rows {
		if r.Action == "verdict.lost" {
			continue // it is still counted
		}
		select {
		case v.queue <- r:
		default:
			v.lost.Add(1)
			v.missed.Add(1)
		}
	}
}
