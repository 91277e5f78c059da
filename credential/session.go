package credential

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"
)

// session is the life of the token in use.
type session struct {
	loggedIn  bool
	renewable bool
	renewAt   atomic.Int64 // Unix nanoseconds; 0: the token does not end
}

// untilRenewal is the time left until the token wants renewing.
func (s *session) untilRenewal() (time.Duration, bool) {
	at := s.renewAt.Load()
	return time.Until(time.Unix(0, at)), at != 0
}

// retry puts the next renewal off.
func (s *session) retry(in time.Duration) { s.renewAt.Store(time.Now().Add(in).UnixNano()) }

// start notes a token that lives for ttl seconds, 0 for ever. Two thirds of a life leave time
// for several attempts.
func (s *session) start(ttlSeconds int, renewable bool) {
	s.loggedIn, s.renewable = true, renewable
	if ttlSeconds <= 0 {
		s.renewAt.Store(0)
		return
	}
	s.renewAt.Store(time.Now().Add(time.Duration(ttlSeconds) * time.Second * 2 / 3).UnixNano())
}

// Prepare makes the session usable, and prolongs its token when the time has come.
func (v *Vault) Prepare(ctx context.Context) error {
	v.reloggedIn = false
	if !v.session.loggedIn {
		return v.login(ctx)
	}
	return v.renew(ctx)
}

func (v *Vault) login(ctx context.Context) error {
	if v.o.Login != nil {
		return v.relogin(ctx)
	}
	self, err := v.client.Auth().Token().LookupSelfWithContext(ctx)
	if isForbidden(err) {
		// Invalid, or not allowed to look at itself: reading tells, with a better sentence.
		v.session.start(0, false)
		return nil
	}
	if err != nil {
		return v.explain(err, "auth/token/lookup-self")
	}
	ttl, err := self.TokenTTL()
	if err != nil {
		return v.faultf(nil, "the token's time to live cannot be read: %v", err)
	}
	renewable, _ := self.TokenIsRenewable()
	v.session.start(int(ttl/time.Second), renewable)
	return nil
}

// renewPause is the time between attempts to renew a token that could not be renewed.
const renewPause = 30 * time.Second

// renew prolongs the token when its time has come; a login is repeated when that fails. A
// token that cannot be prolonged is no error of a refresh, since reads go on until it ends.
func (v *Vault) renew(ctx context.Context) error {
	if until, ends := v.session.untilRenewal(); !ends || until > 0 {
		return nil
	}
	var err error
	if v.session.renewable {
		var renewed *api.Secret
		renewed, err = v.client.Auth().Token().RenewSelfWithContext(ctx, 0)
		// Near its maximal life a token is renewed by less and less: then a login takes another.
		if err == nil && renewed.Auth != nil && (v.o.Login == nil || renewed.Auth.LeaseDuration > minLeaseSeconds) {
			v.session.start(max(renewed.Auth.LeaseDuration, 1), renewed.Auth.Renewable)
			return nil
		}
	}
	switch {
	case v.o.Login != nil:
		return v.relogin(ctx)
	case !v.session.renewable:
		v.session.start(0, false)
		v.o.OnError(v.faultf(nil, "the token ends soon and cannot be renewed: give the gateway a new one, a periodic one, or a login"))
	case err != nil:
		v.session.retry(renewPause)
		v.o.OnError(v.faultf(nil, "the token was not renewed (%s): give the gateway a new one, or a login", clip(cause(err))))
	}
	return nil
}

// minLeaseSeconds is the shortest life for which a token is kept when there is a login.
const minLeaseSeconds = 2

// relogin takes a new token. Leases of dynamic secrets end with the token under which they were given, so they are taken
// anew as well: until then the old token, and what it was lent, is good.
func (v *Vault) relogin(ctx context.Context) error {
	l := v.o.Login
	v.reloggedIn = true
	body, err := l.body()
	if err != nil {
		return v.faultf(nil, "login at auth/%s: %v", l.Mount, err)
	}
	got, err := v.client.Logical().WriteWithContext(ctx, "auth/"+l.Mount+"/login", body)
	var answer *api.ResponseError
	switch {
	case errors.As(err, &answer) && !overloaded(answer.StatusCode):
		return v.faultf(nil, "the login at auth/%s was refused (HTTP %d): %s", l.Mount, answer.StatusCode, l.remedy())
	case err != nil:
		return v.explain(err, "auth/"+l.Mount+"/login")
	case got == nil || got.Auth == nil || got.Auth.ClientToken == "":
		return v.faultf(nil, "the login at auth/%s gave no token", l.Mount)
	}
	v.client.SetToken(got.Auth.ClientToken)
	v.session.start(got.Auth.LeaseDuration, got.Auth.Renewable)
	for _, l := range v.leases {
		for ; l != nil; l = l.next {
			l.orphaned = true
		}
	}
	return nil
}
