package envoy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saas-sentinel/saas-sentinel/internal/envoytest"
)

// proxied is a configuration with the proxy and one host's certificate.
func proxied(t *testing.T) Config {
	t.Helper()
	authority := newAuthority(t, t.TempDir())
	certFile, keyFile := authority.issue(t, "api.openai.com", "")
	read := func(name string) []byte {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	c := DefaultConfig()
	c.Hosts = []string{"localhost"}
	c.Providers = []Provider{{Name: "openai", Host: "api.openai.com", CAFile: authority.file, Routes: []Route{{Name: "openai/chat.completions", Method: "POST", Path: "/v1/chat/completions"}}}}
	c.Proxy = &Proxy{Listen: "127.0.0.1:3128", Leaves: []Leaf{{Host: "api.openai.com", Cert: read(certFile), Key: read(keyFile)}}}
	return c
}

func TestEnvoyAcceptsTheProxy(t *testing.T) {
	binary := needEnvoy(t)
	for name, change := range map[string]func(*Config){"a host": func(*Config) {}, "no host": func(c *Config) { c.Proxy.Leaves = nil },
		"redirected connections alone": func(c *Config) { c.Proxy.Listen, c.Proxy.Redirected = "", "127.0.0.1:15001" },
		"both, and what names no host": func(c *Config) { c.Proxy.Redirected, c.Proxy.WithoutSNI = "127.0.0.1:15001", true },
		"other hosts": func(c *Config) {
			c.Proxy.Others = []Other{{Host: "*.example.com"}, {Host: "files.example", Address: "10.0.0.9:443"}}
		},
	} {
		c := proxied(t)
		change(&c)
		text, err := Static(c)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "envoy.yaml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := envoytest.Validate(t.Context(), binary, file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Snapshot(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProxyFaultsAreNamed(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"the gateway's own port": {func(c *Config) { c.Proxy.Listen = c.Listen }, "a port of its own"},
		"one port for both":      {func(c *Config) { c.Proxy.Redirected = c.Proxy.Listen }, "a port each"},
		"no port":                {func(c *Config) { c.Proxy.Listen = "" }, "a port each"},
		"a host twice":           {func(c *Config) { c.Proxy.Leaves = append(c.Proxy.Leaves, c.Proxy.Leaves[0]) }, "a host once"},
		"an other host twice":    {func(c *Config) { c.Proxy.Others = []Other{{Host: "a.example"}, {Host: "a.example"}} }, "each host once"},
		"no key":                 {func(c *Config) { c.Proxy.Leaves[0].Key = nil }, "a certificate and a key"},
	} {
		c := proxied(t)
		tt.change(&c)
		if _, err := Snapshot(c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
