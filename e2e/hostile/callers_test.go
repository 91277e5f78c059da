package hostile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/saas-sentinel/saas-sentinel/internal/issuertest"
)

// callers are attacks on every way to say who one is but a token in the policy: certificates, tokens of platforms, signatures of AWS and issued
// tokens. Each way has a call that is as it should be, so that the refusals are for what is wrong with them.
func callers() []attack {
	return slices.Concat(certificates(), workloads(), signatures(), issuedTokens())
}

// paidBy holds that a call is on the ledger of a service.
func paidBy(service string) func(*stand, answer) {
	return func(s *stand, x answer) {
		s.Helper()
		id := x.header.Get("X-Sentinel-Call")
		s.eventually("the call "+id+" is paid by "+service, func() bool {
			var payer string
			return s.db.QueryRow(s.Context(), `SELECT service FROM entries WHERE call_id = $1`, id).Scan(&payer) == nil && payer == service
		})
	}
}

func certificates() []attack {
	of := func(name string, status, hits int, reason, raw string, make func(s *stand) tls.Certificate) attack {
		return attack{name: name, status: status, hits: hits, reason: reason, play: func(s *stand) []answer {
			x, err := s.sendAs(raw, make(s))
			s.must(err)
			return []answer{x}
		}}
	}
	bare := request("GET " + lima)
	named := func(name string, uris ...string) attack {
		return of(name, 401, 0, unidentified, bare, func(s *stand) tls.Certificate { return s.authority.Workload(s, uris...) })
	}
	untrusted := func(name string, make func(s *stand) tls.Certificate) attack {
		return of(name, 0, 0, envoyRefuses, bare, make)
	}
	signed := func(change func(*x509.Certificate)) func(s *stand) tls.Certificate {
		return func(s *stand) tls.Certificate {
			c := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
			change(c)
			return s.authority.Sign(s, c)
		}
	}
	good := func(s *stand) tls.Certificate { return s.authority.Workload(s, checkout) }
	forged := request("GET "+lima, "x-forwarded-client-cert: URI=spiffe://acme/ns/prod/sa/eve;Hash=00", "x-sentinel-service: app")
	as := of("another name beside a good certificate", 200, 1, "", forged, good)
	as.holds = func(s *stand, x answer) {
		paidBy("certified")(s, x)
		notArrived("X-Forwarded-Client-Cert")(s, x)
	}
	first := of("a token beside a good certificate", 200, 1, "", request("GET "+lima, "Authorization: Bearer "+mistyped), good)
	first.holds = paidBy("certified")
	return []attack{
		as, first,
		named("a certificate of another trust domain", "spiffe://evil/ns/prod/sa/checkout"),
		named("a certificate whose name begins as another's", checkout+"-admin"),
		named("a certificate whose name is a part of another's", strings.TrimSuffix(checkout, "t")),
		named("a certificate whose name is in capitals", strings.ToUpper(checkout)),
		named("a certificate whose name has a slash behind it", checkout+"/"),
		named("a certificate whose name goes a way up", "spiffe://acme/ns/dev/sa/../../prod/sa/checkout"),
		named("a certificate whose name has a query", checkout+"?x=1"),
		named("a certificate whose name has a user", "spiffe://eve@acme/ns/prod/sa/checkout"),
		named("a certificate of two names, the first good", checkout, "spiffe://acme/ns/prod/sa/eve"),
		named("a certificate of two names, the second good", "spiffe://acme/ns/prod/sa/eve", checkout),
		named("a certificate of one name twice", checkout, checkout),
		named("a certificate of two names in one", checkout+",spiffe://acme/ns/prod/sa/eve"),
		of("a certificate whose name is a host's", 401, 0, unidentified, bare, signed(func(c *x509.Certificate) { c.DNSNames = []string{checkout} })),
		of("a certificate whose name is its subject's", 401, 0, unidentified, bare, signed(func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: checkout} })),
		of("a certificate of nobody beside a good token", 401, 0, unidentified, request("GET "+lima, auth), func(s *stand) tls.Certificate { return s.authority.Workload(s, "spiffe://acme/ns/prod/sa/eve") }),
		untrusted("a certificate of another authority", func(s *stand) tls.Certificate { return s.stranger.Workload(s, checkout) }),
		untrusted("a certificate that has ended", signed(func(c *x509.Certificate) {
			c.URIs = uris(checkout)
			c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Minute)
		})),
		untrusted("a certificate of tomorrow", signed(func(c *x509.Certificate) {
			c.URIs = uris(checkout)
			c.NotBefore, c.NotAfter = time.Now().Add(24*time.Hour), time.Now().Add(48*time.Hour)
		})),
		untrusted("a server's certificate", signed(func(c *x509.Certificate) {
			c.URIs, c.ExtKeyUsage = uris(checkout), []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		})),
		untrusted("a certificate that a workload's certificate signed", func(s *stand) tls.Certificate {
			between := s.authority.Workload(s, "spiffe://acme/ns/prod/sa/eve")
			leaf := issuertest.Between(s, between).Workload(s, checkout)
			leaf.Certificate = append(leaf.Certificate, between.Certificate...)
			return leaf
		}),
		{name: "plain HTTP where TLS is spoken", reason: envoyRefuses, play: func(s *stand) []answer {
			c, err := dial(s.addr)
			s.must(err)
			x, err := exchange(c, request("GET "+lima, auth))
			s.must(err)
			return []answer{x}
		}},
	}
}

func uris(text string) []*url.URL {
	u, _ := url.Parse(text) // a constant
	return []*url.URL{u}
}

func workloads() []attack {
	with := func(name string, status, hits int, reason string, make func(s *stand) string, headers ...string) attack {
		return attack{name: name, status: status, hits: hits, reason: reason, play: func(s *stand) []answer {
			x, err := s.send(request("GET "+lima, append([]string{"Authorization: Bearer " + make(s)}, headers...)...))
			s.must(err)
			return []answer{x}
		}}
	}
	no := func(name string, make func(s *stand) string) attack { return with(name, 401, 0, unidentified, make) }
	claim := func(name, claim string, value any) attack {
		return no("a platform's token "+name, func(s *stand) string { return s.issuer.With(s, claim, value) })
	}
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	good := with("a platform's token", 200, 1, "", func(s *stand) string {
		token := s.issuer.Sign(s, s.issuer.Claims())
		s.canaries["a platform's token"] = token
		return token
	})
	good.holds = paidBy("workload")
	head := func(more ...string) map[string]any {
		h := map[string]any{"alg": "HS256", "typ": "JWT", "kid": "one"}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	unsigned := func(alg string) attack {
		return no("a platform's token signed by "+alg, func(s *stand) string { return jwtOf(s, head("alg", alg), func(string) []byte { return nil }) })
	}
	hmacBy := func(name string, key func(s *stand) []byte, more ...string) attack {
		return no("a platform's token "+name, func(s *stand) string { return jwtOf(s, head(more...), mac(key(s))) })
	}
	own := func(name string, header func(s *stand, key *ecdsa.PrivateKey) map[string]any) attack {
		return no("a platform's token "+name, func(s *stand) string {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			s.must(err)
			return jwtOf(s, header(s, key), es256(s, key))
		})
	}
	at := func(name string) func(s *stand, _ *ecdsa.PrivateKey) map[string]any {
		return func(s *stand, _ *ecdsa.PrivateKey) map[string]any {
			return head("alg", "ES256", name, "http://"+s.trap.addr+"/keys")
		}
	}
	return []attack{
		good,
		claim("for another audience", "aud", []string{"https://kubernetes.default.svc"}),
		claim("for an audience that ours is a part of", "aud", "sentinel-admin"),
		claim("for no audience", "aud", nil),
		claim("that has ended", "exp", in(-time.Minute)),
		claim("that never ends", "exp", nil),
		claim("of tomorrow", "nbf", in(24*time.Hour)),
		claim("of another subject", "sub", "system:serviceaccount:prod:eve"),
		claim("of a subject in capitals", "sub", strings.ToUpper(issuertest.Subject)),
		claim("of no subject", "sub", nil),
		claim("of an issuer with a slash behind it", "iss", "http://127.0.0.1/"),
		unsigned("none"), unsigned("None"), unsigned(""), unsigned("ES256"), unsigned("HS256"),
		hmacBy("signed with the issuer's public key", publicPEM),
		hmacBy("signed with the issuer's public key as JSON", func(s *stand) []byte {
			text, err := json.Marshal(s.issuer.Public())
			s.must(err)
			return text
		}),
		hmacBy("whose key is an empty file", func(*stand) []byte { return []byte{} }, "kid", "../../../../../../dev/null"),
		hmacBy("whose key is SQL", func(*stand) []byte { return []byte("x") }, "kid", "one' UNION SELECT 'x' --"),
		own("of a key of one's own", func(*stand, *ecdsa.PrivateKey) map[string]any { return head("alg", "ES256") }),
		own("of a key that stands in it", func(_ *stand, key *ecdsa.PrivateKey) map[string]any {
			h := head("alg", "ES256")
			h["jwk"] = jose.JSONWebKey{Key: key.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}
			return h
		}),
		own("whose keys are at a place of the caller's", at("jku")),
		own("whose certificates are at a place of the caller's", at("x5u")),
		own("that is not to be understood", func(*stand, *ecdsa.PrivateKey) map[string]any {
			h := head("alg", "ES256")
			h["crit"], h["exp"] = []string{"exp"}, in(time.Hour)
			return h
		}),
		no("a platform's token with other claims", func(s *stand) string {
			a, b := s.issuer.With(s, "sub", "system:serviceaccount:prod:eve"), s.issuer.Sign(s, s.issuer.Claims())
			return a[:strings.LastIndex(a, ".")] + b[strings.LastIndex(b, "."):]
		}),
		no("a platform's token without its signature", func(s *stand) string {
			a := s.issuer.Sign(s, s.issuer.Claims())
			return a[:strings.LastIndex(a, ".")+1]
		}),
		no("a platform's token with a signature of nothing", func(s *stand) string {
			a := s.issuer.Sign(s, s.issuer.Claims())
			return a[:strings.LastIndex(a, ".")+1] + base64.RawURLEncoding.EncodeToString(make([]byte, 64))
		}),
		no("a platform's token of a stranger under our issuer's name", func(s *stand) string { return issuertest.New(s).With(s, "iss", s.issuer.URL) }),
		no("a platform's token of 40 KB", func(s *stand) string { return s.issuer.With(s, "padding", strings.Repeat("x", 30<<10)) }),
		no("a platform's token as an object of many signatures", func(s *stand) string { return "eyJ" + strings.Repeat(".", 2) + `{"signatures":[{},{}]}` }),
		with("a platform's token in the query beside it", 400, 0, badRequest, func(s *stand) string { return s.canaries["a platform's token"] }).to(func(s *stand) string {
			return request("GET "+lima+"?t="+s.canaries["a platform's token"], "Authorization: Bearer "+s.canaries["a platform's token"])
		}),
	}
}

// to sends something else.
func (a attack) to(raw func(s *stand) string) attack {
	a.play = func(s *stand) []answer {
		x, err := s.send(raw(s))
		s.must(err)
		return []answer{x}
	}
	return a
}

// jwtOf is a token of the issuer's usual claims with a header and a signature of one's own.
func jwtOf(s *stand, header map[string]any, sign func(text string) []byte) string {
	s.Helper()
	var parts []string
	for _, v := range []any{header, s.issuer.Claims()} {
		text, err := json.Marshal(v)
		s.must(err)
		parts = append(parts, base64.RawURLEncoding.EncodeToString(text))
	}
	text := strings.Join(parts, ".")
	return text + "." + base64.RawURLEncoding.EncodeToString(sign(text))
}

func mac(key []byte) func(string) []byte {
	return func(text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
}

func es256(s *stand, key *ecdsa.PrivateKey) func(string) []byte {
	return func(text string) []byte {
		sum := sha256.Sum256([]byte(text))
		r, t, err := ecdsa.Sign(rand.Reader, key, sum[:])
		s.must(err)
		out := make([]byte, 64)
		r.FillBytes(out[:32])
		t.FillBytes(out[32:])
		return out
	}
}

func publicPEM(s *stand) []byte {
	s.Helper()
	der, err := x509.MarshalPKIXPublicKey(s.issuer.Public().Key.(crypto.PublicKey))
	s.must(err)
	return []byte(issuertest.InPEM("PUBLIC KEY", der))
}
