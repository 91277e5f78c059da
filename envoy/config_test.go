package envoy

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
)

func valid() Config {
	c := DefaultConfig()
	c.Providers = []Provider{{
		Name: "openai", Host: "api.openai.com",
		Routes: []Route{{Name: "openai/chat.completions", Method: "POST", Path: "/v1/chat/completions"}},
	}}
	return c
}

func TestValidate(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string // in the error; "" for none
	}{
		"valid":                {func(*Config) {}, ""},
		"no providers":         {func(c *Config) { c.Providers = nil }, ""},
		"ipv6":                 {func(c *Config) { c.Listen, c.Hosts = "[::]:80", []string{"[::1]", "2001:db8::1"} }, ""},
		"no node":              {func(c *Config) { c.NodeID = "" }, "node id"},
		"listen by name":       {func(c *Config) { c.Listen = "localhost:80" }, `listen "localhost:80"`},
		"no port":              {func(c *Config) { c.Admin = "127.0.0.1" }, `admin "127.0.0.1"`},
		"port 0":               {func(c *Config) { c.Control = "sentinel:0" }, `control "sentinel:0"`},
		"no hosts":             {func(c *Config) { c.Hosts = nil }, "hosts: name at least one"},
		"host twice":           {func(c *Config) { c.Hosts = []string{"a.test", "A.test"} }, "named twice"},
		"every host":           {func(c *Config) { c.Hosts = []string{"*"} }, `host "*"`},
		"host with port":       {func(c *Config) { c.Hosts = []string{"a.test:80"} }, `host "a.test:80"`},
		"body limit 0":         {func(c *Config) { c.MaxBodyBytes = 0 }, "max body bytes"},
		"body limit too large": {func(c *Config) { c.MaxBodyBytes = maxBodyBytes + 1 }, "max body bytes"},
		"no memory":            {func(c *Config) { c.MaxHeapBytes = 0 }, "max heap bytes"},
		"never idle":           {func(c *Config) { c.StreamIdle = 0 }, "stream idle"},
		"idle for too long":    {func(c *Config) { c.StreamIdle = maxIdle + time.Second }, "stream idle"},
		"tls without key":      {func(c *Config) { c.TLS = &ListenerTLS{CertFile: "a"} }, "a certificate file and a key file"},
		"certs of whom":        {func(c *Config) { c.TLS = &ListenerTLS{CertFile: "a", KeyFile: "b", RequireClientCert: true} }, "no client CA"},
		"two places of certs": {func(c *Config) {
			c.TLS = &ListenerTLS{CertFile: "a", KeyFile: "b", Service: &SecretService{Socket: "/s", Certificate: "c"}}
		}, "two places"},
		"a relative socket":     {func(c *Config) { c.TLS = &ListenerTLS{Service: &SecretService{Socket: "s", Certificate: "c"}} }, "absolute path"},
		"a service of no certs": {func(c *Config) { c.TLS = &ListenerTLS{Service: &SecretService{Socket: "/s"}} }, "name of a certificate"},
		"witness is no file":    {func(c *Config) { c.Witness = "/dev/stdout" }, "want a file"},
		"witness is the log":    {func(c *Config) { c.AccessLog, c.Witness = "/a", "/a" }, "access log already"},
		"log not UTF-8":         {func(c *Config) { c.AccessLog = "\xff" }, "access log"},
		"provider name":         {func(c *Config) { c.Providers[0].Name = "a/b" }, `provider "a/b"`},
		"provider twice":        {func(c *Config) { c.Providers = append(c.Providers, c.Providers[0]) }, "named twice"},
		"provider host":         {func(c *Config) { c.Providers[0].Host = "https://api" }, `host "https://api"`},
		"provider address":      {func(c *Config) { c.Providers[0].Address = "10.0.0.1" }, `address "10.0.0.1"`},
		"method":                {func(c *Config) { c.Providers[0].Routes[0].Method = "CONNECT" }, `method "CONNECT"`},
		"path":                  {func(c *Config) { c.Providers[0].Routes[0].Path = "/a/../b" }, ". and .. are not allowed"},
		"route twice": {func(c *Config) {
			p := &c.Providers[0]
			p.Routes = append(p.Routes, p.Routes[0])
		}, "empty or taken"},
	} {
		t.Run(name, func(t *testing.T) {
			c := valid()
			tt.change(&c)
			_, err := Snapshot(c)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Snapshot: %v, want %q", err, tt.want)
			}
			for what, build := range map[string]func(Config) ([]byte, error){"Static": Static, "Bootstrap": Bootstrap} {
				if _, other := build(c); (other == nil) != (err == nil) {
					t.Errorf("%s: %v, but Snapshot: %v", what, other, err)
				}
			}
		})
	}
}

func TestEveryFaultAtOnce(t *testing.T) {
	err := Config{}.Validate()
	if err == nil {
		t.Fatal("an empty configuration is valid")
	}
	if got := len(strings.Split(err.Error(), "\n")); got != 8 {
		t.Errorf("%d faults, want 8:\n%v", got, err)
	}
}

// TestVersionsFollowContent: what has not changed is not sent again.
func TestVersionsFollowContent(t *testing.T) {
	versions := func(change func(*Config)) map[string]string {
		c := valid()
		change(&c)
		s, err := Snapshot(c)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for name, kind := range map[string]string{"listeners": resource.ListenerType, "routes": resource.RouteType, "clusters": resource.ClusterType} {
			out[name] = s.GetVersion(kind)
		}
		return out
	}
	base := versions(func(*Config) {})
	for name, tt := range map[string]struct {
		change func(*Config)
		want   []string
	}{
		"nothing":   {func(*Config) {}, nil},
		"a route":   {func(c *Config) { c.Providers[0].Routes[0].Method = "PUT" }, []string{"routes"}},
		"a CA":      {func(c *Config) { c.Providers[0].CAFile = "/ca.pem" }, []string{"clusters"}},
		"idle time": {func(c *Config) { c.StreamIdle++ }, []string{"listeners"}},
		"a host":    {func(c *Config) { c.Hosts = []string{"gw.test"} }, []string{"routes"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for kind, v := range versions(tt.change) {
				if v != base[kind] {
					got = append(got, kind)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("changed %v, want %v", got, tt.want)
			}
		})
	}
}

func TestParseTemplate(t *testing.T) {
	for path, tt := range map[string]struct{ yes, no []string }{
		"/v1/items/{id}": {
			yes: []string{"/v1/items/1", "/v1/items/a.b", "/v1/items/..a", "/v1/items/a%20b", "/v1/items/a;v=1", "/v1/items/gpt-5:ft@x"},
			no:  []string{"/v1/items/", "/v1/items/.", "/v1/items/..", "/v1/items/...", "/v1/items/;x", "/v1/items/..;x", "/v1/items/a/b", "/v1/items/%2e%2e", "/v1/items/%2E", "/v1/items/a%2fb", "/v1/items/a%5Cb", "/v1/items/a%25b", "/v1/items/a%0ab", `/v1/items/a\b`, "/v1/items/a%", "/v1/items/a b", "/v1/items/é", "xx/v1/items/1"},
		},
		"/{bucket}/{key...}": {
			yes: []string{"/b/k", "/b/a/b/c", "/b/folder/", "/b/a.b/..c/d"},
			no:  []string{"/b", "/b/", "/b//k", "/b/k//", "/b/a/../k", "/b/a/./k", "/../k"},
		},
		"/{bucket}/?": {
			yes: []string{"/b", "/b/", "/b.c/"},
			no:  []string{"/", "//", "/b//", "/b/k", "/../", "/b/?"},
		},
		"/v1beta/models/{model}:generateContent": {
			yes: []string{"/v1beta/models/gemini-2.5-pro:generateContent", "/v1beta/models/a:b:generateContent"},
			no:  []string{"/v1beta/models/gemini-2.5-pro:streamGenerateContent", "/v1beta/models/gemini", "/v1beta/models/:generateContent", "/v1beta/models/a%3AgenerateContent"},
		},
		"/v1/report.json/{x}": {
			yes: []string{"/v1/report.json/1"},
			no:  []string{"/v1/reportxjson/1"},
		},
	} {
		parsed, err := parseTemplate(path)
		if err != nil {
			t.Fatal(err)
		}
		whole := regexp.MustCompile("^(?:" + parsed.pattern + ")$")
		for _, p := range tt.yes {
			if !whole.MatchString(p) {
				t.Errorf("%s does not match %s", path, p)
			}
		}
		for _, p := range tt.no {
			if whole.MatchString(p) {
				t.Errorf("%s matches %s", path, p)
			}
		}
	}
	for _, bad := range []string{"", "v1", "/a//b", "/a/./b", "/a/{x...}/b", "/a/{}", "/a/{x", "/a/x{y}", "/a?b", "/a/?", "/{x}/?/?", "/?", "/a b", "/a%20b", strings.Repeat("/a", maxSegments+1)} {
		if got, err := parseTemplate(bad); err == nil {
			t.Errorf("parseTemplate(%q) = %+v, want an error", bad, got)
		}
	}
}

// FuzzRestOfPath holds that no path through a variable can leave its place once a server has decoded it.
func FuzzRestOfPath(f *testing.F) {
	for _, seed := range []string{"a/b", "..", "%2e%2e", "a%2Fb", "..;/x", "a//b", `a\..\b`, "%252e", "\x00", "a/%c0%ae"} {
		f.Add(seed)
	}
	whole := regexp.MustCompile("^(?:" + restOfPath + ")$")
	f.Fuzz(func(t *testing.T, path string) {
		if !whole.MatchString(path) {
			return
		}
		for i, s := range strings.Split(path, "/") {
			bare, _, _ := strings.Cut(s, ";")
			last := i == strings.Count(path, "/")
			if strings.Trim(bare, ".") == "" && (s != "" || !last || i == 0) {
				t.Errorf("%q has the segment %q", path, s)
			}
		}
		lower := strings.ToLower(path)
		for _, bad := range []string{"%2e", "%2f", "%5c", "%25", "%00", "\\", "?", "#", " ", "\x00"} {
			if strings.Contains(lower, bad) {
				t.Errorf("%q holds %q", path, bad)
			}
		}
	})
}

func BenchmarkSnapshot(b *testing.B) {
	c := valid()
	for range 100 {
		c.Providers[0].Routes = append(c.Providers[0].Routes, Route{
			Name: "r" + strings.Repeat("x", len(c.Providers[0].Routes)), Method: "GET", Path: "/v1/{a}/{b...}",
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Snapshot(c); err != nil {
			b.Fatal(err)
		}
	}
}
