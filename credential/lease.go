package credential

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"
)

// lease is a secret that Vault made for us, and takes back at its end.
type lease struct {
	id        string
	data      map[string]any
	life      time.Duration // as it was given first
	renewable bool
	renewAt   time.Time
	ends      time.Time
	orphaned  bool // the token under which it was lent is being given up
	taken     time.Time
	refused   time.Time // when what was to take its place was last found bad
	// next takes its place at a time: AWS knows a new access key everywhere only after some seconds.
	next *lease
	from time.Time
}

// settling is how long AWS needs until a new access key of a user is known everywhere, by Vault's documentation. Keys of
// assumed roles, which have a session token, are good at once.
const settling = 15 * time.Second

// lend gives a dynamic secret: the one that is lent already while Vault says that it is good, renewed when its time has
// come, and another when it cannot be renewed for at least a third of its first life. The one before ends by itself, so
// that calls that were signed with it pass.
func (v *Vault) lend(ctx context.Context, path string, m mount) (map[string]any, error) {
	v.giveBack(ctx)
	l := v.leases[path]
	if l != nil && l.next != nil && (!time.Now().Before(l.from) || !time.Now().Before(l.ends)) {
		l = l.next
		v.leases[path] = l
	}
	switch {
	case l == nil:
		return v.borrow(ctx, path, m, nil)
	case l.next != nil:
		return l.data, nil
	case v.replaces(ctx, path, m, l):
		return v.leases[path].data, nil
	case !l.orphaned && time.Now().Before(l.renewAt):
		good, err := v.confirm(ctx, l)
		if err != nil || good {
			return l.data, err
		}
		return v.borrow(ctx, path, m, nil)
	case !l.orphaned && l.renewable && v.prolong(ctx, l):
		return l.data, nil
	}
	return v.borrow(ctx, path, m, l)
}

// borrow takes a new lease in the place of one before, which may be nil.
func (v *Vault) borrow(ctx context.Context, path string, m mount, before *lease) (map[string]any, error) {
	l, data, err := v.take(ctx, path, m)
	if err != nil {
		return nil, err
	}
	if l == nil {
		delete(v.leases, path) // it does not end: it is read each time
		return data, nil
	}
	v.leases[path] = l
	if token, _ := data["session_token"].(string); before != nil && m.engine == "aws" && token == "" && l.taken.Add(settling).Before(before.ends) {
		before.next, before.from, before.renewAt = l, l.taken.Add(settling), l.taken.Add(settling)
		v.leases[path] = before
		return before.data, nil
	}
	return data, nil
}

// take has the engine make a secret; what it makes may have no end, and then there is no lease.
func (v *Vault) take(ctx context.Context, path string, m mount) (*lease, map[string]any, error) {
	now := time.Now()
	got, err := v.client.Logical().ReadWithContext(ctx, path)
	switch {
	case err != nil:
		delete(v.mounts, path)
		return nil, nil, v.explain(err, path)
	case got == nil:
		return nil, nil, errNotFound
	}
	data := got.Data
	if m.engine == "aws" {
		data = awsNames(data)
	}
	if got.LeaseID == "" || got.LeaseDuration <= 0 {
		return nil, data, nil
	}
	l := &lease{id: got.LeaseID, data: data, renewable: got.Renewable, life: time.Duration(got.LeaseDuration) * time.Second, taken: now}
	l.start(now, l.life)
	return l, data, nil
}

// start notes how long a lease is good. It is renewed at two thirds, less up to a fifteenth, so that replicas do not ask
// at once.
func (l *lease) start(now time.Time, life time.Duration) {
	jitter := time.Duration(rand.Int64N(int64(life)/15 + 1)) //nolint:gosec // jitter is no secret
	l.renewAt, l.ends = now.Add(life*2/3-jitter), now.Add(life)
}

// confirm asks whether a lease is still good: somebody may have revoked it. A token that may not ask trusts the lease.
func (v *Vault) confirm(ctx context.Context, l *lease) (bool, error) {
	_, err := v.client.Logical().WriteWithContext(ctx, "sys/leases/lookup", map[string]any{"lease_id": l.id})
	answer, refused := errors.AsType[*api.ResponseError](err)
	switch {
	case err == nil, isForbidden(err):
		return true, nil
	case refused && (answer.StatusCode == http.StatusBadRequest || answer.StatusCode == http.StatusNotFound):
		return false, nil
	}
	return false, v.explain(err, "sys/leases/lookup")
}

// prolong renews a lease, and tells whether that was for long enough to keep it.
func (v *Vault) prolong(ctx context.Context, l *lease) bool {
	now := time.Now()
	got, err := v.client.Sys().RenewWithContext(ctx, l.id, int(l.life/time.Second))
	if err != nil || got == nil {
		return false
	}
	life := time.Duration(got.LeaseDuration) * time.Second
	if life < l.life/3 {
		return false
	}
	l.start(now, life)
	l.renewable = got.Renewable
	return true
}

// awsNames gives an answer of Vault's AWS engine the names of the fields that AWSKey reads.
func awsNames(data map[string]any) map[string]any {
	out := map[string]any{"access_key_id": data["access_key"], "secret_access_key": data["secret_key"]}
	for _, name := range []string{"session_token", "security_token"} { // the latter until Vault 1.16
		if token, _ := data[name].(string); token != "" {
			out["session_token"] = token
			break
		}
	}
	return out
}
