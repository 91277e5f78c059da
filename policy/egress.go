package policy

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

// egressYAML is about hosts that no provider has.
type egressYAML struct {
	Others     map[string]otherYAML `yaml:"others" doc:"Hosts by name, *.example.com for those below one, or * for all: deny (default), tunnel (carried untouched to port 443, and their bytes counted), alert (as tunnel, and told), or {then: tunnel, address: ip:port}. The longest name that fits holds."`
	WithoutSNI string               `yaml:"without_sni" enum:"deny,tunnel" doc:"Redirected connections that name no host: deny (default), or tunnel to the public IPv4 address that they were going to."`
	ECH        string               `yaml:"ech" enum:"deny,tunnel" doc:"Hosts that stand in for hidden ones (Encrypted Client Hello), such as cloudflare-ech.com: deny (default, even where * is let through), or as others says."`
}

// otherYAML is what is done with one host.
type otherYAML struct {
	Then    passage `yaml:"then,required" doc:"deny, tunnel or alert."`
	Address string  `yaml:"address" doc:"ip:port to connect to instead of the host's own address; needed for addresses of private networks."`
}

// UnmarshalText reads the short form.
func (o *otherYAML) UnmarshalText(b []byte) error { return o.Then.UnmarshalText(b) }

// SchemaHint lists the short forms.
func (o *otherYAML) SchemaHint() strictyaml.Hint { return o.Then.SchemaHint() }

// passage is a Passage as it is written.
type passage struct{ Passage }

// UnmarshalText reads "deny", "tunnel" or "alert".
func (p *passage) UnmarshalText(b []byte) error {
	i := slices.Index(passages, string(b))
	if i < 0 {
		return fmt.Errorf("%q is not allowed: use deny, tunnel, alert or {then: tunnel, address: ip:port}", clip(string(b)))
	}
	p.Passage = Passage(i)
	return nil
}

// SchemaHint lists the words.
func (*passage) SchemaHint() strictyaml.Hint { return strictyaml.Hint{Words: passages} }

// Passage is what is done with connections to a host that is no provider's.
type Passage uint8

// The passages.
const (
	PassDeny   Passage = iota
	PassTunnel         // carried untouched, bytes counted
	PassAlert          // as PassTunnel, and told
)

var passages = []string{"deny", "tunnel", "alert"}

// String is the passage's name.
func (p Passage) String() string { return passages[p] }

// Egress is what holds for hosts that are no provider's.
type Egress struct {
	Others     []Other // the longest name first
	WithoutSNI bool    // redirected connections that name no host go where they were going
	ECH        bool    // names behind which others are hidden are hosts as any
}

// Other is what is done with a host, those below it (*.example.com), or all (*).
type Other struct {
	Host    string
	Then    Passage
	Address string // ip:port to connect to; empty: the host's own
}

// fronts are the names that clients show in place of hidden ones (public_name of RFC 9849). Cloudflare's stands for the sites of all its
// customers; the others are of public tests.
var fronts = []string{"cloudflare-ech.com", "cover.defo.ie", "public.tls-ech.dev"}

// Front tells whether a host hides others that the policy must not let through unseen.
func (e Egress) Front(host string) bool {
	return !e.ECH && slices.Contains(fronts, strings.ToLower(host))
}

// Of is what is done with a host, and by which entry. A front is let through by its own name alone.
func (e Egress) Of(host string) Other {
	host = strings.ToLower(host)
	for _, o := range e.Others {
		if below, wild := strings.CutPrefix(o.Host, "*"); o.Host == host || wild && strings.HasSuffix(host, below) && !e.Front(host) {
			return o
		}
	}
	return Other{Host: host}
}

// Open tells whether any host is let through.
func (e Egress) Open() bool {
	return e.WithoutSNI || slices.ContainsFunc(e.Others, func(o Other) bool { return o.Then != PassDeny })
}

const maxOthers = 1000

var otherPattern = regexp.MustCompile(`^(\*|(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?)$`)

// egress compiles what is done with other hosts.
func (c *compiler) egress() {
	in := c.in.Egress
	if _, taken := c.in.Providers[sentinel.TunnelProvider]; taken {
		c.Fault("providers."+sentinel.TunnelProvider, "the ledger has this name for tunnels to other hosts: choose another")
	}
	c.set.Egress = Egress{WithoutSNI: in.WithoutSNI == "tunnel", ECH: in.ECH == "tunnel"}
	for _, host := range slices.Sorted(maps.Keys(in.Others)) {
		key, o := "egress.others."+host, in.Others[host]
		if !otherPattern.MatchString(host) || len(host) > 253 {
			c.Fault(key, "%q is not a host: write a name in lower case, *.NAME for those below it, or *", clip(host))
		}
		if o.Address != "" {
			if at, err := netip.ParseAddrPort(o.Address); err != nil || at.Port() == 0 || strings.HasPrefix(host, "*") {
				c.Fault(key+".address", "an address is ip:port of one host, not of a pattern")
			}
		}
		c.set.Egress.Others = append(c.set.Egress.Others, Other{Host: host, Then: o.Then.Passage, Address: o.Address})
	}
	slices.SortStableFunc(c.set.Egress.Others, func(a, b Other) int {
		if wa, wb := a.Host[:1] == "*", b.Host[:1] == "*"; wa != wb {
			if wa {
				return 1
			}
			return -1
		}
		return len(b.Host) - len(a.Host)
	})
}
