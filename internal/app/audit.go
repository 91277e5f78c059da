package app

import (
	"context"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/audit"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// AuditConfig is where checkpoints of the audit chain are signed and kept.
type AuditConfig struct {
	Key         string   `yaml:"key" doc:"PEM file of the Ed25519 key that signs checkpoints; sentinel audit keygen makes one. Empty: the chain is not signed."`
	Checkpoints string   `yaml:"checkpoints" doc:"File of the signed checkpoints, on another machine's disk or on storage that only grows."`
	Verdicts    []string `yaml:"verdicts" doc:"Verdicts that are rows of the chain as well: deny, throttle, downgrade, fallback, delay, allow. At most 200 a second; a row says how many more there were. Default: none, the ledger has every call."`
}

// OpenAudit opens the log of what operators change. lacking is told what it lacks although a change has happened. Call the function
// that it gives at the end.
func OpenAudit(c AuditConfig, st *store.Store, lacking func(error)) (*audit.Log, func(), error) {
	log := &audit.Log{Rows: st, Now: time.Now, Lacking: lacking}
	if c.Key == "" {
		return log, func() {}, nil
	}
	text, err := readFile("audit.key", c.Key)
	if err != nil {
		return nil, nil, err
	}
	key, err := audit.PrivateKey(text)
	if err != nil {
		return nil, nil, err
	}
	if log.Checkpoints, err = audit.OpenCheckpoints(c.Checkpoints, key); err != nil {
		return nil, nil, err
	}
	return log, func() { _ = log.Checkpoints.Close() }, nil
}

// openAudit records with which policy this process starts.
func (a *App) openAudit(ctx context.Context) error {
	log, done, err := OpenAudit(a.config.Audit, a.store, func(err error) { a.log.Error().Err(err).Msg("audit chain lacks something") })
	if err != nil {
		return err
	}
	a.onClose(done)
	a.audit, a.verdicts = log, newVerdicts(a.config.Audit.Verdicts)
	return a.keepPolicy(ctx, "policy.start", "", a.governor.State(), a.started)
}

// policyRow is a change of the policy in this process.
func (a *App) policyRow(action, before, after string) sentinel.AuditRow {
	return sentinel.AuditRow{Actor: "sentinel " + a.instance, Action: action, Object: a.config.Policies, Before: before, After: after}
}
