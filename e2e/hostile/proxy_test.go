package hostile

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// tunnelled is an attack through the proxy: a tunnel by one token, and a request inside of it by whatever it says.
type tunnelled struct {
	to      string   // host:port of CONNECT
	by      string   // token
	connect []string // more headers of CONNECT
	behind  string   // that is sent with CONNECT, before it was answered
	sni     string
	plain   bool // no TLS inside
	as      []tls.Certificate
	inside  string // request
}

// atWeather is one that is as it should be.
func atWeather() tunnelled {
	return tunnelled{to: "api.weather.example:443", by: token, sni: "api.weather.example", inside: bare("GET /v1/forecast/lima HTTP/1.1", "", "Host: api.weather.example")}
}

// through gives the last answer: of CONNECT where there is no tunnel, else of the request inside.
func (s *stand) through(t tunnelled) answer {
	s.Helper()
	c, err := s.dialAt(s.proxy, t.as...)
	s.must(err)
	defer func() { _ = c.Close() }()
	headers := append([]string{"Host: " + t.to}, t.connect...)
	if t.by != "" {
		headers = append(headers, "Proxy-Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("x:"+t.by)))
	}
	_, _ = io.WriteString(c, bare("CONNECT "+t.to+" HTTP/1.1", t.behind, headers...)) // a dead line shows in the answer
	x, err := http.ReadResponse(bufio.NewReaderSize(c, 16), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return answer{}
	}
	if x.StatusCode != http.StatusOK {
		return answer{status: x.StatusCode, header: x.Header, answers: 1}
	}
	inside := c
	if !t.plain {
		over := tls.Client(c, &tls.Config{ServerName: t.sni, InsecureSkipVerify: true}) // what an attacker is shown does not matter to it
		if over.HandshakeContext(s.Context()) != nil {
			return answer{}
		}
		inside = over
	}
	out, err := exchange(inside, t.inside)
	s.must(err)
	return out
}

// throughTheProxy are attacks on the proxy's two doors: who may open a tunnel and where to, and whose the requests inside of it are.
func throughTheProxy() []attack {
	of := func(name string, status, hits int, reason string, change func(s *stand, t *tunnelled)) attack {
		return attack{name: name, status: status, hits: hits, reason: reason, play: func(s *stand) []answer {
			t := atWeather()
			change(s, &t)
			return []answer{s.through(t)}
		}}
	}
	to := func(name string, status int, reason, host string) attack {
		return of("a tunnel to "+name, status, 0, reason, func(_ *stand, t *tunnelled) { t.to = host })
	}
	good := of("a call through the proxy", 200, 1, "", func(*stand, *tunnelled) {})
	good.holds = paidBy("app")
	other := of("another's token inside of a tunnel", 429, 0, spent, func(_ *stand, t *tunnelled) {
		t.by, t.inside = otherToken, bare("GET /v1/forecast/lima HTTP/1.1", "", "Host: api.weather.example", auth)
	})
	certified := of("a certificate and another's token at the proxy", 200, 1, "", func(s *stand, t *tunnelled) {
		t.as = []tls.Certificate{s.authority.Workload(s, checkout)}
	})
	certified.holds = paidBy("certified")
	return []attack{
		good, other, certified,
		of("a tunnel of nobody", 407, 0, envoyRefuses, func(_ *stand, t *tunnelled) { t.by = "" }),
		of("a tunnel by a mistyped token", 401, 0, unidentified, func(_ *stand, t *tunnelled) { t.by = mistyped }),
		of("a tunnel by a token of the gateway's", 407, 0, envoyRefuses, func(_ *stand, t *tunnelled) { t.by, t.connect = "", []string{auth} }),
		of("a tunnel by two tokens, of which the first pays", 429, 0, spent, func(_ *stand, t *tunnelled) {
			t.connect = []string{"Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+otherToken))}
		}),
		of("a tunnel by a certificate of two names", 401, 0, unidentified, func(s *stand, t *tunnelled) {
			t.by, t.as = "", []tls.Certificate{s.authority.Workload(s, checkout, "spiffe://acme/ns/prod/sa/eve")}
		}),
		of("a tunnel by a certificate of nobody beside a good token", 401, 0, unidentified, func(s *stand, t *tunnelled) {
			t.as = []tls.Certificate{s.authority.Workload(s, "spiffe://acme/ns/prod/sa/eve")}
		}),
		of("a tunnel by a certificate of another authority", 0, 0, envoyRefuses, func(s *stand, t *tunnelled) {
			t.by, t.as = "", []tls.Certificate{s.stranger.Workload(s, checkout)}
		}),
		of("a tunnel to the trap", 403, 0, unknown, func(s *stand, t *tunnelled) { t.to = s.trap.addr }),
		of("a tunnel to the processor", 403, 0, unknown, func(s *stand, t *tunnelled) { t.to = s.control }),
		of("a tunnel to Envoy's admin page", 403, 0, unknown, func(s *stand, t *tunnelled) { t.to = strings.TrimPrefix(s.admin, "http://") }),
		to("a host that nobody listed", 403, unknown, "evil.example:443"),
		to("the metadata service", 403, unknown, "169.254.169.254:80"),
		to("a provider's other port", 403, unknown, "api.weather.example:22"),
		to("a provider's name with another behind it", 403, unknown, "api.weather.example.evil.example:443"),
		to("a provider's name with a user", 400, envoyRefuses, "api.weather.example:443@evil.example:443"),
		of("another provider's name in TLS", 403, 0, mismatch, func(_ *stand, t *tunnelled) { t.sni = "api.openai.com" }),
		of("nobody's name in TLS", 0, 0, envoyRefuses, func(_ *stand, t *tunnelled) { t.sni = "evil.example" }),
		of("no name in TLS", 0, 0, envoyRefuses, func(_ *stand, t *tunnelled) { t.sni = "" }),
		of("no TLS in a tunnel", 0, 0, envoyRefuses, func(_ *stand, t *tunnelled) { t.plain = true }),
		of("another provider's host in a tunnel", 403, 0, mismatch, func(_ *stand, t *tunnelled) {
			t.inside = bare("POST /v1/chat/completions HTTP/1.1", chat(""), "Host: api.openai.com", json_, "Content-Length: 1")
		}),
		of("the gateway's host in a tunnel", 403, 0, mismatch, func(_ *stand, t *tunnelled) { t.inside = request("GET "+lima, auth) }),
		of("an absolute target in a tunnel", 0, 0, envoyRefuses, func(s *stand, t *tunnelled) {
			t.inside = bare("GET http://"+s.trap.addr+"/ HTTP/1.1", "", "Host: api.weather.example")
		}),
		of("a tunnel in a tunnel", 403, 0, unknown, func(s *stand, t *tunnelled) {
			t.inside = bare("CONNECT "+s.trap.addr+" HTTP/1.1", "", "Host: "+s.trap.addr)
		}),
		of("an endpoint that nobody listed, in a tunnel", 403, 0, noRoute, func(_ *stand, t *tunnelled) {
			t.inside = bare("GET /v1/admin HTTP/1.1", "", "Host: api.weather.example")
		}),
		of("a request behind CONNECT", 0, 0, envoyRefuses, func(_ *stand, t *tunnelled) { t.behind = request("GET "+lima, auth) }),
		of("a name by headers of CONNECT", 401, 0, unidentified, func(_ *stand, t *tunnelled) {
			t.by = mistyped
			t.connect = []string{"x-sentinel-service: app", "x-forwarded-client-cert: URI=" + checkout, "x-envoy-original-dst-host: 127.0.0.1:1"}
		}),
		of("a name by headers inside", 401, 0, unidentified, func(_ *stand, t *tunnelled) {
			t.by = mistyped
			t.inside = bare("GET /v1/forecast/lima HTTP/1.1", "", "Host: api.weather.example", auth, "Proxy-Authorization: Bearer "+token, "x-forwarded-client-cert: URI="+checkout)
		}),
		{name: "a request that is no tunnel at the proxy", status: 403, reason: envoyRefuses, play: func(s *stand) []answer {
			c, err := s.dialAt(s.proxy)
			s.must(err)
			x, err := exchange(c, request("GET "+lima, auth))
			s.must(err)
			return []answer{x}
		}},
		{name: "an absolute target at the proxy", reason: envoyRefuses, play: func(s *stand) []answer {
			c, err := s.dialAt(s.proxy)
			s.must(err)
			x, err := exchange(c, bare("GET http://"+s.trap.addr+"/ HTTP/1.1", "", "Host: "+s.trap.addr, auth, "Proxy-Authorization: Bearer "+token))
			s.must(err)
			return []answer{x}
		}},
		{name: "the authority's key", play: func(s *stand) []answer {
			text := s.files("authority.pem")
			_, key, _ := strings.Cut(string(text), "PRIVATE KEY-----\n")
			s.canaries["the authority's key"], _, _ = strings.Cut(key, "\n")
			at, err := os.Stat(filepath.Join(s.dir, "authority.pem"))
			s.must(err)
			if at.Mode().Perm()&0o077 != 0 || len(s.canaries["the authority's key"]) < 40 {
				s.Errorf("the authority's file is %s", at.Mode())
			}
			return nil
		}},
	}
}
