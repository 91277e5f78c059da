package credential

import (
	"context"
	"errors"
	"fmt"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Replacement asks for another lease in the place of those that were taken before a time.
type Replacement struct {
	Before time.Time
	Keep   time.Duration // after which the lease before is given back
	// Test makes a real, cheap call with the fields of the new lease. After ErrBadKey the one before stays; any other error is tried again.
	Test func(context.Context, Key) error
	Done func(error) // hears how each try ended, from the goroutine that refreshes; a bound of its time is the refresh's
}

// Replace has the leases of a dynamic secret replaced at the next refresh, where Vault is the source. It says again what it said for the same
// path before, which costs nothing.
func (s *Secrets) Replace(path string, r Replacement) error {
	scheme, name := split(path)
	v, ok := s.o.Sources[scheme].(*Vault)
	if !ok {
		return fmt.Errorf("%s lies outside of Vault, and nothing but Vault lends keys", clip(path))
	}
	v.replacing.Lock()
	defer v.replacing.Unlock()
	v.replacements[name] = r
	return nil
}

// returned is a lease that is given back when nothing needs it any more.
type returned struct {
	id string
	at time.Time
}

// replaces takes another lease where one is wanted, and tells whether it is in the place of l now.
func (v *Vault) replaces(ctx context.Context, path string, m mount, l *lease) bool {
	v.replacing.Lock()
	r, wanted := v.replacements[path]
	v.replacing.Unlock()
	if !wanted || l.orphaned || !l.taken.Before(r.Before) || !l.refused.Before(r.Before) {
		return false
	}
	next, _, err := v.take(ctx, path, m)
	if err == nil && next == nil {
		err = v.faultf(nil, "%s gives no lease: only what Vault lends for a time is replaced", path)
	}
	if err == nil {
		err = v.tried(ctx, next, r)
	}
	if err != nil {
		if errors.Is(err, ErrBadKey) || next == nil {
			l.refused = time.Now()
		}
		r.Done(err)
		return false
	}
	v.returns = append(v.returns, returned{l.id, time.Now().Add(r.Keep)})
	v.leases[path] = next
	r.Done(nil)
	return true
}

// tried tests a new lease, and gives it back where it is no good.
func (v *Vault) tried(ctx context.Context, next *lease, r Replacement) error {
	k := Key{}
	for field, value := range next.data {
		if text, _ := value.(string); text != "" {
			k[field] = sentinel.NewSecret(text)
		}
	}
	err := r.Test(ctx, k)
	if err != nil {
		v.returns = append(v.returns, returned{id: next.id})
	}
	return err
}

// giveBack revokes leases whose time is over. One that Vault does not know has ended by itself; one that cannot be revoked now is
// tried again.
func (v *Vault) giveBack(ctx context.Context) {
	const most = 64 // leases end by themselves
	var left []returned
	for _, x := range v.returns {
		if time.Now().Before(x.at) || v.client.Sys().RevokeWithContext(ctx, x.id) != nil && len(left) < most {
			left = append(left, x)
		}
	}
	v.returns = left
}
