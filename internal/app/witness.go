package app

import (
	"context"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/envoy"
	"github.com/saas-sentinel/saas-sentinel/governor"
)

// Envoy's access log is the second witness of every call. It tells the reconciler what became of a call whose processor died, and
// an auditor of the gateway itself compares it with the ledger.
const (
	witnessLag   = 2 * time.Minute  // Envoy writes its log late, by 10 s, and the ledger is behind by the spool
	witnessEvery = 30 * time.Second // how often the ledger is compared
	driftAfter   = 10 * time.Minute // a call that the ledger lacks for so long counts
	maxDoubts    = 10_000           // calls that the ledger lacks, and that are looked for again
)

// evidence is what the access log says of a call.
func (a *App) evidence(id sentinel.CallID) governor.Evidence {
	if a.witness == nil {
		return governor.Evidence{}
	}
	s, ok := a.witness.Find(id)
	if !ok {
		return governor.Evidence{}
	}
	// Another id of the same request is another processor's: this one died before Envoy had its verdict.
	return governor.Evidence{Seen: true, Delivered: s.Told && s.Reached && s.Call == id, Status: int(s.Status), Duration: s.Duration()}
}

// watchEnvoy reads the access log, where this process can.
func (a *App) watchEnvoy(ctx context.Context) error {
	if a.witness == nil {
		return nil
	}
	return a.witness.Run(ctx)
}

// compareWitness finds calls that Envoy carried to a provider, and that the ledger does not know.
func (a *App) compareWitness(ctx context.Context) error {
	if a.witness == nil {
		return nil
	}
	tick := time.NewTicker(witnessEvery)
	defer tick.Stop()
	d := doubts{since: time.Now().UTC().Add(-driftAfter)}
	for {
		a.loops.witness.round()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := time.Now().UTC()
		d.add(a.witness.Between(d.since, now.Add(-witnessLag)))
		d.since = now.Add(-witnessLag)
		known, err := a.store.Known(ctx, d.calls())
		if err != nil {
			a.log.Warn().Err(err).Msg("Envoy's access log not compared with the ledger")
			continue
		}
		for _, lost := range d.settle(known, now) {
			a.metrics.drift.Inc()
			a.alerting.facts.add(factKey{kind: "drift", name: "envoy"}, true)
			a.log.Error().Str("call", lost.Call.String()).Int16("status", lost.Status).Int64("bytes_sent", lost.Sent).Msg("Envoy carried a call that is not on the ledger")
		}
		a.metrics.compared.Add(float64(len(known)))
	}
}

// doubts are calls of the access log that the ledger does not have yet.
type doubts struct {
	since time.Time
	open  []envoy.Seen
}

func (d *doubts) add(list []envoy.Seen) {
	d.open = append(d.open, list[:min(len(list), maxDoubts-len(d.open))]...)
}

func (d *doubts) calls() []sentinel.CallID {
	ids := make([]sentinel.CallID, len(d.open))
	for i, s := range d.open {
		ids[i] = s.Call
	}
	return ids
}

// settle forgets the calls that are known, and gives those that have been unknown for too long, once.
func (d *doubts) settle(known map[sentinel.CallID]bool, now time.Time) (lost []envoy.Seen) {
	kept := d.open[:0]
	for _, s := range d.open {
		switch {
		case known[s.Call]:
		case now.Sub(s.Ended()) > driftAfter:
			lost = append(lost, s)
		default:
			kept = append(kept, s)
		}
	}
	d.open = kept
	return lost
}
