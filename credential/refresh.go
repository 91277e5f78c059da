package credential

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// Load reads the references and serves them, and adds them to the set that Run refreshes. Either
// all are served or, with an error, nothing changes. The error has one sentence for each fault,
// with its remedy; an unreachable Vault is one sentence in all.
func (v *Vault) Load(ctx context.Context, refs []Ref) error {
	refs = unique(refs)
	if len(refs) > maxRefs {
		return fmt.Errorf("vault at %s: %d secrets are asked for, and at most %d are served", v.o.Address, len(refs), maxRefs)
	}
	release, err := v.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := v.login(ctx); err != nil {
		return err
	}
	read, err := v.readAll(ctx, refs)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.watched = unique(append(slices.Clone(refs), v.watched...))
	v.publish(read)
	return nil
}

// Run refreshes what is watched and renews the session until ctx ends. It never gives up: what it
// cannot refresh is served until MaxStale, each failure goes to OnError, and the pause between
// attempts grows from a 32nd of Refresh up to Refresh.
func (v *Vault) Run(ctx context.Context) error {
	defer v.conns.CloseIdleConnections()
	failures := 0
	timer := time.NewTimer(v.pause(failures))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-v.changed:
		case <-timer.C:
		}
		err := v.refresh(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failures++
			v.o.OnError(err)
		default:
			failures = 0
		}
		timer.Reset(v.pause(failures))
	}
}

// pause is the time to the next attempt. The jitter, a fifth downwards, keeps replicas from
// asking in step, and Refresh remains the bound.
func (v *Vault) pause(failures int) time.Duration {
	d := v.o.Refresh
	if failures > 0 {
		d = min(d, d/32<<min(failures-1, 5))
	}
	d -= time.Duration(rand.Int64N(int64(d)/5 + 1)) //nolint:gosec // jitter is no secret
	if until, ok := v.session.untilRenewal(); ok {
		d = min(d, max(until, v.o.Refresh/32))
	}
	return max(d, time.Millisecond)
}

// refresh reads every watched path once and serves what could be read; what could not keeps its
// last good value.
func (v *Vault) refresh(ctx context.Context) error {
	release, err := v.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := v.renew(ctx); err != nil {
		return err
	}
	v.mu.Lock()
	refs := v.watched
	v.mu.Unlock()
	read, err := v.readAll(ctx, refs)
	if errors.Is(err, errForbidden) && v.o.AppRole != nil { // the token may have been revoked
		if err := v.relogin(ctx); err != nil {
			return err
		}
		read, err = v.readAll(ctx, refs)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.publish(read)
	return err
}

// acquire waits for the right to read Vault.
func (v *Vault) acquire(ctx context.Context) (release func(), err error) {
	select {
	case v.reading <- struct{}{}:
		return func() { <-v.reading }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("vault at %s: waiting for a refresh that is under way: %w", v.o.Address, ctx.Err())
	}
}

// publish serves what was read over what was served before, cut to what is watched. v.mu is held.
func (v *Vault) publish(read map[string]secret) {
	old, next := v.served.Load().secrets, map[string]secret{}
	for _, r := range v.watched {
		if s, ok := read[r.Path]; ok {
			next[r.Path] = s
		} else if s, ok := old[r.Path]; ok {
			next[r.Path] = s
		}
	}
	v.served.Store(&snapshot{next})
}

// readAll reads each path once. With an error it still gives the secrets that are good.
func (v *Vault) readAll(ctx context.Context, refs []Ref) (map[string]secret, error) {
	byPath := map[string][]string{}
	for _, r := range refs {
		byPath[r.Path] = append(byPath[r.Path], r.Field)
	}
	read := make(map[string]secret, len(byPath))
	var faults []error
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		s, err := v.read(ctx, path, byPath[path])
		if err == nil {
			read[path] = s
			continue
		}
		if errors.Is(err, errUnreachable) { // the next path would wait as long, and say the same
			return read, err
		}
		faults = append(faults, err)
	}
	return read, errors.Join(faults...)
}

func unique(refs []Ref) []Ref {
	refs = slices.Clone(refs)
	slices.SortFunc(refs, func(a, b Ref) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Field, b.Field)) })
	return slices.Compact(refs)
}
