package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/saas-sentinel/saas-sentinel/admin"
	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/store"
)

const (
	maxAsked    = 4                // rotations for the admin API that run at once in a process
	askedBegins = time.Second      // for which one waits for its turn
	askedWait   = 10 * time.Second // for which an answer waits for its end
	besideTime  = 5 * time.Second  // of a look into a secret
)

// askedRotation is a rotation for the admin API. It outlives who asked for it.
type askedRotation struct {
	state *governor.State
	KeyRotation
	ended chan error // has room for one
}

// rotateAsked runs what the admin API asks for, maxAsked at once.
func (a *App) rotateAsked(ctx context.Context) error {
	var workers sync.WaitGroup
	for range maxAsked {
		workers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case one := <-a.asked:
					one.ended <- a.rotateNow(ctx, one)
				}
			}
		})
	}
	workers.Wait()
	return nil
}

// rotateNow carries a rotation to its end, and gives the right to it back.
func (a *App) rotateNow(ctx context.Context, one askedRotation) (err error) {
	ctx, cancel := context.WithTimeout(ctx, rotationTime)
	defer cancel()
	defer a.rotatedNow(ctx, one.Provider, one.Key)
	defer func() {
		told := a.log.Info()
		if err != nil {
			told = a.log.Error().Err(err)
		}
		told.Str("provider", one.Provider).Int("credential", one.Key).Str("by", one.By).Bool("rotated", err == nil).Msg("rotation of a key that the admin API was asked for")
	}()
	k, err := a.keyToRotate(one.state, one.KeyRotation)
	if err != nil {
		return err
	}
	defer k.close()
	v, err := openVault(a.config, func(error) {})
	if err != nil {
		return err
	}
	defer v.Close()
	return a.untold(k.run(ctx, a.config, v, a.store, a.audit, one.state, one.By), one.Provider, one.Key)
}

// Rotate gives a credential another value. It waits for the end, but not for long: a rotation that takes its time goes on.
func (b *adminBackend) Rotate(ctx context.Context, by string, asked admin.RotationAsked) (admin.Rotation, error) {
	a := b.app
	one := askedRotation{state: a.governor.State(), ended: make(chan error, 1),
		KeyRotation: KeyRotation{Provider: asked.Provider, By: by, Next: asked.Key, NextID: asked.AccessKeyID, TestPath: asked.TestPath, Key: asked.Number}}
	k, err := keyOf(one.state, a.config, one.KeyRotation)
	k.close()
	switch {
	case err != nil:
		return admin.Rotation{}, unrotated(err)
	case k.rotate.Make != policy.MakeManual && !asked.Key.IsZero():
		return admin.Rotation{}, fmt.Errorf("%w: the policy says who makes the keys of %s (rotate.make: %s): send none", admin.ErrRefused, k.name(), k.rotate.Make)
	case k.rotate.Make == policy.MakeVault:
		if _, err := k.askReplacement(ctx, b.Store, a.audit, by, a.config.Vault.Refresh); err != nil {
			return admin.Rotation{}, err
		}
		return b.Rotation(ctx, asked.Provider, asked.Number)
	}
	rotations, err := b.Rotations(ctx)
	if err != nil {
		return admin.Rotation{}, err
	}
	if last := rotations[k.name()]; rotationState(last, time.Now()) == admin.RotationRunning { // by a command, which asks for no right
		return admin.Rotation{}, fmt.Errorf("%w: %s began it at %s: wait for its end, at most until %s", admin.ErrRotating, last.By, last.Begun.Format(time.TimeOnly), last.Begun.Add(rotationTaken).Format(time.TimeOnly+" UTC"))
	}
	mine, err := b.TakeChore(ctx, rotatingNow(asked.Provider, asked.Number), rotationTaken)
	switch {
	case err != nil:
		return admin.Rotation{}, err
	case !mine:
		return admin.Rotation{}, fmt.Errorf("%w: wait for its end; where its process has died, the next may begin after %s", admin.ErrRotating, spell(rotationTaken))
	}
	select {
	case a.asked <- one:
	case <-time.After(askedBegins):
		a.rotatedNow(ctx, asked.Provider, asked.Number)
		return admin.Rotation{}, fmt.Errorf("%w: %d others run in this process: try again in a minute", admin.ErrRotationsBusy, maxAsked)
	}
	select {
	case err = <-one.ended:
	case <-time.After(askedWait):
	}
	if err != nil {
		return admin.Rotation{}, unrotated(err)
	}
	// A client that has gone meanwhile has an answer, too: it is kept for the same request, which is to begin no second rotation.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), besideTime+followTime)
	defer cancel()
	return b.Rotation(ctx, asked.Provider, asked.Number)
}

// unrotated is why a key was not rotated, for the client: whoever may rotate keys may read all of it, and it names no key.
func unrotated(err error) error {
	kind := admin.ErrBrokenOff
	switch {
	case errors.Is(err, errNoCredential):
		kind = admin.ErrNoCredential
	case errors.Is(err, errElsewhere), errors.Is(err, credential.ErrNothingPending):
		kind = admin.ErrNotRotated
	case errors.Is(err, credential.ErrBadKey):
		kind = admin.ErrKeyRefused
	case errors.Is(err, credential.ErrKeyText), errors.Is(err, errRotationInput):
		kind = admin.ErrRefused
	}
	return fmt.Errorf("%w: %s", kind, strings.ReplaceAll(err.Error(), "\n", "; "))
}

// Rotation tells how the rotation of a credential goes, or how the last one ended: by the audit chain, which all processes share, and by the
// secret that it changes.
func (b *adminBackend) Rotation(ctx context.Context, provider string, number int) (admin.Rotation, error) {
	route, err := routeOf(b.app.governor.State(), provider, number)
	if err != nil {
		return admin.Rotation{}, unrotated(err)
	}
	rotations, err := b.Rotations(ctx)
	if err != nil {
		return admin.Rotation{}, err
	}
	at := route.Provider.Credential
	k := keyAt(route, number)
	k.keptFor(b.Store, b.app.config.Vault.Refresh)
	last := rotations[k.name()]
	out := admin.Rotation{State: rotationState(last, time.Now()), Step: admin.StepNone, By: last.By, Begun: moment(last.Begun), Ended: moment(last.Ended), Fault: last.Fault}
	if !elsewhere(at) && at.Rotate.Make != policy.MakeVault {
		beside, err := b.vault.beside(ctx, k.rotation)
		if err != nil {
			out.SecretFault = err.Error()
		}
		out.Pending, out.PreviousUntil = beside.Pending, moment(beside.PreviousUntil)
	}
	switch {
	case out.State == admin.RotationRunning && out.Pending:
		out.Step = admin.StepTest
	case out.State == admin.RotationRunning:
		out.Step = admin.StepCreate
	case out.State == admin.RotationDone && at.Rotate.Make == policy.MakeVault:
		out.Next = k.replaced(b.app.config.Vault.Refresh)
	case out.State == admin.RotationDone && out.PreviousUntil != nil:
		out.Next = k.farewell(max(at.Rotate.Keep, b.app.config.Vault.Refresh))
	}
	return out, nil
}

// rotationState tells what became of the last rotation. One that has not ended after the longest time of one was broken off.
func rotationState(r store.Rotation, now time.Time) string {
	switch {
	case r.Begun.IsZero():
		return admin.RotationNever
	case r.Ended.IsZero() && now.Sub(r.Begun) < rotationTaken:
		return admin.RotationRunning
	case r.Ended.IsZero():
		return admin.RotationLost
	case r.Fault != "":
		return admin.RotationFailed
	}
	return admin.RotationDone
}

// takes tells what a rotation of a credential has to be given.
func takes(c policy.Credential) string {
	switch {
	case elsewhere(c):
		return admin.TakesElsewhere
	case c.Rotate.Make != policy.MakeManual:
		return admin.TakesNothing
	case c.Field == "":
		return admin.TakesAWSKey
	}
	return admin.TakesKey
}

// vaultReader is a session at Vault for looks into secrets, one at a time. It is begun by the first one.
type vaultReader struct {
	config Config
	turn   chan struct{} // has room for one
	vault  *credential.Vault
}

func newVaultReader(c Config) vaultReader {
	return vaultReader{config: c, turn: make(chan struct{}, 1)}
}

// beside reads what stands beside a key.
func (r *vaultReader) beside(ctx context.Context, of credential.Rotation) (credential.Beside, error) {
	ctx, cancel := context.WithTimeout(ctx, besideTime)
	defer cancel()
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return credential.Beside{}, fmt.Errorf("what stands beside the key was not read within %s: too many asked at once", besideTime)
	}
	if r.vault == nil {
		v, err := openVault(r.config, func(error) {})
		if err != nil {
			return credential.Beside{}, err
		}
		r.vault = v
	}
	out, err := r.vault.Beside(ctx, of)
	if err != nil { // its session may have ended: the next look begins another
		r.vault.Close()
		r.vault = nil
	}
	return out, err
}

// close ends the session; there are no looks after it.
func (r *vaultReader) close() {
	r.turn <- struct{}{}
	if r.vault != nil {
		r.vault.Close()
	}
}
