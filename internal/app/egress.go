package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ca"
	"github.com/saas-sentinel/saas-sentinel/envoy"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// egress issues the certificates of the proxy.
type egress struct {
	authority *ca.Authority
	leaves    *leaves[string] // by host
}

// openProxy opens the authority, or makes it at the first start.
func (a *App) openProxy(ctx context.Context) error {
	c := a.config.Proxy
	if !c.used() {
		return nil
	}
	authority, err := OpenAuthority(ctx, a.config)
	made := false
	if errors.Is(err, fs.ErrNotExist) {
		authority, err = ca.Create(c.CA, ProviderHosts(a.governor.State()), a.governor.State().Policy.Org, time.Now)
		made = true
	}
	if err != nil {
		return fmt.Errorf("proxy.ca: %w", err)
	}
	if made {
		a.log.Warn().Str("file", c.CA).Strs("hosts", authority.Hosts()).Msg("made an authority for the proxy: clients have to trust it, see sentinel ca install-help")
	}
	issue := func(ctx context.Context, host string) (ca.Leaf, error) { return authority.Issue(ctx, host, c.Life) }
	a.egress = &egress{authority, newLeaves(issue, func(host string, err error) {
		a.log.Warn().Err(err).Str("host", host).Msg("certificate not renewed, the one before is used to its end")
	})}
	return nil
}

// used tells whether there is anything to issue certificates for.
func (c ProxyConfig) used() bool { return c.Listen != "" || c.Redirected != "" }

const vaultPrefix = "vault:"

// InVault tells whether the authority's key is in Vault.
func (c ProxyConfig) InVault() bool { return strings.HasPrefix(c.CA, vaultPrefix) }

// OpenAuthority opens the authority's file, or the one whose key is in Vault.
func OpenAuthority(ctx context.Context, c Config) (*ca.Authority, error) {
	if !c.Proxy.InVault() {
		return ca.Open(c.Proxy.CA, time.Now)
	}
	v, err := openVault(c, func(error) {}) // what it would tell of its token is an error of the next signature too
	if err != nil {
		return nil, err
	}
	pki, err := v.PKI(strings.TrimPrefix(c.Proxy.CA, vaultPrefix))
	if err != nil {
		return nil, err
	}
	chain, err := pki.Authority(ctx)
	if err != nil {
		return nil, err
	}
	return ca.Remote(c.Proxy.CA, chain, pki.Sign, time.Now)
}

// ProviderHosts lists the hosts of a policy's providers, each once and without its port.
func ProviderHosts(s *governor.State) []string {
	var out []string
	for _, r := range s.Ordered {
		host := envoy.HostOnly(r.Provider.Host)
		if !r.Provider.Plaintext && !slices.Contains(out, host) {
			out = append(out, host)
		}
	}
	return out
}

// forEnvoy is ForEnvoy with the certificates that are issued.
func (a *App) forEnvoy(s *governor.State) envoy.Config {
	c := a.config.ForEnvoy(s)
	a.showing(s, c.Providers)
	if a.egress == nil {
		return c
	}
	c.Proxy = &envoy.Proxy{Listen: a.config.Proxy.Listen, TLS: a.config.Proxy.TLS.forEnvoy(), Redirected: a.config.Proxy.Redirected, WithoutSNI: s.Policy.Egress.WithoutSNI}
	for _, o := range s.Policy.Egress.Others {
		if o.Then != policy.PassDeny {
			c.Proxy.Others = append(c.Proxy.Others, envoy.Other{Host: o.Host, Address: o.Address})
		}
	}
	for _, host := range ProviderHosts(s) {
		leaf, err := a.egress.leaves.get(context.Background(), host, time.Now())
		if err != nil {
			a.log.Error().Err(err).Str("host", host).Msg("host not reachable through the proxy: make another authority with sentinel ca create, and give it to the clients")
			continue
		}
		c.Proxy.Leaves = append(c.Proxy.Leaves, envoy.Leaf{Host: host, Cert: leaf.Cert, Key: leaf.Key})
	}
	return c
}

// renew gives Envoy new certificates in time. Connections go on with the old ones.
func (a *App) renew(ctx context.Context) error {
	every := renewLooks
	if a.egress != nil {
		every = min(every, max(a.config.Proxy.Life/8, 100*time.Millisecond))
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := a.renewDue(time.Now()); err != nil {
			a.log.Error().Err(err).Msg("certificates not renewed")
		}
	}
}

// renewDue tells Envoy of new certificates where one is due. A reload does not come between: Envoy would be told of the policy before.
func (a *App) renewDue(now time.Time) error {
	a.telling.Lock()
	defer a.telling.Unlock()
	s := a.governor.State()
	due := a.shown.due(shownOf(s), now)
	if a.egress != nil && a.egress.leaves.due(a.egress.covered(s), now) {
		due = true
	}
	if !due {
		return nil
	}
	return a.envoy.Set(a.forEnvoy(s))
}

// covered are the providers' hosts that the authority may vouch for.
func (e *egress) covered(s *governor.State) (out []string) {
	for _, host := range ProviderHosts(s) {
		if e.authority.Covers(host) {
			out = append(out, host)
		}
	}
	return out
}

// tunnelled books a tunnel that was carried untouched: its bytes in both directions, at no cost.
func (a *App) tunnelled(t envoy.Tunnel) {
	ticket, err := governor.ParseTicket(t.Ticket)
	if err != nil || ticket.Call.Provider != sentinel.TunnelProvider {
		return
	}
	a.metrics.tunnelled.WithLabelValues(ticket.Call.Caller.Service, "sent").Add(float64(t.Sent))
	a.metrics.tunnelled.WithLabelValues(ticket.Call.Caller.Service, "received").Add(float64(t.Received))
	e := sentinel.Entry{Call: ticket.Call, Action: ticket.Action, Status: t.Status, PolicyVersion: ticket.PolicyVersion, Source: sentinel.SourceMeter, Duration: t.Duration}
	e.Usage[sentinel.Requests], e.Usage[sentinel.Bytes] = 1, t.Sent+t.Received
	if err := a.governor.Journal.Append(context.Background(), sentinel.Record{Entry: &e}); err != nil {
		a.log.Error().Err(err).Str("call", ticket.Call.ID.String()).Msg("tunnel not booked")
	}
}
