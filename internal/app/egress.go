package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
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
	life      time.Duration
	mu        sync.Mutex
	leaves    map[string]ca.Leaf // by host
	late      func(host string, err error)
}

// issueTimeout bounds the signing of one certificate, which may be Vault's.
const issueTimeout = 5 * time.Second

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
	a.egress = &egress{authority: authority, life: c.Life, leaves: map[string]ca.Leaf{}, late: func(host string, err error) {
		a.log.Warn().Err(err).Str("host", host).Msg("certificate not renewed, the one before is used to its end")
	}}
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

// forEnvoy is ForEnvoy with the proxy's certificates.
func (a *App) forEnvoy(s *governor.State) envoy.Config {
	c := a.config.ForEnvoy(s)
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
		leaf, err := a.egress.leaf(host, time.Now())
		if err != nil {
			a.log.Error().Err(err).Str("host", host).Msg("host not reachable through the proxy: make another authority with sentinel ca create, and give it to the clients")
			continue
		}
		c.Proxy.Leaves = append(c.Proxy.Leaves, envoy.Leaf{Host: host, Cert: leaf.Cert, Key: leaf.Key})
	}
	return c
}

// leaf gives a host's certificate, another one in the second half of its life.
func (e *egress) leaf(host string, now time.Time) (ca.Leaf, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l, ok := e.leaves[host]; ok && now.Before(l.NotAfter.Add(-e.life/2)) {
		return l, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), issueTimeout)
	defer cancel()
	l, err := e.authority.Issue(ctx, host, e.life)
	if old, ok := e.leaves[host]; err != nil && ok && now.Before(old.NotAfter) {
		e.late(host, err)
		return old, nil
	}
	if err == nil {
		e.leaves[host] = l
	}
	return l, err
}

// renew gives Envoy new certificates in time. Connections go on with the old ones.
func (a *App) renew(ctx context.Context) error {
	if a.egress == nil {
		return nil
	}
	tick := time.NewTicker(max(a.config.Proxy.Life/8, 100*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := a.envoy.Set(a.forEnvoy(a.governor.State())); err != nil {
			a.log.Error().Err(err).Msg("certificates of the proxy not renewed")
		}
	}
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
