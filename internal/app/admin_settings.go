package app

import (
	"net/url"
	"slices"

	"github.com/saas-sentinel/saas-sentinel/admin"
	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

// Configuration is what the gateway was started with.
func (b *adminBackend) Configuration() admin.Configuration {
	out := admin.Configuration{Settings: settings(b.app.config), Channels: []admin.Channel{}}
	for _, c := range b.set().Alerts.Channels {
		to := slices.Clone(c.To)
		if c.Channel != "" {
			to = append(to, c.Channel)
		}
		one := admin.Channel{Name: c.Name, Kind: c.Kind, To: append([]string{}, to...), Secret: c.Secret.Path}
		if c.Secret.Field != "" {
			one.Secret += "#" + c.Secret.Field
		}
		out.Channels = append(out.Channels, one)
	}
	return out
}

// settings lists the keys of sentinel.yaml. A password that somebody wrote into a URL is not shown.
func settings(c Config) (out []admin.Setting) {
	for _, e := range strictyaml.Listing(c, DefaultConfig()) {
		if u, err := url.Parse(e.Value); err == nil && u.User != nil {
			e.Value = u.Redacted()
		}
		out = append(out, admin.Setting(e))
	}
	return out
}
