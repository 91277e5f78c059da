package app

import (
	"context"
	"net/http"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// setupLife is how long the link of the first account is good.
const setupLife = 24 * time.Hour

// openAdmin makes the API's server, and offers the setup link while there is no account.
func (a *App) openAdmin(ctx context.Context) error {
	a.admin = admin.New(admin.Options{
		Backend: &adminBackend{Store: a.store, app: a}, Log: a.log, Now: func() time.Time { return time.Now().UTC() }, Dashboard: a.config.Dashboard,
		Secure: strings.HasPrefix(a.config.Admin.URL, "https://"),
	})
	link, ok, err := OfferSetup(ctx, a.config, a.store)
	if err != nil || !ok {
		return err
	}
	a.log.Warn().Str("open", link).Msg("there is no account yet: make the first one with this link, within a day")
	return nil
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
	s := &http.Server{Handler: a.admin.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10}
	return serveHTTP(ctx, a.people, s)
}
