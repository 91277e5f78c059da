package app

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/saas-sentinel/saas-sentinel/admin"
)

// healthTimeout bounds one look at the parts.
const healthTimeout = 2 * time.Second

// Health looks at each part that the gateway depends on.
func (b *adminBackend) Health(ctx context.Context) []admin.Component { return b.app.look(ctx) }

// gateway tells whether Envoy takes calls. In a pod of an application it listens on loopback, where no probe of the kubelet arrives.
func (a *App) gateway(ctx context.Context) error {
	c, err := (&net.Dialer{Timeout: healthTimeout}).DialContext(ctx, "tcp", a.config.Envoy.Listen)
	if err != nil {
		return fmt.Errorf("envoy does not take calls yet: %w", err)
	}
	return c.Close()
}

// look looks at each part that the gateway depends on.
func (a *App) look(ctx context.Context) []admin.Component {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	var out []admin.Component
	add := func(name, state, format string, args ...any) {
		out = append(out, admin.Component{Name: name, State: state, Detail: fmt.Sprintf(format, args...)})
	}
	if n := a.envoy.Connected(); n > 0 {
		add("envoy", admin.StateOK, "%d connected to this process", n)
	} else {
		add("envoy", admin.StateDegraded, "none is connected to this process")
	}
	down := a.governor.State().Policy.WhenLimiterDown
	if _, err := a.limiter.Overrides(ctx, a.governor.State().Policy.Org); err != nil {
		add("limiter", admin.StateDown, "Redis does not answer: hard budgets are %s and rates %s, as when_redis_is_down says", down.HardBudgets, down.Rates)
	} else if who := a.recount.waiting.Load(); who != nil {
		add("limiter", admin.StateDegraded, "Redis has lost its counters, and they wait for records that are not in the ledger: start these processes again with their spools: %s", *who)
	} else if a.limiter.Away() {
		add("limiter", admin.StateDegraded, "Redis was away or has lost its counters: hard budgets are %s and rates %s until they are back", down.HardBudgets, down.Rates)
	} else {
		add("limiter", admin.StateOK, "Redis answers")
	}
	if _, _, err := a.store.Version(ctx); err != nil {
		add("database", admin.StateDown, "it does not answer: the ledger waits in the spool")
	} else {
		add("database", admin.StateOK, "it answers")
	}
	s := a.spool.Stats()
	state := admin.StateOK
	if s.Bytes > a.config.Spool.MaxBytes/2 {
		state = admin.StateDegraded
	}
	if a.journal.open() {
		state = admin.StateDown
	}
	if n := a.journal.entries.Load() + a.journal.intents.Load(); n > 0 {
		add("unmetered", state, "a full spool did not take %d records since this process began: their calls went on", n)
	}
	add("spool", state, "%d records wait for the database; %d of %d MiB are in use", s.LagRecords, s.Bytes>>20, a.config.Spool.MaxBytes>>20)
	switch age := a.secrets.Age(); {
	case age > a.config.Vault.MaxStale:
		add("vault", admin.StateDown, "it has not answered for %s: credentials are not used any longer", age.Round(time.Second))
	case age > 3*a.config.Vault.Refresh:
		add("vault", admin.StateDegraded, "it has not answered for %s: the last credentials are used until %s", age.Round(time.Second), a.config.Vault.MaxStale)
	default:
		add("vault", admin.StateOK, "every credential was confirmed within %s", (3 * a.config.Vault.Refresh).Round(time.Second))
	}
	return out
}
