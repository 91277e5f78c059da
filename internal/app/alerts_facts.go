package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/alerts"
	"github.com/saas-sentinel/saas-sentinel/extproc"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// Bounds of what is counted for alerts.
const (
	maxFacts    = 10_000 // counters; a caller or provider past that is not counted
	maxWindows  = 10_000 // budgets whose end is remembered
	halfMinute  = 30 * time.Second
	judgeEvery  = time.Second
	staleVault  = 2 // refresh periods without an answer
	knownWindow = 24 * time.Hour
	// staleDatabase is how long the database may be silent.
	staleDatabase = 5 * time.Second
	// failsAgain is within which a second write that the database did not take is told: one alone is what a restart of it costs.
	failsAgain = time.Minute
)

var (
	databaseAway = factKey{kind: "dependency", name: "database"} // its incident is written when it is back; until then people are told without it
	cacheAway    = factKey{kind: "dependency", name: "redis"}    // Redis does not answer, or has lost its counters
)

// factKey is one thing that is counted.
type factKey struct{ kind, team, service, provider, reason, name string }

// scope names it in an incident.
func (k factKey) scope() string {
	switch {
	case k.name != "":
		return k.kind + "/" + k.name
	case k.service != "":
		return "service/" + k.service + "/" + k.provider
	case k.provider != "":
		return "provider/" + k.provider
	}
	return k.kind
}

// count is what was seen in this half minute and in the one before.
type count struct{ now, before, badNow, badBefore int64 }

// facts are counters of the last minute, and which rules fire on them.
type facts struct {
	mu      sync.Mutex
	turned  time.Time
	counts  map[factKey]*count
	waits   map[string]*waits       // by provider
	firing  map[string]alerts.Event // by incident
	windows sync.Map                // cell → sentinel.Limit of its last window
	n       int                     // windows that are known
}

// add counts one thing. It is on the path of a call: a lock, and no I/O.
func (f *facts) add(k factKey, bad bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counts == nil {
		f.counts = map[factKey]*count{}
	}
	c := f.counts[k]
	if c == nil {
		if len(f.counts) >= maxFacts {
			return
		}
		c = &count{}
		f.counts[k] = c
	}
	c.now++
	if bad {
		c.badNow++
	}
}

// observe counts a decision or a settlement.
func (al *alerting) observe(o extproc.Observation) {
	if o.Passage != policy.PassDeny {
		if o.Passage == policy.PassAlert {
			al.facts.add(factKey{kind: "other_host", team: o.Call.Caller.Team, service: o.Call.Caller.Service, name: o.Call.Endpoint}, true)
		}
		return
	}
	al.watch.observe(o)
	al.firsts.observe(o)
	c := o.Call
	if e := o.Entry; e != nil {
		if e.Action.Refused() {
			return
		}
		if e.Unpriced() { // let through at a flat price, or free
			al.facts.add(unpricedBy(c), true)
		}
		al.facts.add(factKey{kind: "errors", provider: c.Provider}, e.Status >= 500 || e.Status == 0)
		al.facts.wait(c.Provider, e.FirstByte)
		if e.Status == 401 || e.Status == 403 {
			al.facts.add(factKey{kind: "key_refused", provider: c.Provider}, true)
		}
		return
	}
	switch {
	case o.Reason == sentinel.ReasonLimiterUnavailable:
		al.facts.add(cacheAway, true)
	case o.Reason == sentinel.ReasonLedgerUnavailable:
		al.facts.add(factKey{kind: "dependency", name: "ledger"}, true)
	case o.Reason == sentinel.ReasonCredential:
		al.facts.add(factKey{kind: "key_refused", provider: c.Provider}, true)
	case o.Reason == sentinel.ReasonUnpriced:
		al.facts.add(unpricedBy(c), true)
	case c.Caller.Service == "": // nobody knows who it is: an attacker must not choose what is counted
		return
	case o.Action == sentinel.Downgrade:
		al.facts.add(factKey{kind: "downgraded", team: c.Caller.Team, service: c.Caller.Service, provider: c.Provider}, true)
	case o.Action.Refused():
		al.facts.add(factKey{kind: "refused", team: c.Caller.Team, service: c.Caller.Service, provider: c.Provider, reason: string(o.Reason)}, true)
	}
}

// unpricedBy counts calls without a price, by who makes them.
func unpricedBy(c sentinel.Call) factKey {
	return factKey{kind: "unpriced", team: c.Caller.Team, service: c.Caller.Service, provider: c.Provider}
}

// judge looks at the counters every second.
func (al *alerting) judge(ctx context.Context) error {
	tick := time.NewTicker(judgeEvery)
	defer tick.Stop()
	for {
		al.app.loops.alerts.round()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			now := time.Now().UTC()
			asked, cancel := context.WithTimeout(ctx, staleDatabase) // the other facts do not wait for a database that is silent
			err := al.firsts.look(asked, now, al.app.store.Usage)
			cancel()
			if err != nil && ctx.Err() == nil {
				al.app.log.Warn().Err(err).Msg("ledger not asked for what is new")
			}
			al.judgeOnce(now)
		}
	}
}

// missing notes the dependencies that do not answer.
func (al *alerting) missing() {
	if age := al.app.secrets.Age(); age > staleVault*al.app.config.Vault.Refresh {
		al.facts.add(factKey{kind: "dependency", name: "vault"}, true)
	}
	al.silent()
	if al.away != nil && al.away() > staleDatabase {
		al.facts.add(databaseAway, true)
	}
	if l := al.app.limiter; l != nil && l.Away() { // whatever the policy's mode: open and local let calls pass that nobody else tells of
		al.facts.add(cacheAway, true)
	}
}

func (al *alerting) judgeOnce(now time.Time) {
	al.missing()
	if al.app.now().Sub(now).Abs() > mostSkew {
		al.facts.add(factKey{kind: "dependency", name: dependencyClock}, true)
	}
	list := al.facts.take(now)
	if lag := al.app.spool.Stats().LagRecords; lag > 0 {
		list = append(list, seen{factKey{kind: "spool_lag"}, policy.AlertFact{Kind: "spool_lag", Count: lag}})
	}
	list = append(list, al.app.untakenPolicies()...)
	list = append(list, al.watch.strange(now)...)
	list = append(list, al.firsts.seen(now)...)
	list = append(list, al.certificates.seen(now, al.app.certificateEnds)...)
	rules := al.book.Load().rules
	fires := map[string]alerts.Event{}
	for _, s := range list {
		for _, r := range rules {
			if r.On != s.fact.Kind || !r.When.Holds(s.fact) {
				continue
			}
			e := alerts.Event{Rule: r.Name, Scope: s.key.scope(), Firing: true, Severity: severityOf(s.fact), At: now, Title: titleOf(s), Detail: detailOf(s)}
			fires[sentinel.IncidentID(e.Rule, e.Scope, "")] = e
		}
	}
	al.unusual(now, fires)
	for _, e := range al.evaluated.judged(now, list, al.facts.firing, fires) {
		al.inbox.Report(e)
	}
	if now.Second()%10 == 0 { // a cause that lasts is confirmed, not repeated
		for id, e := range fires {
			if _, was := al.facts.firing[id]; was {
				al.inbox.Report(e)
			}
		}
	}
	al.facts.firing = fires
}

// outage is what is told while the database is away, by the rules that would open an incident then.
func (al *alerting) outage() (m alerts.Message, to []string) {
	s := seen{databaseAway, policy.AlertFact{Kind: databaseAway.kind, Name: databaseAway.name, Count: 1}}
	b := al.book.Load()
	for _, r := range b.rules {
		if r.On != s.fact.Kind || !r.When.Holds(s.fact) {
			continue
		}
		m = alerts.Message{Group: b.machine.Rules[r.Name].GroupKey(s.key.scope()), Rule: r.Name, Severity: r.Severity.String(), State: sentinel.IncidentOpen.String(),
			Title: titleOf(s), Scope: s.key.scope(), Note: true}
		for _, c := range r.To {
			if !slices.Contains(to, c) {
				to = append(to, c)
			}
		}
	}
	return m, to
}

// unusual adds the events of policies that tell a channel while a service is unusual.
func (al *alerting) unusual(now time.Time, fires map[string]alerts.Event) {
	scores, set := al.app.governor.Scores.Load(), al.app.governor.State().Policy
	telling := set.Telling()
	if len(telling) == 0 {
		return
	}
	for _, service := range scores.Services() {
		for _, name := range set.Acting(scores, service) {
			if !slices.ContainsFunc(telling, func(r policy.UnusualRule) bool { return r.Name == name }) {
				continue
			}
			e := alerts.Event{Rule: unusualPrefix + name, Scope: "service/" + service + "/any", Firing: true, At: now,
				Title:  fmt.Sprintf("calls of %s are unusual, and the policy %s acts", service, name),
				Detail: "as the scores of all gateway processes have it"}
			fires[sentinel.IncidentID(e.Rule, e.Scope, "")] = e
		}
	}
}

// Names under which a full spool, and a clock that is not Redis', are told.
const (
	dependencySpool = "spool"
	dependencyClock = "clock"
)

// unwritten notes a write that the database did not take, where it is not the only one.
func (al *alerting) unwritten(now time.Time) {
	if al == nil {
		return
	}
	if now.Sub(al.unwrittenAt) < failsAgain {
		al.facts.add(databaseAway, true)
	}
	al.unwrittenAt = now
}

// unmetered notes a record that a full spool did not take.
func (al *alerting) unmetered() {
	if al != nil {
		al.facts.add(factKey{kind: "dependency", name: dependencySpool}, true)
	}
}

// seen is a fact and what it is about.
type seen struct {
	key  factKey
	fact policy.AlertFact
}

// take gives the counts of the last 30 to 60 seconds, and forgets what is older.
func (f *facts) take(now time.Time) []seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	turn := now.Sub(f.turned) >= halfMinute
	if turn {
		f.turned = now
	}
	out := make([]seen, 0, len(f.counts))
	for k, c := range f.counts {
		n, bad := c.now+c.before, c.badNow+c.badBefore
		if n == 0 {
			delete(f.counts, k)
			continue
		}
		s := seen{k, policy.AlertFact{
			Kind: k.kind, Team: k.team, Service: k.service, Provider: k.provider, Reason: k.reason, Name: k.name,
			Count: n, Rate: float64(bad) / float64(n),
		}}
		out = append(out, s)
		if k.kind == "errors" { // the same calls, judged by another measure
			s.key.kind, s.fact.Kind = "outage", "outage"
			out = append(out, s)
		}
		if turn {
			*c = count{before: c.now, badBefore: c.badNow}
		}
	}
	return append(out, f.slow(turn)...)
}

// crossed reports that a budget reached a share.
func (al *alerting) crossed(org string, c sentinel.Crossing) {
	al.app.sayCrossed(org, c)
	end, name := time.Now().UTC().Add(knownWindow), c.Cell
	if v, ok := al.facts.windows.Load(c.Cell); ok {
		if l := v.(sentinel.Limit); l.Start.Equal(c.Start) {
			end, name = l.End, l.Name
		}
	}
	fact := policy.AlertFact{Kind: "budget", Limit: c.Cell, Share: float64(c.Share) / sentinel.FullShare}
	for _, r := range al.book.Load().rules {
		if r.On != "budget" || !r.When.Holds(fact) {
			continue
		}
		severity := r.Severity
		if c.Share >= sentinel.FullShare {
			severity = sentinel.SeverityCritical
		}
		e := alerts.Event{
			Rule: r.Name, Scope: c.Cell, Window: c.Start.UTC().Format(time.RFC3339), Firing: true, Severity: severity, Level: c.Share,
			Title:  fmt.Sprintf("%s has reached %d %% of %s", name, c.Share/100, amountOf(c)),
			Detail: "the window ends " + end.Format("2006-01-02 15:04 UTC"), At: time.Now().UTC(), Until: end,
		}
		al.inbox.Report(e)
	}
}

// amountOf writes a limit's whole: dollars of a budget, a number of anything else.
func amountOf(c sentinel.Crossing) string {
	if strings.Contains(c.Cell, "/cost/") || strings.HasPrefix(c.Cell, "cost/") {
		return sentinel.NanoUSD(c.Max).String()
	}
	return fmt.Sprint(c.Max)
}

// scopeOf finds the ledger's dimension of a budget's cell.
func scopeOf(cell string) (dimension, name string, ok bool) {
	kind, rest, _ := strings.Cut(cell, "/")
	if kind != "team" && kind != "service" && kind != "provider" {
		return "", "", false
	}
	name, _, _ = strings.Cut(rest, "/")
	return kind, name, name != ""
}

// watchedLimiter tells of crossings, each of which the limiter reports once and to one process, and remembers when windows end.
type watchedLimiter struct {
	governor.Limiter
	report func(org string, c sentinel.Crossing)
	facts  *facts
}

// Reserve asks the limiter.
func (w *watchedLimiter) Reserve(ctx context.Context, a sentinel.Ask) (sentinel.Reservation, error) {
	for _, c := range a.Candidates {
		for i := range c.Limits {
			if l := &c.Limits[i]; len(l.WarnAt) > 0 || l.Charge {
				w.facts.remember(l)
			}
		}
	}
	r, err := w.Limiter.Reserve(ctx, a)
	for _, c := range r.Crossed {
		w.report(a.Org, c)
	}
	return r, err
}

// Settle asks the limiter.
func (w *watchedLimiter) Settle(ctx context.Context, s sentinel.Settlement) (sentinel.Settled, error) {
	out, err := w.Limiter.Settle(ctx, s)
	for _, c := range out.Crossed {
		w.report(s.Org, c)
	}
	return out, err
}

// remember keeps a window's name and end for the message about it.
func (f *facts) remember(l *sentinel.Limit) {
	if v, ok := f.windows.Load(l.Cell); ok && v.(sentinel.Limit).Start.Equal(l.Start) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n++; f.n > maxWindows {
		f.windows.Clear()
		f.n = 1
	}
	f.windows.Store(l.Cell, *l)
}
