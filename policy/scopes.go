package policy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

// maxTags bounds the tags of one service and of one rule.
const maxTags = 16

// scope is what a rule's limits can be counted by.
type scope string

// The scopes. A tag's is "tag." and its name.
const (
	scopeTeam       scope = "team"
	scopeService    scope = "service"
	scopeProvider   scope = "provider"
	scopeCredential scope = "credential"
	scopeEndpoint   scope = "endpoint"
	scopeModel      scope = "model"
	scopeUser       scope = "user"
	scopeSession    scope = "session"
)

var scopes = []scope{scopeTeam, scopeService, scopeProvider, scopeCredential, scopeEndpoint, scopeModel, scopeUser, scopeSession}

const tagPrefix = "tag."

var tagPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)

// perYAML is one scope of a rule's product.
type perYAML scope

// UnmarshalText reads "service" or "tag.env".
func (p *perYAML) UnmarshalText(b []byte) error {
	tag, tagged := strings.CutPrefix(string(b), tagPrefix)
	if tagged && !tagPattern.MatchString(tag) {
		return fmt.Errorf("%q is not a tag: write for instance tag.env", clip(string(b)))
	}
	if !tagged && !slices.Contains(scopes, scope(b)) {
		return fmt.Errorf("%q cannot be counted by: use team, service, provider, credential, endpoint, model, user, session or tag.NAME", clip(string(b)))
	}
	*p = perYAML(b)
	return nil
}

// SchemaHint describes a scope.
func (*perYAML) SchemaHint() strictyaml.Hint {
	return strictyaml.Hint{
		Pattern: `^(team|service|provider|credential|endpoint|model|user|session|tag\.[a-z][a-z0-9_-]{0,39})$`, Examples: []string{"service", "model", "user", "tag.env"},
	}
}

// dimension is a compiled scope. Of a credential or a tag, values has the value by provider, and by provider and credential, or by service.
type dimension struct {
	scope  scope
	values map[string]string
	// several says that a provider has more than one credential.
	several bool
}

// credentialAt is the key of a provider's credential among a dimension's values.
func credentialAt(provider, fingerprint string) string { return provider + "\x00" + fingerprint }

// String is the scope's name.
func (d dimension) String() string { return string(d.scope) }

func (d dimension) of(c *sentinel.Call, model string) string {
	switch d.scope {
	case scopeTeam:
		return c.Caller.Team
	case scopeService:
		return c.Caller.Service
	case scopeProvider:
		return c.Provider
	case scopeCredential:
		if v, ok := d.values[credentialAt(c.Provider, c.Demand.Credential())]; ok {
			return v
		}
		return d.values[c.Provider] // of several the first, where the call does not say or the policy no longer has it
	case scopeEndpoint:
		return c.Endpoint
	case scopeModel:
		return model
	case scopeUser:
		return c.Demand.User()
	case scopeSession:
		return c.Demand.Session()
	default:
		return d.values[c.Caller.Service]
	}
}

// suffix tells apart the cells of a rule that has limits for each service, model and so on. Values of one dimension
// cannot be taken for those of another: a slash in them is written %2f.
func (r *rule) suffix(c *sentinel.Call, model string) string {
	if len(r.per) == 0 {
		return ""
	}
	b := make([]byte, 0, 64)
	for _, d := range r.per {
		b = append(append(b, '/'), d.scope...)
		b = append(b, '/')
		b = append(b, escaped.Replace(d.of(c, model))...)
	}
	return string(b)
}

var escaped = strings.NewReplacer("/", "%2f", "%", "%25")

// dimensions compiles what a rule's limits are counted by.
func (c *compiler) dimensions(key string, per []perYAML) []dimension {
	var out []dimension
	for i, p := range per {
		d := dimension{scope: scope(p)}
		if p == "" { // already a fault
			continue
		}
		if slices.Contains(per[:i], p) {
			c.Fault(fmt.Sprintf("%s[%d]", key, i), "%s stands twice", p)
		}
		switch tag, tagged := strings.CutPrefix(string(p), tagPrefix); {
		case tagged:
			d.values = map[string]string{}
			for name, s := range c.in.Services {
				if v := s.Tags[tag]; v != "" {
					d.values[name] = v
				}
			}
			if len(d.values) == 0 {
				c.Fault(key, "no service has the tag %s", tag)
			}
		case d.scope == scopeUser, d.scope == scopeSession:
			c.subject(key, d.scope)
		case d.scope == scopeCredential:
			d.values = map[string]string{}
			for name, p := range c.in.Providers {
				first := p.Credential.Vault.path + "#" + p.Credential.Vault.field
				d.values[name], d.values[credentialAt(name, sentinel.Fingerprint(first))] = first, first
				for _, s := range p.Credential.Also {
					place := s.Vault.path + "#" + s.Vault.field
					d.values[credentialAt(name, sentinel.Fingerprint(place))] = place
					d.several = true
				}
			}
		}
		out = append(out, d)
	}
	return out
}

// maxKeptTags bounds the tags that the ledger keeps: sums are by their product.
const maxKeptTags = 4

// ledger checks which tags the ledger keeps.
func (c *compiler) ledger(key string, tags []string) {
	c.set.kept = slices.Sorted(slices.Values(tags))
	if len(tags) > maxKeptTags {
		c.Fault(key, "%d tags: the ledger keeps at most %d", len(tags), maxKeptTags)
	}
	for i, name := range tags {
		used := slices.ContainsFunc(slices.Collect(maps.Values(c.in.Services)), func(s serviceYAML) bool { return s.Tags[name] != "" })
		if at := fmt.Sprintf("%s[%d]", key, i); !used {
			c.Fault(at, "no service has a tag %q", clip(name))
		} else if slices.Contains(tags[:i], name) {
			c.Fault(at, "tag %q is named twice", clip(name))
		}
	}
}

// kept gives the tags of a service that the ledger keeps, as a Caller has them.
func (c *compiler) kept(tags map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(slices.Values(c.in.Ledger.Tags)) {
		if v := tags[name]; v != "" {
			list = append(list, name+"="+v)
		}
	}
	return strings.Join(list, ",")
}

// tags checks the tags of a service.
func (c *compiler) tags(key string, tags map[string]string) {
	if len(tags) > maxTags {
		c.Fault(key, "%d tags: at most %d are allowed", len(tags), maxTags)
	}
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		if !tagPattern.MatchString(name) {
			c.Fault(key, "%q is not the name of a tag: 1 to 40 of a-z, 0-9, _ and -, beginning with a letter", clip(name))
		}
		if !namePattern.MatchString(tags[name]) {
			c.Fault(key+"."+name, "%q is not a usable value: 1 to 100 letters, digits, spaces and . _ @ -, beginning with a letter or digit", clip(tags[name]))
		}
	}
}

// tagged finds the services that have all tags of a rule; nil when it names none.
func (c *compiler) tagged(key string, want map[string]string) map[string]bool {
	if len(want) == 0 {
		if c.Has(key) {
			c.Fault(key, "no tag is named: leave the key out to match all")
		}
		return nil
	}
	out := map[string]bool{}
	for name, s := range c.in.Services {
		all := true
		for tag, pattern := range want {
			v := s.Tags[tag]
			all = all && v != "" && globs{pattern}.match(v)
		}
		if all {
			out[name] = true
		}
	}
	if len(out) == 0 {
		c.Fault(key, "no service has these tags: the rule would do nothing")
	}
	return out
}
