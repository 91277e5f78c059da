package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// setupLife is how long the link of the first account is good.
const setupLife = 24 * time.Hour

// openAdmin makes the API's server, and offers the setup link while there is no account.
func (a *App) openAdmin(ctx context.Context) error {
	signOn, err := a.config.signOn()
	if err != nil {
		return err
	}
	backend := &adminBackend{Store: a.store, app: a, vault: newVaultReader(a.config)}
	a.onClose(backend.vault.close)
	a.admin = admin.New(admin.Options{
		Backend: backend, Log: a.log, Now: func() time.Time { return time.Now().UTC() }, Dashboard: a.config.Dashboard,
		Secure: strings.HasPrefix(a.config.Admin.URL, "https://"), SignOn: signOn,
	})
	link, ok, err := OfferSetup(ctx, a.config, a.store)
	if err != nil || !ok {
		return err
	}
	a.log.Warn().Str("open", link).Msg("there is no account yet: make the first one with this link, within a day")
	return nil
}

// signOn is the provider of single sign-on; nil for none. It is asked when the first person signs in.
func (c *Config) signOn() (*admin.SignOn, error) {
	o := c.Admin.OIDC
	if o.Issuer == "" {
		return nil, nil
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pem, err := readFile("admin.oidc.ca_file", o.CAFile)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("admin.oidc.ca_file %s holds no PEM certificate", o.CAFile)
		}
	}
	out := &admin.SignOn{Name: o.Name, Issuer: o.Issuer, ClientID: o.Client, Secret: o.Secret, URL: c.Admin.URL, Scopes: o.Scopes, Groups: o.Groups, Person: o.Person, Client: admin.NewSignOnClient(t)}
	if u, err := url.Parse(o.Issuer); err == nil && out.Name == "" {
		out.Name = u.Host
	}
	for _, r := range o.Roles {
		role, _ := sentinel.RoleByName(r.Role)
		out.Roles = append(out.Roles, admin.GroupRole{Group: r.Group, Role: role, Team: r.Team})
	}
	return out, nil
}

// OfferSetup makes a link with which the first account is made, and ends an older one. It is not ok when there is an account.
func OfferSetup(ctx context.Context, c Config, st *store.Store) (link string, ok bool, err error) {
	key, hash := admin.NewKey("")
	ok, err = st.OfferSetup(ctx, sentinel.AccountKey{Hash: hash, Expires: time.Now().Add(setupLife)})
	base := strings.TrimSuffix(c.Admin.URL, "/")
	if base == "" {
		base = "http://" + c.Admin.Listen
	}
	return base + "/setup#" + key, ok, err // what follows # stays in the browser
}

// manage serves the admin API and the dashboard.
func (a *App) manage(ctx context.Context) error {
	if a.admin == nil {
		return nil
	}
	s := &http.Server{Handler: compressed(a.admin.Handler()), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10}
	return serveHTTP(ctx, a.people, s)
}

// compressed sends the dashboard's files in gzip to who takes it. Answers of the API have secrets beside what a caller chose, so their length must not tell.
func compressed(h http.Handler) http.Handler {
	files := gzhttp.GzipHandler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			h.ServeHTTP(w, r)
			return
		}
		files.ServeHTTP(w, r)
	})
}
