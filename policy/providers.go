package policy

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

var (
	providerPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	hostPattern     = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)
	segmentPattern  = regexp.MustCompile(`^([A-Za-z0-9._~-]+|\{[a-z_]+(\.\.\.)?\})$`)
	methods         = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"}
)

func (c *compiler) provider(name string, y providerYAML) {
	key := "providers." + name
	if !providerPattern.MatchString(name) {
		c.Fault(key, "%q is not a usable provider name: 1 to 40 of a-z, 0-9 and -, because it is a path prefix", clip(name))
	}
	p := Provider{
		Name: name, Preset: y.Preset, Host: y.Host, Address: y.Address, CAFile: y.CAFile, Region: y.Region,
		Plaintext: y.Plaintext, Allow: y.Allow, Credential: c.credential(key+".credential", y.Credential),
	}
	switch {
	case y.Preset != "" && !slices.Contains(c.opt.Presets, y.Preset):
		c.Fault(key+".preset", "there is no preset %q: known are %s", clip(y.Preset), list(c.opt.Presets))
	case y.Preset != "" && len(y.Endpoints) > 0:
		c.Fault(key+".endpoints", "a preset has its own endpoints: narrow them with allow, or describe a custom API without a preset")
	case y.Preset == "" && y.Host == "":
		c.Fault(key+".host", "a custom API needs its host name; or name a preset: %s", list(c.opt.Presets))
	case y.Preset == "" && len(y.Endpoints) == 0:
		c.Fault(key+".endpoints", "a custom API needs at least one endpoint: what is not listed cannot be called")
	case strings.HasPrefix(y.Preset, "aws-") && y.Region == "":
		c.Fault(key+".region", "preset %s needs a region: write for instance us-east-1", y.Preset)
	}
	if y.Host != "" && !hostPattern.MatchString(y.Host) {
		c.Fault(key+".host", "%q is not a host name in lower case without a port", clip(y.Host))
	}
	if y.Region != "" && !regexp.MustCompile(`^[a-z0-9-]{3,30}$`).MatchString(y.Region) {
		c.Fault(key+".region", "%q is not an AWS region", clip(y.Region))
	}
	if _, err := netip.ParseAddrPort(y.Address); y.Address != "" && err != nil {
		c.Fault(key+".address", "%q is not ip:port", clip(y.Address))
	}
	if p.Credential.Path == "" && !c.Has(key+".credential") {
		c.Fault(key+".credential", "a provider needs a credential: write for instance vault:secret/%s#api_key", name)
	}
	p.Endpoints = c.endpoints(key+".endpoints", y.Endpoints)
	c.set.Providers = append(c.set.Providers, p)
}

func (c *compiler) credential(key string, y credentialYAML) Credential {
	kind := CredentialKind(y.Type)
	if y.Header != "" && kind == CredentialDefault {
		kind = CredentialHeader
	}
	kinds := []CredentialKind{CredentialDefault, CredentialBearer, CredentialHeader, CredentialBasic, CredentialSigV4}
	switch {
	case !slices.Contains(kinds, kind):
		c.Fault(key+".type", "%q is not a type: use bearer, header, basic or sigv4", clip(y.Type))
	case kind == CredentialHeader && !regexp.MustCompile(`^[a-z0-9-]{1,64}$`).MatchString(strings.ToLower(y.Header)):
		c.Fault(key+".header", "name the header that carries the credential, such as x-api-key")
	case c.Has(key+".vault") && y.Vault.path == "":
		// already a fault
	case c.Has(key+".type") && y.Vault.path == "", c.Has(key+".header") && y.Vault.path == "":
		c.Fault(key+".vault", "say where the credential lies: vault: PATH#FIELD")
	}
	return Credential{Path: y.Vault.path, Field: y.Vault.field, Kind: kind, Header: strings.ToLower(y.Header)}
}

func (c *compiler) endpoints(key string, list []endpointYAML) []Endpoint {
	seen, names := map[string]bool{}, map[string]bool{}
	var out []Endpoint
	for i, y := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		if y.Name == "" {
			y.Name = y.Method + " " + y.Path
		}
		if !slices.Contains(methods, y.Method) {
			c.Fault(at+".method", "%q is not a method: use %s", clip(y.Method), strings.Join(methods, ", "))
		}
		if err := template(y.Path); err != nil {
			c.Fault(at+".path", "%s", err)
		}
		if shape := y.Method + " " + shapeOf(y.Path); seen[shape] || names[y.Name] {
			c.Fault(at+".path", "method and path, or the name, stand twice")
		} else {
			seen[shape], names[y.Name] = true, true
		}
		if y.Price.PerRequestUSD == nil {
			if !c.Has(at + ".price.per_request_usd") {
				c.Fault(at+".price", "what has no price is not routable: write price: {per_request_usd: 0.001}, or 0 if it is free")
			}
			continue
		}
		if *y.Price.PerRequestUSD > usd(1_000_000*sentinel.USD) {
			c.Fault(at+".price.per_request_usd", "above a million dollars a call")
			continue
		}
		out = append(out, Endpoint{Name: y.Name, Method: y.Method, Path: y.Path, PerRequest: sentinel.NanoUSD(*y.Price.PerRequestUSD)})
	}
	return out
}

// template checks that a path template is canonical: what it matches can be compared as raw bytes.
func template(t string) error {
	if !strings.HasPrefix(t, "/") || len(t) > 512 {
		return fmt.Errorf("%q is not a path: begin with /", clip(t))
	}
	if t == "/" {
		return nil
	}
	segments := strings.Split(t[1:], "/")
	for i, s := range segments {
		if s == "." || s == ".." || !segmentPattern.MatchString(s) || strings.HasSuffix(s, "...}") && i < len(segments)-1 {
			return fmt.Errorf("segment %q is not canonical: use letters, digits, . _ ~ -, or {name}, and {name...} only at the end", clip(s))
		}
	}
	return nil
}

// shapeOf blanks the names of a template's variables: templates of one shape match the same paths.
func shapeOf(t string) string {
	segments := strings.Split(t, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = "{}"
		}
	}
	return strings.Join(segments, "/")
}

func (c *compiler) policies() {
	names := map[string]bool{}
	for i, y := range c.in.Policies {
		key := fmt.Sprintf("policies[%d]", i)
		c.name(key+".name", y.Name)
		if names[y.Name] {
			c.Fault(key+".name", "two policies are called %q", clip(y.Name))
		}
		names[y.Name] = true
		r := rule{
			name: y.Name, team: y.Match.Team, service: y.Match.Service, provider: y.Match.Provider,
			endpoint: y.Match.Endpoint, modelOf: y.Match.Model,
			limits: c.limits(key, "rule/"+y.Name, y.Name, y.Limits, y.Budget),
		}
		c.matches(key, y)
		c.actions(key, y, &r)
		c.set.rules = append(c.set.rules, r)
	}
}

// matches checks the globs of a rule, and that names without a glob exist.
func (c *compiler) matches(key string, y ruleYAML) {
	check := func(field string, list []string, known func(string) bool, what string) {
		for _, g := range list {
			_, err := path.Match(g, "")
			switch {
			case g == "" || err != nil || len(g) > 200:
				c.Fault(key+".match."+field, "%q is not a name or a pattern", clip(g))
			case known != nil && !strings.ContainsAny(g, `*?[\`) && !known(g):
				c.Fault(key+".match."+field, "there is no %s %q", what, g)
			}
		}
	}
	check("team", y.Match.Team, func(s string) bool { _, ok := c.in.Teams[s]; return ok }, "team")
	check("service", y.Match.Service, func(s string) bool { _, ok := c.in.Services[s]; return ok }, "service")
	check("provider", y.Match.Provider, func(s string) bool { _, ok := c.in.Providers[s]; return ok }, "provider")
	check("endpoint", y.Match.Endpoint, nil, "")
	check("model", y.Match.Model, nil, "")
}

func (c *compiler) actions(key string, y ruleYAML, r *rule) {
	for i, p := range y.Per {
		switch p {
		case "service":
			r.perService = true
		case "team":
			r.perTeam = true
		default:
			c.Fault(fmt.Sprintf("%s.per[%d]", key, i), "%q is not a scope: use service or team", clip(p))
		}
	}
	for i, a := range y.OnExceed {
		at := fmt.Sprintf("%s.on_exceed[%d]", key, i)
		if len(a.Downgrade) == 0 {
			if a.action == sentinel.Allow {
				c.Fault(at, "an action is required: throttle, deny or {downgrade: [model]}")
			}
			r.deny = a.action == sentinel.Deny
			if i < len(y.OnExceed)-1 {
				c.Fault(at, "%s ends the list: what follows is never reached", a.action)
			}
			continue
		}
		for _, m := range a.Downgrade {
			if m == "" || slices.Contains(y.Match.Model, m) {
				c.Fault(at+".downgrade", "%q is a model that the rule itself is about", clip(m))
			}
			r.downgrades = append(r.downgrades, m)
		}
	}
	if len(r.downgrades) > 7 {
		c.Fault(key+".on_exceed", "at most 7 cheaper models can be tried")
	}
	if len(r.limits) == 0 && len(c.Faults()) == 0 {
		c.Fault(key, "the rule has neither limits nor a budget: it would do nothing")
	}
}
