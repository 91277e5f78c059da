package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/audit"
	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// openCallers reads the issued tokens. The keys of workloads' issuers are read by Run: an issuer that cannot be reached
// keeps no gateway from starting.
func (a *App) openCallers(ctx context.Context) (err error) {
	set := a.governor.State().Policy
	a.workloads = credential.NewWorkloads(func(err error) {
		a.log.Warn().Err(err).Msg("keys of workload tokens not read, the last good ones hold")
	})
	a.workloads.Use(issuersOf(set))
	if err := a.config.suits(set); err != nil || a.config.TokenKey.IsZero() {
		return err
	}
	key, err := credential.NewTokenKey(a.config.TokenKey)
	if err != nil {
		return err
	}
	a.tokens, err = credential.NewTokens(ctx, key, a.store, func(err error) {
		a.log.Error().Err(err).Msg("issued tokens not read, the last good ones hold for a while")
	})
	return err
}

// suits holds that the configuration has what a policy needs of it.
func (c Config) suits(set *policy.Set) error {
	if set.Across() && c.Redis.Group == "" {
		return errors.New("a rule is across organisations, and nothing says which: set redis.group in sentinel.yaml, the same at all of them")
	}
	return errors.Join(c.checkIssued(set), c.checkCapture(set))
}

// checkIssued holds that issued tokens can be verified where a policy wants them.
func (c Config) checkIssued(set *policy.Set) error {
	for _, caller := range set.Callers() {
		if _, ok := set.CallerByIssue(caller.Service); ok {
			_, err := credential.NewTokenKey(c.TokenKey)
			return err
		}
	}
	return nil
}

func issuersOf(set *policy.Set) []credential.Issuer {
	out := make([]credential.Issuer, len(set.Issuers))
	for i, x := range set.Issuers {
		out[i] = credential.Issuer{Name: x.Name, URL: x.URL, Audience: x.Audience, JWKS: x.JWKS, CAFile: x.CAFile, TokenFile: x.TokenFile}
	}
	return out
}

// TokenDesk issues, rotates and revokes service tokens, and records who did.
type TokenDesk struct {
	Store *store.Store
	Audit *audit.Log
	Key   credential.TokenKey
	Set   *policy.Set
}

// MaxTokenGrace is the longest time for which a rotated token stays good.
const MaxTokenGrace = 30 * 24 * time.Hour

// ErrTokenInput marks what the operator can correct.
var ErrTokenInput = errors.New("service token")

// Issue makes a token, which is shown this once. life 0 is for ever.
func (d TokenDesk) Issue(ctx context.Context, by, service, label string, life time.Duration) (id, token string, err error) {
	if _, known := d.Set.Caller(service); !known {
		return "", "", fmt.Errorf("%w: the policy has no service %q", ErrTokenInput, service)
	}
	if _, ok := d.Set.CallerByIssue(service); !ok {
		return "", "", fmt.Errorf("%w: service %s takes no issued tokens: write identity: {issued: true} in the policy", ErrTokenInput, service)
	}
	if life < 0 {
		return "", "", fmt.Errorf("%w: a life of %s is over already", ErrTokenInput, life)
	}
	now := time.Now().UTC()
	id, token, hash := d.Key.Issue()
	t := sentinel.ServiceToken{ID: id, Service: service, Label: label, By: by, Created: now, Hash: hash}
	if life > 0 {
		t.Expires = now.Add(life)
	}
	row := sentinel.AuditRow{Actor: by, Action: "token.issue", Object: id, After: service + " " + label}
	return id, token, d.Audit.Do(ctx, row, func(ctx context.Context) error { return d.Store.AddServiceToken(ctx, t) })
}

// Rotate makes another token of an id; the one before stays good for the grace.
func (d TokenDesk) Rotate(ctx context.Context, by, id string, grace time.Duration) (token string, err error) {
	if grace < 0 || grace > MaxTokenGrace {
		return "", fmt.Errorf("%w: a grace of %s is outside 0s to %s", ErrTokenInput, grace, MaxTokenGrace)
	}
	now := time.Now().UTC()
	token, hash := d.Key.Reissue(id)
	row := sentinel.AuditRow{Actor: by, Action: "token.rotate", Object: id, After: "the one before ends in " + grace.String()}
	return token, d.Audit.Do(ctx, row, func(ctx context.Context) error {
		return d.Store.RotateServiceToken(ctx, id, hash, now, now.Add(grace))
	})
}

// Revoke ends a token everywhere, within 5 s.
func (d TokenDesk) Revoke(ctx context.Context, by, id string) error {
	return d.Audit.Do(ctx, sentinel.AuditRow{Actor: by, Action: "token.revoke", Object: id}, func(ctx context.Context) error {
		return d.Store.RevokeServiceToken(ctx, id, time.Now().UTC())
	})
}

// OpenTokenDesk opens a desk for a command. The key is needed only where tokens are made; lacking is as of OpenAudit.
func OpenTokenDesk(ctx context.Context, config string, needsKey bool, lacking func(error)) (d TokenDesk, done func(), err error) {
	c, err := LoadConfig(config)
	if err != nil {
		return d, nil, err
	}
	if needsKey {
		if d.Key, err = credential.NewTokenKey(c.TokenKey); err != nil {
			return d, nil, err
		}
	}
	state, err := LoadState(c.Policies)
	if err != nil {
		return d, nil, err
	}
	d.Set = state.Policy
	if d.Store, err = store.Open(ctx, store.Options{DSN: c.Database.URL, MaxConns: 2}); err != nil {
		return d, nil, fmt.Errorf("SENTINEL_DATABASE_URL: %w", err)
	}
	log, closeLog, err := OpenAudit(c.Audit, d.Store, lacking)
	if err != nil {
		d.Store.Close()
		return d, nil, err
	}
	d.Audit = log
	return d, func() { closeLog(); d.Store.Close() }, nil
}
