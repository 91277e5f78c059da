package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ca"
	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/envoy"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// openShown has the certificates issued that providers are shown. One that cannot be had ends the start, as a credential would.
func (a *App) openShown(ctx context.Context) error {
	a.shown = newLeaves(clientIssuer(a.config), func(of policy.Certificate, err error) {
		a.log.Warn().Err(err).Str("certificate", of.Name).Str("authority", of.Authority).Msg("certificate for providers not renewed, the one before is shown to its end")
	})
	return a.loadShown(ctx, a.governor.State())
}

// loadShown has the certificates of a policy issued that are not there yet.
func (a *App) loadShown(ctx context.Context, s *governor.State) error {
	for _, p := range s.Policy.Providers {
		if p.Certificate == (policy.Certificate{}) {
			continue
		}
		if _, err := a.shown.get(ctx, p.Certificate, time.Now()); err != nil {
			return fmt.Errorf("providers.%s.certificate: %w", p.Name, err)
		}
	}
	return nil
}

// shownOf lists the certificates of a policy, each once.
func shownOf(s *governor.State) (out []policy.Certificate) {
	for _, p := range s.Policy.Providers {
		if p.Certificate != (policy.Certificate{}) && !slices.Contains(out, p.Certificate) {
			out = append(out, p.Certificate)
		}
	}
	return out
}

// showing adds the certificates to what Envoy is told of providers. One without connects without: its provider refuses that.
func (a *App) showing(s *governor.State, providers []envoy.Provider) {
	for _, p := range s.Policy.Providers {
		i := slices.IndexFunc(providers, func(x envoy.Provider) bool { return x.Name == p.Name })
		if i < 0 || p.Certificate == (policy.Certificate{}) {
			continue
		}
		leaf, err := a.shown.get(context.Background(), p.Certificate, time.Now())
		if err != nil {
			a.log.Error().Err(err).Str("provider", p.Name).Msg("no certificate to show: the provider is not reachable")
			continue
		}
		providers[i].Shows = &envoy.Shown{Cert: leaf.Cert, Key: leaf.Key}
	}
}

// clientIssuer asks Vault's PKI engine for certificates.
func clientIssuer(c Config) func(context.Context, policy.Certificate) (ca.Leaf, error) {
	open := sync.OnceValues(func() (*credential.Vault, error) {
		return openVault(c, func(error) {}) // what it would tell of its token is an error of the next signature too
	})
	return func(ctx context.Context, of policy.Certificate) (ca.Leaf, error) {
		v, err := open()
		if err != nil {
			return ca.Leaf{}, err
		}
		pki, err := v.PKI(of.Authority)
		if err != nil {
			return ca.Leaf{}, err
		}
		chain, err := pki.Authority(ctx)
		if err != nil {
			return ca.Leaf{}, err
		}
		return ca.Client(ctx, chain, pki.Sign, of.Name, of.Life, time.Now())
	}
}

// shows has a connection of this process's own show a provider's certificate, which is issued when the provider asks for one.
func shows(c Config, of policy.Certificate) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		ctx, cancel := context.WithTimeout(asked.Context(), issueTimeout)
		defer cancel()
		leaf, err := clientIssuer(c)(ctx, of)
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(leaf.Cert, leaf.Key)
		return &pair, err
	}
}
