package hostile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// account is somebody of the admin side, who is made when the first attack on it needs one.
type account struct{ name, password, cookie string }

const (
	adaPassword  = "canary-correct-horse-4471"
	veraPassword = "canary-battery-staple-9082"
)

// toPeople sends a request to the admin API's port.
func (s *stand) toPeople(line, body string, headers ...string) answer {
	s.Helper()
	c, err := net.DialTimeout("tcp", s.people, wait)
	s.must(err)
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(wait)) // a dead line shows in the read
	if body != "" {
		headers = append(headers, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	if !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(h, "Host:") }) {
		headers = append(headers, "Host: "+s.people)
	}
	raw := bare(line+" HTTP/1.1", body, append(headers, "Connection: close")...)
	go func() { _, _ = c.Write([]byte(raw)) }()
	method, _, _ := strings.Cut(line, " ")
	x, err := read(c, method)
	s.must(err)
	return x
}

// signIn gives an account's session.
func (s *stand) signIn(a *account, headers ...string) answer {
	s.Helper()
	body, err := json.Marshal(map[string]string{"name": a.name, "password": a.password})
	s.must(err)
	x := s.toPeople("POST /api/v1/session", string(body), append(headers, json_)...)
	if x.status == http.StatusOK {
		a.cookie, _, _ = strings.Cut(x.header.Get("Set-Cookie"), ";")
	}
	return x
}

// accounts makes an admin, with the link of the log, and a viewer.
func (s *stand) accounts() (ada, vera *account) {
	s.Helper()
	if s.ada != nil {
		return s.ada, s.vera
	}
	links := regexp.MustCompile(`/setup#([A-Z2-7]+)`).FindAllSubmatch(s.files("sentinel.log"), -1)
	if len(links) == 0 {
		s.Fatal("the log shows no setup link")
	}
	s.link = string(links[len(links)-1][1]) // each start makes another
	s.ada, s.vera = &account{name: "ada", password: adaPassword}, &account{name: "vera", password: veraPassword}
	answers := make(chan answer, 2)
	for range cap(answers) { // at once
		go func() { answers <- s.setUp(s.ada) }()
	}
	if x, y := <-answers, <-answers; x.status+y.status != http.StatusOK+http.StatusForbidden {
		s.Fatalf("the link was used twice at once: answered %d %s and %d %s", x.status, x.body, y.status, y.body)
	}
	s.signIn(s.ada)
	x := s.toPeople("PUT /api/v1/accounts/vera", `{"role":"viewer","password":"`+veraPassword+`"}`, json_, "Cookie: "+s.ada.cookie)
	if y := s.signIn(s.vera); x.status != http.StatusNoContent || y.status != http.StatusOK {
		s.Fatalf("the viewer was made with %d, and signed in with %d %s", x.status, y.status, y.body)
	}
	s.canaries["the admin's password"], s.canaries["the viewer's password"] = adaPassword, veraPassword
	return s.ada, s.vera
}

// setUp uses the setup link.
func (s *stand) setUp(a *account) answer {
	s.Helper()
	return s.toPeople("POST /api/v1/setup", `{"link":"`+s.link+`","name":"`+a.name+`","password":"`+a.password+`"}`, json_)
}

// quiet takes what came over the admin port out of the rules about the gateway's answers; its bytes are searched all the same.
func quiet(list ...answer) []answer {
	out := make([]answer, len(list))
	for i, x := range list {
		out[i] = answer{status: x.status, raw: x.raw}
	}
	return out
}

// onAdmins are attacks on the admin side's own port.
func onAdmins() []attack {
	const policies = "GET /api/v1/policy"
	as := func(name string, status int, send func(s *stand, ada, vera *account) []answer) attack {
		return attack{name: name, status: status, play: func(s *stand) []answer { return quiet(send(s, s.ada, s.vera)...) }}
	}
	each := func(name string, status int, lines ...string) attack { // by nobody
		return as(name, status, func(s *stand, _, _ *account) (out []answer) {
			for _, line := range lines {
				out = append(out, s.toPeople(line, ""))
			}
			return out
		})
	}
	return []attack{
		{name: "a setup link that was used", status: http.StatusForbidden, play: func(s *stand) []answer {
			s.accounts()
			return quiet(s.setUp(&account{name: "eve", password: adaPassword}))
		}},
		each("reading without a session", http.StatusUnauthorized, policies, "GET /api/v1/usage", "GET /api/v1/audit", "GET /api/v1/accounts", "GET /api/v1/events", "GET /api/v1/service-tokens"),
		each("paths of the admin API that lead astray", http.StatusUnauthorized, "GET /api/v1/policy?x=/api/v1/session", "GET /api/v1/accounts?role=admin", "GET /api/v1/audit?before=1%27%20OR%201=1"),
		as("paths that are another's", 0, func(s *stand, _, _ *account) (out []answer) {
			for _, path := range []string{"/api/v1/setup/../accounts", "/api/v1/session/%2e%2e/accounts", "//api/v1/accounts", "/api/v1/accounts/", "/API/V1/accounts", "/api/v1;x/accounts", "/api/v1/accounts%00", "/../../etc/passwd", "/_next/%2e%2e/%2e%2e/etc/passwd"} {
				x := s.toPeople("GET "+path, "")
				if x.status == http.StatusOK && (bytes.Contains(x.body, []byte("root:")) || strings.Contains(x.header.Get("Content-Type"), "json")) {
					s.Errorf("%s answered %d %s", path, x.status, x.body)
				}
				out = append(out, answer{raw: x.raw})
			}
			return out
		}),
		as("a forged cookie", http.StatusUnauthorized, func(s *stand, ada, _ *account) []answer {
			value := strings.TrimPrefix(ada.cookie, "sentinel_session=")
			var out []answer
			for _, forged := range []string{"", "x", value[:len(value)-1], value + "A", strings.ToLower(value), "ada", "' OR 1=1 --", strings.Repeat("A", 4000)} {
				out = append(out, s.toPeople(policies, "", "Cookie: sentinel_session="+forged))
			}
			return append(out, s.toPeople(policies, "", "Cookie: sentinel_session="+value+"; sentinel_session=x"))
		}),
		as("a session as a token", http.StatusUnauthorized, func(s *stand, ada, _ *account) []answer {
			return []answer{s.toPeople(policies, "", "Authorization: Bearer "+strings.TrimPrefix(ada.cookie, "sentinel_session=")), s.toPeople(policies, "", "Authorization: Bearer "+token), s.toPeople(policies, "", "Authorization: Basic YWRhOng=")}
		}),
		as("a viewer who writes", http.StatusForbidden, func(s *stand, _, vera *account) (out []answer) {
			for _, w := range [][2]string{
				{"PUT /api/v1/accounts/vera", `{"role":"admin"}`}, {"PUT /api/v1/accounts/mallory", `{"role":"admin","password":"` + veraPassword + `"}`}, {"DELETE /api/v1/accounts/ada", ""},
				{"POST /api/v1/service-tokens", `{"service":"app"}`}, {"GET /api/v1/accounts", ""},
			} {
				out = append(out, s.toPeople(w[0], w[1], json_, "Cookie: "+vera.cookie))
			}
			return out
		}),
		as("a role that the sender names", http.StatusForbidden, func(s *stand, _, vera *account) []answer {
			return []answer{s.toPeople("GET /api/v1/accounts?role=admin", "", "Cookie: "+vera.cookie+"; role=admin", "X-Role: admin", "X-Forwarded-User: ada", "X-Original-URL: /api/v1/session", "X-HTTP-Method-Override: POST")}
		}),
		as("a page of another site that writes", http.StatusForbidden, func(s *stand, ada, _ *account) []answer {
			const eve = `{"role":"admin","password":"canary-of-eve-123"}`
			return []answer{
				s.toPeople("PUT /api/v1/accounts/eve", eve, json_, "Cookie: "+ada.cookie, "Sec-Fetch-Site: cross-site"),
				s.toPeople("PUT /api/v1/accounts/eve", eve, json_, "Cookie: "+ada.cookie, "Sec-Fetch-Site: same-site"),
				s.toPeople("PUT /api/v1/accounts/eve", eve, json_, "Cookie: "+ada.cookie, "Origin: https://evil.example"),
				s.toPeople("PUT /api/v1/accounts/eve", eve, json_, "Cookie: "+ada.cookie, "Origin: null"),
			}
		}),
		as("a session that was there before the sign-in", http.StatusUnauthorized, func(s *stand, _, vera *account) []answer {
			const fixed = "sentinel_session=AAAAAAAAAAAAAAAAAAAAAAAAAA"
			if x := s.signIn(vera, "Cookie: "+fixed); x.status != http.StatusOK || vera.cookie == fixed {
				s.Errorf("signed in with %d, and the session is the sender's own: %v", x.status, vera.cookie == fixed)
			}
			return []answer{s.toPeople(policies, "", "Cookie: "+fixed)}
		}),
		as("a session that was signed out", http.StatusUnauthorized, func(s *stand, _, vera *account) []answer {
			was := vera.cookie
			if x := s.toPeople("DELETE /api/v1/session", "", "Cookie: "+was); x.status != http.StatusNoContent {
				s.Errorf("signing out answered %d", x.status)
			}
			return []answer{s.toPeople(policies, "", "Cookie: "+was)}
		}),
		as("a cookie that scripts, or other sites, could use", 0, func(s *stand, ada, _ *account) []answer {
			x := s.signIn(ada)
			for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
				if c := x.header.Get("Set-Cookie"); !strings.Contains(c, want) {
					s.Errorf("the session's cookie lacks %s", want)
				}
			}
			return []answer{{raw: x.raw[:0]}} // it holds the session, which is its owner's
		}),
		as("names that could be SQL", http.StatusUnauthorized, func(s *stand, _, _ *account) (out []answer) {
			for _, name := range []string{`ada' --`, `' OR '1'='1`, `ada'; DROP TABLE accounts; --`, "ada\\u0000", `ada" OR ""="`} {
				out = append(out, s.toPeople("POST /api/v1/session", `{"name":"`+strings.ReplaceAll(name, `"`, `\"`)+`","password":"x"}`, json_))
			}
			return out
		}),
		as("a body of two megabytes", http.StatusRequestEntityTooLarge, func(s *stand, _, _ *account) []answer {
			return []answer{s.toPeople("POST /api/v1/session", `{"name":"ada","password":"`+strings.Repeat("x", 2<<20)+`"}`, json_)}
		}),
		as("a host of somebody else's", http.StatusUnauthorized, func(s *stand, _, _ *account) []answer {
			x := s.toPeople(policies, "", "Host: evil.example", "X-Forwarded-Host: evil.example")
			if bytes.Contains(x.raw, []byte("evil.example")) {
				s.Errorf("the answer repeats the host: %s", x.raw)
			}
			return []answer{x}
		}),
		as("guesses of a password", http.StatusTooManyRequests, func(s *stand, _, _ *account) []answer {
			eve := &account{name: "mallory", password: "guess"}
			for range 5 {
				s.signIn(eve)
			}
			return []answer{s.signIn(eve)}
		}),
		as("the first account, after all", 0, func(s *stand, ada, _ *account) []answer {
			x := s.toPeople("GET /api/v1/accounts", "", "Cookie: "+ada.cookie)
			if n := bytes.Count(x.body, []byte(`"name"`)); x.status != http.StatusOK || n != 2 {
				s.Errorf("%d accounts after the attacks, want the two that were made: %d %s", n, x.status, x.body)
			}
			return []answer{{raw: x.raw}}
		}),
	}
}
