package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/audit"
	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/store"
)

const (
	rotationLooks = 15 * time.Second
	rotationTime  = 2 * time.Minute  // of one rotation; AWS takes its time to know a new key
	rotationTaken = 3 * time.Minute  // by one process; another goes on where it has died
	rotationPause = time.Minute      // until the next process looks
	rotationRetry = 30 * time.Minute // after a failure
)

// rotateKeys rotates the credentials that the policy has a schedule for: in Vault's KV by one process for all, and those that Vault lends by each
// process for itself.
func (a *App) rotateKeys(ctx context.Context) error {
	for ctx.Err() == nil {
		state := a.governor.State()
		asked, err := a.store.Replacements(ctx)
		if err != nil && ctx.Err() == nil {
			a.log.Warn().Err(err).Msg("what keys are to be replaced is not known")
		}
		for _, p := range state.Policy.Providers {
			for n := range p.Keys() {
				rotate := p.Keyed(n).Credential.Rotate
				switch {
				case rotate.Make == policy.MakeVault:
					err = a.replaceLeases(state, p.Name, n, asked)
				case rotate.Every > 0:
					err = a.rotateWhenDue(ctx, state, p.Name, n)
				default:
					continue
				}
				if err != nil && ctx.Err() == nil {
					a.log.Error().Err(err).Str("provider", p.Name).Int("credential", n).Msg("key not rotated, the one in use stays")
				}
			}
		}
		sleep(ctx, rotationLooks)
	}
	return nil
}

// rotateWhenDue rotates one credential, where no other process does.
func (a *App) rotateWhenDue(ctx context.Context, state *governor.State, provider string, number int) error {
	chore := fmt.Sprintf("rotate %s/%d", provider, number)
	mine, err := a.store.TakeChore(ctx, chore, rotationTaken)
	if err != nil || !mine {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, rotationTime)
	defer cancel()
	rotated, err := a.rotateKey(ctx, state, provider, number)
	pause := rotationPause
	if err != nil {
		pause = rotationRetry
	}
	if rotated {
		a.log.Info().Str("provider", provider).Int("credential", number).Msg("key rotated by its schedule")
	}
	return errors.Join(err, a.store.PostponeChore(context.WithoutCancel(ctx), chore, pause))
}

// rotateKey rotates one credential if its time has come, and takes the one before away if its time is over.
func (a *App) rotateKey(ctx context.Context, state *governor.State, provider string, number int) (rotated bool, err error) {
	begun := false
	defer func() {
		if err == nil || begun || ctx.Err() != nil || errors.Is(err, credential.ErrUnreachable) { // a source that is away for long is told of by the credentials that end
			return
		}
		err = fmt.Errorf("%w: %w", errNotBegun, err)
		err = errors.Join(err, tellRotation(ctx, a.config, a.store, state, provider, number, err))
	}()
	k, err := a.keyToRotate(state, KeyRotation{Provider: provider, Key: number})
	if err != nil {
		return false, err
	}
	defer k.close()
	v, err := openVault(a.config, func(error) {}) // that of the secrets is read by its own goroutine
	if err != nil {
		return false, err
	}
	defer v.Close()
	due, err := v.Due(ctx, k.rotation, k.rotate.Every)
	if err != nil {
		return false, err
	}
	if !due {
		_, err := v.ForgetPrevious(ctx, k.rotation)
		return false, err
	}
	mine, err := a.store.TakeChore(ctx, rotatingNow(provider, number), rotationTaken)
	if err != nil || !mine {
		return false, err
	}
	defer a.rotatedNow(ctx, provider, number)
	if due, err = v.Due(ctx, k.rotation, k.rotate.Every); err != nil || !due { // another may have rotated it before it gave the right back
		return false, err
	}
	begun = true // from here on its end is told
	err = a.untold(k.run(ctx, a.config, v, a.store, a.audit, state, "sentinel "+a.instance), provider, number)
	return err == nil, err
}

// keyToRotate finds a credential in the policy, and who makes it another value, with what this process holds.
func (a *App) keyToRotate(state *governor.State, r KeyRotation) (providerKey, error) {
	return keyToRotate(state, a.config, a.store, r, func(credential.Ref) (*credential.Secrets, error) { return a.secrets, nil })
}

// untold logs that a rotation worked and people could not be told, which is no fault of the rotation. It gives other errors back.
func (a *App) untold(err error, provider string, number int) error {
	if !errors.Is(err, errUntold) {
		return err
	}
	a.log.Error().Err(err).Str("provider", provider).Int("credential", number).Msg("key rotated, but an incident of a rotation that failed before stays open")
	return nil
}

// rotatingNow names the right to rotate a credential, which one process has at a time. A command does not ask for it: Vault's conditional writes
// keep its rotation from mixing with another's.
func rotatingNow(provider string, number int) string {
	return fmt.Sprintf("rotating %s/%d", provider, number)
}

// rotatedNow gives the right back.
func (a *App) rotatedNow(ctx context.Context, provider string, number int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), followTime)
	defer cancel()
	if err := a.store.PostponeChore(ctx, rotatingNow(provider, number), 0); err != nil {
		a.log.Warn().Err(err).Str("provider", provider).Int("credential", number).Msg("the next rotation of a key waits until the right to it ends by itself")
	}
}

// replaceLeases has this process take another lease in the place of one that is too old.
func (a *App) replaceLeases(state *governor.State, provider string, number int, asked map[string]time.Time) error {
	k, err := keyOf(state, a.config, KeyRotation{Provider: provider, Key: number})
	if err != nil {
		return err
	}
	before := asked[k.rotation.Ref.Path]
	if aged := time.Now().Add(-k.rotate.Every); k.rotate.Every > 0 && aged.After(before) {
		before = aged
	}
	return a.secrets.Replace(k.rotation.Ref.Path, credential.Replacement{Before: before, Keep: k.rotation.Keep, Test: k.rotation.Test, Done: func(err error) {
		defer k.close()
		err = andTold(err, tellRotation(context.Background(), a.config, a.store, state, provider, number, err))
		if err = a.untold(err, provider, number); err != nil {
			a.log.Error().Err(err).Str("provider", provider).Int("credential", number).Msg("lease not replaced, the one in use stays")
			return
		}
		a.log.Info().Str("provider", provider).Int("credential", number).Msg("lease replaced")
	}})
}

// askReplacement has every process take another lease of a credential that Vault lends.
func (k *providerKey) askReplacement(ctx context.Context, st *store.Store, log *audit.Log, by string, refresh time.Duration) (string, error) {
	row := sentinel.AuditRow{Actor: by, Action: "key.rotate", Object: k.name(), After: "leases are given back after " + spell(k.rotation.Keep)}
	err := log.Around(ctx, row, func(ctx context.Context) error { return st.AskReplacement(ctx, k.rotation.Ref.Path) })
	if err != nil {
		return "", err
	}
	return k.replaced(refresh), nil
}

// replaced says what follows when every process was asked for another lease.
func (k *providerKey) replaced(refresh time.Duration) string {
	return fmt.Sprintf("Every process takes another lease of %s within %s, tests it, and gives the one before back after %s. One that is no good is not used: "+
		"the alert rotation and the log tell.", k.provider.Name, spell(refresh+rotationLooks), spell(k.rotation.Keep))
}
