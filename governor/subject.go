package governor

import (
	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// wanted is what a request lets its call use, and whom it is for, as far as the policy or its candidate wants to know.
func (r *Request) wanted(rq provider.Request) sentinel.Wanted {
	w := sentinel.Wanted{Bound: rq.Bound, Choices: rq.Choices, Weight: rq.Weight, Fixed: rq.Fixed, List: r.Route.Preset.ListOf(rq)}
	user, session := r.State.Policy.User, r.State.Policy.Session
	if c := r.State.Candidate; c != nil {
		user, session = either(user, c.Policy.User), either(session, c.Policy.Session)
	}
	r.State.Policy.Name(&w, r.named(user), r.named(session))
	return w
}

// either is where the policy in force looks, or else its candidate.
func either(s, candidate policy.Subject) policy.Subject {
	if s.Wanted() {
		return s
	}
	return candidate
}

// named reads a subject's name from the request: the header's, or the first of the body that is there.
func (r *Request) named(s policy.Subject) string {
	if s.Header != "" && r.Raw.Header != nil {
		if name := r.Raw.Header(s.Header); name != "" {
			return name
		}
	}
	if r.Route.Endpoint.Body != provider.BodyJSON {
		return ""
	}
	for _, member := range s.Body {
		if name := provider.Member(r.Raw.Body, member); name != "" {
			return name
		}
	}
	return ""
}
