package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Subject says where a request names whom it is for. Such a name is the client's word, as its body is.
type Subject struct {
	Header string   // in lower case; empty for none
	Body   []string // members of a JSON body: NAME or NAME.NAME
}

// Wanted tells whether the name is read at all.
func (s Subject) Wanted() bool { return s.Header != "" || len(s.Body) > 0 }

// usersOfBodies are where OpenAI's and Anthropic's APIs have the end user.
var usersOfBodies = []string{"safety_identifier", "user", "metadata.user_id"}

// maxMembers bounds the members that one subject is looked for in.
const maxMembers = 8

var (
	subjectHeader = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
	subjectMember = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}(\.[A-Za-z_][A-Za-z0-9_-]{0,63})?$`)
	// ownHeaders are those that the gateway or HTTP itself gives a meaning.
	ownHeaders = []string{"authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "host", "content-type", "content-length", "traceparent", "idempotency-key"}
)

// subjects reads where requests name their end users and sessions.
func (c *compiler) subjects() {
	c.set.User = c.subjectOf("subjects.user", c.in.Subjects.User)
	c.set.Session = c.subjectOf("subjects.session", c.in.Subjects.Session)
}

func (c *compiler) subjectOf(key string, y *subjectYAML) Subject {
	if y == nil {
		return Subject{}
	}
	s := Subject{Header: strings.ToLower(y.Header), Body: y.Body}
	switch {
	case !s.Wanted() && c.Sound(key):
		c.Fault(key, "say where requests name it: {header: x-end-user}, {body: [metadata.user_id]} or both")
	case s.Header != "" && (!subjectHeader.MatchString(s.Header) || slices.Contains(ownHeaders, s.Header) || strings.HasPrefix(s.Header, "x-sentinel-") || strings.HasPrefix(s.Header, "x-envoy-")):
		c.Fault(key+".header", "%q is not a header of its own for this: write for instance x-end-user", clip(y.Header))
	case len(s.Body) > maxMembers:
		c.Fault(key+".body", "%d members: at most %d are looked for", len(s.Body), maxMembers)
	}
	for i, m := range s.Body {
		if !subjectMember.MatchString(m) {
			c.Fault(fmt.Sprintf("%s.body[%d]", key, i), "%q is not NAME or NAME.NAME, such as metadata.user_id", clip(m))
		}
	}
	return s
}

// subject has a subject read because a rule counts by it.
func (c *compiler) subject(key string, of scope) {
	switch {
	case of == scopeUser && c.in.Subjects.User == nil:
		c.set.User = Subject{Body: usersOfBodies}
	case of == scopeSession && c.in.Subjects.Session == nil:
		c.Fault(key, "nothing says where requests name their session: write for instance subjects: {session: {header: x-session}}")
	}
}

// SubjectHeaders lists the headers that name subjects: they are the gateway's, and no provider gets them.
func (s *Set) SubjectHeaders() []string {
	var out []string
	for _, of := range []Subject{s.User, s.Session} {
		if of.Header != "" {
			out = append(out, of.Header)
		}
	}
	return out
}

// bySubject tells whether a rule has limits for each end user or session.
func (r *rule) bySubject() bool {
	return slices.ContainsFunc(r.per, func(d dimension) bool { return d.scope == scopeUser || d.scope == scopeSession })
}

// byCredential tells whether a rule has limits for each credential, and a provider has several.
func (r *rule) byCredential() bool {
	return slices.ContainsFunc(r.per, func(d dimension) bool { return d.several })
}

// CountsCredentials tells whether a rule has limits for each of several credentials of a provider.
func (s *Set) CountsCredentials() bool {
	return slices.ContainsFunc(s.rules, func(r rule) bool { return r.byCredential() })
}

// OfCredential tells whether the plan's limit is one of a credential of several.
func (p *Plan) OfCredential(i int) bool { return p.credentials>>i&1 == 1 }

// CountsSubjects tells whether a rule has limits for each end user or session.
func (s *Set) CountsSubjects() bool {
	return slices.ContainsFunc(s.rules, func(r rule) bool { return r.bySubject() })
}

// OfSubject tells whether the plan's limit is one of an end user or a session.
func (p *Plan) OfSubject(i int) bool { return p.subjects>>i&1 == 1 }

// mark notes in a set of a plan's limits the n that come next.
func (p *Plan) mark(bits *uint32, r *rule) { *bits |= (1<<len(r.limits) - 1) << len(p.Limits) }

// Name gives a call's demand the pseudonyms of whom it is for.
func (s *Set) Name(w *sentinel.Wanted, user, session string) {
	w.User, w.Session = sentinel.Pseudonym(s.Org, string(scopeUser), user), sentinel.Pseudonym(s.Org, string(scopeSession), session)
}
