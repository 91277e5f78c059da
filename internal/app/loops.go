package app

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/saas-sentinel/saas-sentinel/admin"
)

const (
	// loopStuck is how long a round may take. A round's own timeouts end after at most half a minute each; past this only a restart helps.
	loopStuck = 5 * time.Minute
	// loopSlow is how long a round may take of which a dependency may hold up any part.
	loopSlow = time.Minute
)

// loop tells whether work that goes on in rounds still does.
type loop struct {
	name string
	// waits is what a round may wait for without an end, empty for nothing. No restart brings that back: such a loop is degraded, never down.
	waits string
	every time.Duration // between rounds; 0 for one that begins when there is work
	began atomic.Pointer[time.Time]
}

// round says that a round begins.
func (l *loop) round() {
	now := time.Now()
	l.began.Store(&now)
}

// rest says that a round has ended, and that the next begins when there is work.
func (l *loop) rest() { l.began.Store(nil) }

// component tells how the loop is.
func (l *loop) component(now time.Time) admin.Component {
	began := l.began.Load()
	if began == nil {
		return admin.Component{Name: l.name, State: admin.StateOK, Detail: "it waits for work"}
	}
	since, took := began.UTC().Format(time.RFC3339), now.Sub(*began)
	switch {
	case l.waits == "" && took > l.every+loopStuck:
		return admin.Component{Name: l.name, State: admin.StateDown, Detail: fmt.Sprintf("it has stood still since %s, for %s", since, took.Round(time.Second))}
	case l.waits != "" && took > l.every+loopSlow:
		return admin.Component{Name: l.name, State: admin.StateDegraded, Detail: fmt.Sprintf("it has waited for %s since %s, for %s", l.waits, since, took.Round(time.Second))}
	}
	return admin.Component{Name: l.name, State: admin.StateOK, Detail: "its last round began at " + since}
}

// loops are those without which a process serves on and is of no use: each does its part of the calls' accounts, rules or alarms.
type loops struct{ ledger, policy, alerts, reconciler, witness loop }

func (l *loops) name(c Config) {
	l.ledger.name, l.ledger.waits = "ledger", "the database"
	l.policy.name, l.policy.every = "policy", followEvery
	l.alerts.name, l.alerts.every = "alerts", judgeEvery
	l.reconciler.name, l.reconciler.waits, l.reconciler.every = "reconciler", "the database", c.Reconcile.Every
	l.witness.name, l.witness.waits, l.witness.every = "witness", "the database", witnessEvery
}

// look tells how each loop is.
func (l *loops) look(now time.Time) (out []admin.Component) {
	for _, one := range []*loop{&l.ledger, &l.policy, &l.alerts, &l.reconciler, &l.witness} {
		out = append(out, one.component(now))
	}
	return out
}

// lines writes components as the probes answer them.
func lines(list []admin.Component) string {
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "%s %s: %s\n", c.Name, c.State, c.Detail)
	}
	return b.String()
}
