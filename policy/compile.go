package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

// File is a policy file's name, for messages, and its text.
type File struct {
	Name string
	Data []byte
}

// Options are facts about the rest of the house that a file is checked against.
type Options struct {
	Presets []string
}

// maxItems bounds each kind of thing in a file.
const maxItems = 10_000

// compiler collects faults while it builds a Set.
type compiler struct {
	*strictyaml.Doc
	opt Options
	in  file
	set *Set
}

// Compile reads a policy file. The error lists every fault at once, each with its place, key and remedy.
func Compile(f File, o Options) (*Set, error) {
	c := compiler{opt: o, in: file{Timezone: "UTC"}}
	c.Doc = strictyaml.Decode(f.Name, f.Data, &c.in)
	sum := sha256.Sum256(f.Data)
	c.set = &Set{
		Version: hex.EncodeToString(sum[:6]), Org: c.in.Org, tokens: map[[sha256.Size]byte]sentinel.Caller{},
		spiffe: map[string]sentinel.Caller{}, accessKeys: map[string]AWSIdentity{},
		teams: map[string][]limit{}, services: map[string][]limit{},
	}
	c.head()
	for _, name := range slices.Sorted(maps.Keys(c.in.Teams)) {
		t := c.in.Teams[name]
		c.name("teams."+name, name)
		c.set.teams[name] = c.limits("teams."+name, "team/"+name, "team "+name, t.Limits, t.Budget)
	}
	for _, name := range slices.Sorted(maps.Keys(c.in.Services)) {
		c.service(name, c.in.Services[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.in.Providers)) {
		c.provider(name, c.in.Providers[name])
	}
	c.policies()
	c.sizes()
	if err := strictyaml.Join(c.Faults()); err != nil {
		return nil, err
	}
	return c.set, nil
}

// head reads what concerns the whole file.
func (c *compiler) head() {
	if c.in.Org == "" {
		c.Fault("org", "an organisation is required: write org: NAME")
	} else {
		c.name("org", c.in.Org)
	}
	var err error
	if c.set.Zone, err = time.LoadLocation(c.in.Timezone); err != nil || c.in.Timezone == "Local" {
		c.Fault("timezone", "%q is not an IANA time zone: write for instance Europe/Berlin", c.in.Timezone)
		c.set.Zone = time.UTC
	}
	u := c.in.Defaults.Unpriced
	c.set.Unpriced = Unpriced{Mode: u.mode}
	if u.FlatUSD != nil {
		c.set.Unpriced = Unpriced{Mode: UnpricedFlat, Flat: sentinel.NanoUSD(*u.FlatUSD)}
		if *u.FlatUSD > usd(1_000*sentinel.USD) {
			c.Fault("defaults.unpriced.flat_usd", "above 1000 dollars a call")
		}
	}
	down := c.in.Defaults.WhenLimiterDown
	c.set.WhenLimiterDown = LimiterDown{HardBudgets: down.HardBudgets.mode, Rates: DownOpen}
	if down.Rates.set {
		c.set.WhenLimiterDown.Rates = down.Rates.mode
	}
	c.set.org = c.limits("", "org", "org "+c.in.Org, limitsYAML{}, c.in.Budget)
}

// sizes refuses a file whose calls could have more limits than one admission checks.
func (c *compiler) sizes() {
	for what, n := range map[string]int{"teams": len(c.in.Teams), "services": len(c.in.Services), "providers": len(c.in.Providers), "policies": len(c.in.Policies)} {
		if n > maxItems {
			c.Fault(what, "%d entries: at most %d are allowed", n, maxItems)
		}
	}
	team, service, rules := 0, 0, 0
	for _, l := range c.set.teams {
		team = max(team, len(l))
	}
	for _, l := range c.set.services {
		service = max(service, len(l))
	}
	disjoint := map[string]int{} // rules for one service each cannot meet on one call
	for _, r := range c.set.rules {
		if len(r.service) == 1 && !strings.ContainsAny(r.service[0], "*?[") {
			disjoint[r.service[0]] += len(r.limits)
			continue
		}
		rules += len(r.limits)
	}
	most := 0
	for _, n := range disjoint {
		most = max(most, n)
	}
	if n := len(c.set.org) + team + service + rules + most; n > maxLimits {
		c.Fault("policies", "a call could fall under %d limits at once: at most %d are allowed; merge rules or match fewer services", n, maxLimits)
	}
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,99}$`)

// name checks a name that becomes part of a counter's key.
func (c *compiler) name(key, name string) {
	if !namePattern.MatchString(name) {
		c.Fault(key, "%q is not a usable name: 1 to 100 letters, digits, spaces and . _ @ -, beginning with a letter or digit", clip(name))
	}
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

func (c *compiler) service(name string, s serviceYAML) {
	key := "services." + name
	c.name(key, name)
	caller := sentinel.Caller{Org: c.in.Org, Team: s.Team, Service: name}
	if _, ok := c.in.Teams[s.Team]; !ok {
		c.Fault(key+".team", "there is no team %q: known are %s", clip(s.Team), list(slices.Sorted(maps.Keys(c.in.Teams))))
	}
	c.set.services[name] = c.limits(key, "service/"+name, "service "+name, s.Limits, s.Budget)
	id := s.Identity
	if id.Token == "" && id.SPIFFE == "" && id.AWS == nil {
		c.Fault(key+".identity", "say how the service is recognised: token, spiffe or aws")
	}
	if id.Token != "" {
		c.token(key+".identity.token", id.Token, caller)
	}
	if id.SPIFFE != "" {
		c.spiffe(key+".identity.spiffe", id.SPIFFE, caller)
	}
	if id.AWS != nil {
		c.accessKey(key+".identity.aws", *id.AWS, caller)
	}
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	if len(names) > 20 {
		return strings.Join(names[:20], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// minToken is the shortest token that is accepted: shorter ones are guessed.
const minToken = 8

func (c *compiler) token(key, token string, caller sentinel.Caller) {
	hash := sha256.Sum256([]byte(token))
	if text, ok := strings.CutPrefix(token, "sha256:"); ok {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != sha256.Size {
			c.Fault(key, "after sha256: 64 hex digits are expected")
			return
		}
		copy(hash[:], b)
	} else if len(token) < minToken || strings.ContainsAny(token, " \t\n") {
		c.Fault(key, "a token has at least %d characters and no spaces", minToken)
		return
	}
	if other, taken := c.set.tokens[hash]; taken {
		c.Fault(key, "services %s and %s have the same token: each needs its own", other.Service, caller.Service)
		return
	}
	c.set.tokens[hash] = caller
}

func (c *compiler) spiffe(key, uri string, caller sentinel.Caller) {
	if !strings.HasPrefix(uri, "spiffe://") || len(uri) > 2048 {
		c.Fault(key, "%q is not a SPIFFE ID: write spiffe://TRUST-DOMAIN/PATH", clip(uri))
		return
	}
	if other, taken := c.set.spiffe[uri]; taken {
		c.Fault(key, "services %s and %s have the same SPIFFE ID: each needs its own", other.Service, caller.Service)
		return
	}
	c.set.spiffe[uri] = caller
}

var accessKeyPattern = regexp.MustCompile(`^[A-Za-z0-9_]{8,128}$`)

func (c *compiler) accessKey(key string, a awsYAML, caller sentinel.Caller) {
	if !accessKeyPattern.MatchString(a.AccessKeyID) {
		c.Fault(key+".access_key_id", "an access key id has 8 to 128 letters, digits and _")
		return
	}
	if a.Secret.path == "" || a.Secret.field == "" {
		c.Fault(key+".secret", "say where the issued secret lies: vault:PATH#FIELD")
		return
	}
	if other, taken := c.set.accessKeys[a.AccessKeyID]; taken {
		c.Fault(key+".access_key_id", "services %s and %s have the same access key: each needs its own", other.Caller.Service, caller.Service)
		return
	}
	c.set.accessKeys[a.AccessKeyID] = AWSIdentity{Caller: caller, SecretPath: a.Secret.path, SecretField: a.Secret.field}
}

// limits compiles limits and a budget of one scope.
func (c *compiler) limits(key, cell, name string, l limitsYAML, b *budgetYAML) []limit {
	var out []limit
	add := func(field string, m sentinel.Measure, list []perTime) {
		seen := map[span]bool{}
		for _, p := range list {
			if p.span == "" {
				continue // already a fault
			}
			if seen[p.span] {
				c.Fault(key+".limits."+field, "two limits per %s", p.span)
			}
			seen[p.span] = true
			out = append(out, countLimit(cell, name, field, m, p))
		}
	}
	add("requests", sentinel.MeasureRequests, l.Requests)
	add("tokens", sentinel.MeasureTokens, l.Tokens)
	add("input_tokens", sentinel.MeasureInputTokens, l.InputTokens)
	add("output_tokens", sentinel.MeasureOutputTokens, l.OutputTokens)
	if l.Concurrent != nil {
		out = append(out, limit{Limit: sentinel.Limit{
			Name: name + ": concurrent", Cell: cell + "/concurrent", Kind: sentinel.Concurrent,
			Measure: sentinel.MeasureConcurrent, Max: int64(*l.Concurrent),
		}})
	}
	if b != nil {
		out = append(out, c.budget(key, cell, name, *b)...)
	}
	return out
}

func countLimit(cell, name, field string, m sentinel.Measure, p perTime) limit {
	out := limit{span: p.span, Limit: sentinel.Limit{
		Name: fmt.Sprintf("%s: %s/%s", name, field, p.span), Cell: cell + "/" + field + "/" + string(p.span),
		Kind: sentinel.Window, Measure: m, Max: int64(p.n),
	}}
	if period, ok := rateSpans[p.span]; ok {
		out.Kind, out.Period = sentinel.Rate, period
	}
	return out
}

func (c *compiler) budget(key, cell, name string, b budgetYAML) []limit {
	key = strings.TrimPrefix(key+".budget", ".")
	for i, w := range b.WarnAt {
		n, err := decimal(strings.TrimSuffix(w, "%"), 2)
		if err != nil || !strings.HasSuffix(w, "%") || n == 0 || n > 1000_00 {
			c.Fault(fmt.Sprintf("%s.warn_at[%d]", key, i), "%q is not a share: write for instance 80%%", clip(w))
		}
	}
	if b.Mode != "" && b.Mode != "hard" && b.Mode != "soft" {
		c.Fault(key+".mode", "%q is not a mode: use hard or soft", clip(b.Mode))
	}
	if b.USD.span == "" {
		if !c.Has(key + ".usd") {
			c.Fault(key+".usd", "an amount is required: write for instance 500/day")
		}
		return nil
	}
	soft := b.Mode == "soft"
	return []limit{{span: b.USD.span, Limit: sentinel.Limit{
		Name: fmt.Sprintf("%s: budget/%s", name, b.USD.span), Cell: cell + "/cost/" + string(b.USD.span),
		Kind: sentinel.Window, Measure: sentinel.MeasureCost, Max: int64(b.USD.amount), Soft: soft, Charge: !soft,
	}}}
}
