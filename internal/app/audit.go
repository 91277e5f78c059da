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
	Key         string `yaml:"key" doc:"PEM file of the Ed25519 key that signs checkpoints; sentinel audit keygen makes one. Empty: the chain is not signed."`
	Checkpoints string `yaml:"checkpoints" doc:"File of the signed checkpoints, on another machine's disk or on storage that only grows."`
}

// OpenAudit opens the log of what operators change. unsigned is told of a checkpoint that could not be written. Call the function
// that it gives at the end.
func OpenAudit(c AuditConfig, st *store.Store, unsigned func(error)) (*audit.Log, func(), error) {
	log := &audit.Log{Rows: st, Now: time.Now, Unsigned: unsigned}
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
	log, done, err := OpenAudit(a.config.Audit, a.store, func(err error) { a.log.Error().Err(err).Msg("audit row not signed") })
	if err != nil {
		return err
	}
	a.onClose(done)
	a.audit = log
	return a.recordPolicy(ctx, "policy.start", "", a.governor.State().Policy.Version)
}

// recordPolicy writes a change of the policy, which must not happen when nobody records it.
func (a *App) recordPolicy(ctx context.Context, action, before, after string) error {
	return a.audit.Record(ctx, sentinel.AuditRow{Actor: "sentinel " + a.instance, Action: action, Object: a.config.Policies, Before: before, After: after})
}
