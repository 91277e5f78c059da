package policy

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/declare"
)

var (
	providerPattern  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	hostPattern      = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$`)
	regionPattern    = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
	signedName       = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	parameterPattern = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	headerPattern    = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
)

func (c *compiler) provider(name string, y providerYAML) {
	key := "providers." + name
	if !providerPattern.MatchString(name) {
		c.Fault(key, "%q is not a usable provider name: 1 to 40 of a-z, 0-9 and -, because it is a path prefix", clip(name))
	}
	aws := strings.HasPrefix(y.Preset, "aws-") || y.Preset == "" && y.Credential.Type == string(CredentialSigV4)
	switch {
	case c.Has(key+".preset") && !slices.Contains(c.opt.Presets, y.Preset):
		c.Fault(key+".preset", "there is no preset %q: known are %s", clip(y.Preset), list(c.opt.Presets))
	case y.Preset != "":
		c.preset(key, y)
	default:
		c.custom(key, y)
	}
	if y.Region != "" && !regionPattern.MatchString(y.Region) {
		c.Fault(key+".region", "%q is not an AWS region: write for instance us-east-1", clip(y.Region))
	}
	c.connection(key, y)
	c.tier(key+".default_tier", y)
	c.set.providers[name] = c.limits(key, "provider/"+name, "provider "+name, y.Limits, y.Budget)
	spares := c.spares(key+".credential", y.Credential, aws)
	provider := Provider{
		Weight: max(1, y.Credential.Weight), Spares: spares,
		Name: name, Preset: y.Preset, Host: y.Host, Address: y.Address, CAFile: y.CAFile, Region: y.Region, Certificate: c.certificate(key, y),
		Plaintext: y.Plaintext, Allow: y.Allow, OnBehalf: y.OnBehalf, Redirects: y.Redirects, Models: y.Models, DefaultTier: y.Tier, PricedAs: y.PricedAs, Credential: c.credential(key+".credential", y.Credential, aws, y.Preset != ""),
		Endpoints: c.endpoints(key+".endpoints", y.Endpoints), Contract: c.contract(key+".contract", y.Contract, y.Region),
	}
	if at := provider.Credential; len(spares) > 0 {
		provider.first = Spare{Path: at.Path, Field: at.Field, Rotate: at.Rotate}
	}
	c.set.Providers = append(c.set.Providers, provider)
}

// tier checks what is said of a provider's own setting.
func (c *compiler) tier(key string, y providerYAML) {
	if !c.Has(key) || c.opt.DefaultTiers == nil {
		return
	}
	switch known := c.opt.DefaultTiers(y.Preset); {
	case len(known) == 0:
		c.Fault(key, "only OpenAI and Azure OpenAI have such a setting: remove the key")
	case !slices.Contains(known, y.Tier):
		c.Fault(key, "there is no price list %q: known are %s", clip(y.Tier), list(known))
	}
}

// contract checks what was agreed on prices.
func (c *compiler) contract(key string, y contractYAML, region string) Contract {
	const ppmPerShare = sentinel.Factor(100) // a share is in hundredths of a per cent
	var out Contract
	if y.Discount != nil || y.Margin != nil {
		discount, margin := sentinel.Factor(0), sentinel.Factor(0)
		if y.Discount != nil {
			discount = sentinel.Factor(*y.Discount) * ppmPerShare
		}
		if y.Margin != nil {
			margin = sentinel.Factor(*y.Margin) * ppmPerShare
		}
		if discount >= sentinel.OneFactor {
			c.Fault(key+".discount", "a discount of all there is would make calls free: at most 99.99%%")
			return out
		}
		out.Factor = ((sentinel.OneFactor-discount)*(sentinel.OneFactor+margin) + sentinel.OneFactor/2) / sentinel.OneFactor
	}
	if n := len(y.Prices) + len(y.Models); n > maxProviders {
		c.Fault(key, "%d prices of its own: at most %d are allowed", n, maxProviders)
		return out
	}
	out.Models = c.agreed(key, y, region)
	return out
}

// agreed checks a contract's own prices.
func (c *compiler) agreed(key string, y contractYAML, region string) (out []declare.ModelYAML) {
	var places []string
	for _, model := range slices.Sorted(maps.Keys(y.Prices)) {
		if len(y.Prices[model]) == 0 {
			c.Fault(key+".prices."+model, "give a rate, such as input: 1.00")
			continue
		}
		out, places = append(out, declare.ModelYAML{Model: model, Rates: y.Prices[model]}), append(places, key+".prices."+model)
	}
	for i, m := range y.Models {
		at := fmt.Sprintf("%s.models[%d]", key, i)
		if m.Region != "" && m.Region != region {
			c.Fault(at+".region", "%s is not the provider's region, so the price would never hold: remove the key", clip(m.Region))
		}
		out, places = append(out, m), append(places, at)
	}
	if c.opt.Agreed != nil {
		c.opt.Agreed(out, func(at int, err error) { c.Fault(places[at], "%s", err) })
	}
	return out
}

// preset checks the keys of a known API.
func (c *compiler) preset(key string, y providerYAML) {
	if c.Has(key + ".endpoints") {
		c.Fault(key+".endpoints", "a preset has its own endpoints: narrow them with allow, or describe a custom API without a preset")
	}
	aws := strings.HasPrefix(y.Preset, "aws-")
	if aws && y.Region == "" {
		c.Fault(key+".region", "preset %s needs a region: write for instance us-east-1", y.Preset)
	}
	if !aws && c.Has(key+".region") {
		c.Fault(key+".region", "preset %s has no regions: remove the key", y.Preset)
	}
	if c.opt.Endpoints == nil {
		return
	}
	known := c.opt.Endpoints(y.Preset)
	for i, name := range y.Allow {
		if !slices.Contains(known, name) {
			c.Fault(fmt.Sprintf("%s.allow[%d]", key, i), "preset %s has no endpoint %q: known are %s", y.Preset, clip(name), list(known))
		}
	}
}

// custom checks the keys of an API that no preset describes.
func (c *compiler) custom(key string, y providerYAML) {
	if y.Host == "" {
		c.Fault(key+".host", "a custom API needs its host name; or name a preset: %s", list(c.opt.Presets))
	}
	if len(y.Endpoints) == 0 {
		c.Fault(key+".endpoints", "a custom API needs at least one endpoint: what is not listed cannot be called")
	}
	if c.Has(key + ".allow") {
		c.Fault(key+".allow", "allow narrows a preset: a custom API has the endpoints that it lists")
	}
	signed := y.Credential.Type == string(CredentialSigV4)
	for i, e := range y.Endpoints {
		if e.Body == "events" && !signed {
			c.Fault(fmt.Sprintf("%s.endpoints[%d].body", key, i), "events are signed for AWS alone (credential.type sigv4): remove the key, and the body streams past")
		}
	}
	if c.Has(key+".region") && !signed {
		c.Fault(key+".region", "a custom API has no region, unless AWS signs it (credential.type sigv4): remove the key")
	}
	if signed && y.Region == "" {
		c.Fault(key+".region", "AWS's signatures name a region: write for instance us-east-1")
	}
	if signed && !signedName.MatchString(y.Credential.Service) {
		c.Fault(key+".credential.service", "AWS's signatures name the service: write for instance kinesis")
	}
}

// connection checks where a provider is.
func (c *compiler) connection(key string, y providerYAML) {
	if _, err := netip.ParseAddr(y.Host); err == nil {
		c.Fault(key+".host", "%q is an address, and no certificate is checked against one: name the host, and write ip:port under address", y.Host)
	} else if y.Host != "" && (!hostPattern.MatchString(y.Host) || len(y.Host) > 253) {
		c.Fault(key+".host", "%q is not a host name in lower case without a port", clip(y.Host))
	}
	if a, err := netip.ParseAddrPort(y.Address); y.Address != "" && (err != nil || a.Port() == 0) {
		c.Fault(key+".address", "%q is not ip:port", clip(y.Address))
	}
	if y.Plaintext && y.CAFile != "" {
		c.Fault(key+".ca_file", "no certificate is checked with plaintext: true: remove one of the two")
	}
}

// certificate checks what is shown to a provider.
func (c *compiler) certificate(key string, y providerYAML) Certificate {
	key += ".certificate"
	if !c.Has(key) {
		return Certificate{}
	}
	const shortest, longest, usual = 10 * time.Second, 90 * 24 * time.Hour, 24 * time.Hour
	out := Certificate{Authority: string(y.Shows.Vault), Name: y.Shows.Name, Life: cmp.Or(y.Shows.Life, usual)}
	switch {
	case y.Plaintext:
		c.Fault(key, "no certificate is shown with plaintext: true: remove one of the two")
	case !hostPattern.MatchString(out.Name) || len(out.Name) > 64: // of a common name, by X.520
		c.Fault(key+".name", "%q is not a host name in lower case, of at most 64 characters", clip(out.Name))
	case out.Life < shortest || out.Life > longest:
		c.Fault(key+".life", "%s is outside 10s to 2160h", out.Life)
	}
	return out
}

// credential checks where a credential lies and how it is sent. AWS keys are whole secrets; of others one field is sent.
func (c *compiler) credential(key string, y credentialYAML, aws, preset bool) Credential {
	kind := CredentialKind(y.Type)
	if y.Header != "" && kind == CredentialDefault {
		kind = CredentialHeader
	}
	if y.Query != "" && kind == CredentialDefault {
		kind = CredentialQuery
	}
	name := strings.ToLower(y.Header)
	if kind == CredentialQuery {
		name = y.Query // its case counts
	}
	switch {
	case kind == CredentialQuery && (preset || !parameterPattern.MatchString(y.Query)):
		c.Fault(key+".query", "name the parameter that carries the credential of a custom API, such as key; presets know where theirs is")
	case kind != CredentialQuery && y.Query != "":
		c.Fault(key+".query", "a credential of type %s is not in the query: remove query or type", clip(y.Type))
	case kind == CredentialHeader && !headerPattern.MatchString(y.Header):
		c.Fault(key+".header", "name the header that carries the credential, such as x-api-key")
	case kind != CredentialHeader && y.Header != "":
		c.Fault(key+".header", "a credential of type %s has its own header: remove header or type", clip(y.Type))
	case kind == CredentialSigV4 && !aws, kind != CredentialSigV4 && kind != CredentialDefault && aws:
		c.Fault(key+".type", "sigv4 is how AWS is signed, by its presets or in a custom API that names service and region: remove type")
	}
	if y.Service != "" && kind != CredentialSigV4 {
		c.Fault(key+".service", "only a custom API of type sigv4 names a service: remove the key")
	}
	if y.Vault.path != "" && (y.Vault.field == "") != aws {
		if aws {
			c.Fault(key, "an AWS key is a whole secret with access_key_id and secret_access_key: write %s", clip(placed(y.Vault.path)))
		} else {
			c.Fault(key, "name the field that holds the credential: %s#FIELD", clip(placed(y.Vault.path)))
		}
	}
	return Credential{Path: y.Vault.path, Field: y.Vault.field, Kind: kind, Header: name, Service: y.Service, Rotate: c.rotate(key, y.Vault, y.Rotate, aws)}
}

// spares checks the credentials beside the first.
func (c *compiler) spares(key string, y credentialYAML, aws bool) []Spare {
	const most, heaviest = 31, 1000
	if len(y.Also) > most {
		c.Fault(key+".also", "%d more credentials: at most %d are allowed", len(y.Also), most)
		return nil
	}
	weigh := func(key string, weight int) int {
		if c.Has(key) && (weight < 1 || weight > heaviest) {
			c.Fault(key, "%d is outside 1 to %d", weight, heaviest)
		}
		return max(1, weight)
	}
	weigh(key+".weight", y.Weight)
	seen := map[refYAML]bool{y.Vault: true}
	var out []Spare
	for i, s := range y.Also {
		at := fmt.Sprintf("%s.also[%d]", key, i)
		if seen[s.Vault] && s.Vault.path != "" {
			c.Fault(at+".vault", "this credential stands twice: give it one weight")
		}
		seen[s.Vault] = true
		if s.Vault.path != "" && (s.Vault.field == "") != aws {
			c.Fault(at+".vault", "it must be of the same form as the first: a whole secret for AWS, else PATH#FIELD")
		}
		for n, team := range s.Teams {
			if _, known := c.in.Teams[team]; !known {
				c.Fault(fmt.Sprintf("%s.teams[%d]", at, n), "there is no team %q", clip(team))
			}
		}
		out = append(out, Spare{Path: s.Vault.path, Field: s.Vault.field, Weight: weigh(at+".weight", s.Weight), Teams: s.Teams, Rotate: c.rotate(at, s.Vault, s.Rotate, aws)})
	}
	return out
}

// placed is a path as policies write it.
func placed(path string) string {
	if strings.Contains(path, ":") {
		return path
	}
	return "vault:" + path
}

func (c *compiler) endpoints(key string, list []declare.EndpointYAML) []*declare.Endpoint {
	if len(list) > maxProviders {
		c.Fault(key, "%d endpoints: at most %d are allowed", len(list), maxProviders)
		return nil
	}
	shapes, names := map[string]int{}, map[string]int{}
	var out []*declare.Endpoint
	for i, y := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		if !c.Has(at+".method") || !c.Has(at+".path") {
			continue // already a fault
		}
		if err := template(y.Path); err != nil {
			c.Fault(at+".path", "%s", err)
		}
		shape := y.Method + " " + shapeOf(y.Path)
		if first, taken := shapes[shape]; taken {
			c.Fault(at+".path", "%s %s matches the same requests as endpoints[%d]", clip(y.Method), clip(y.Path), first)
		} else {
			shapes[shape] = i
		}
		if y.Name == "" {
			y.Name = y.Method + " " + y.Path
		} else {
			c.name(at+".name", y.Name)
		}
		if first, taken := names[y.Name]; taken && c.Has(at+".name") {
			c.Fault(at+".name", "endpoints[%d] is called %q as well", first, clip(y.Name))
		}
		names[y.Name] = i
		out = append(out, declare.Compile(y, at, c.Fault))
	}
	return out
}

// maxSegments and maxPath bound a path template, whose variables become one regular expression.
const (
	maxSegments = 32
	maxPath     = 256
)

var segmentPattern = regexp.MustCompile(`^([A-Za-z0-9._~-]+|\{[a-z_]{1,32}(\.\.\.)?\})$`)

// template checks that a path template is canonical: what it matches can be compared as raw bytes.
func template(t string) error {
	if !strings.HasPrefix(t, "/") {
		return fmt.Errorf("%q is not a path: begin with /", clip(t))
	}
	segments := strings.Split(t[1:], "/")
	if len(t) > maxPath || len(segments) > maxSegments {
		return fmt.Errorf("%q is too long: at most %d bytes and %d segments", clip(t), maxPath, maxSegments)
	}
	if t == "/" {
		return nil
	}
	seen := map[string]bool{}
	for i, s := range segments {
		variable := strings.HasPrefix(s, "{")
		switch {
		case strings.Trim(s, ".") == "", !segmentPattern.MatchString(s):
			return fmt.Errorf("segment %q is not canonical: use letters, digits, . _ ~ -, or {name} for a whole segment", clip(s))
		case strings.HasSuffix(s, "...}") && i < len(segments)-1:
			return fmt.Errorf("%s takes the rest of the path: it can only be the last segment", s)
		case variable && seen[s]:
			return fmt.Errorf("%s stands twice: give each variable its own name", s)
		}
		seen[s] = variable
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
