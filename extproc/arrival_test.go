package extproc_test

import (
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Who names one host to the proxy or the network and another to the server is refused, and booked.
func TestTunnelTLSAndRequestNameOneHost(t *testing.T) {
	const identity = "Bearer " + token
	for name, tt := range map[string]struct {
		tunnel, redirected, sni string
		want                    string // in the refusal; empty: it is admitted
	}{
		"all three":                     {"gateway.local:443", "", "GATEWAY.local", ""},
		"no port":                       {"gateway.local", "", "gateway.local", ""},
		"redirected":                    {"", "192.0.2.7", "gateway.local", ""},
		"another tunnel":                {"api.stripe.com:443", "", "gateway.local", "made to api.stripe.com"},
		"another SNI":                   {"gateway.local:443", "", "api.stripe.com", "the TLS inside names api.stripe.com"},
		"no SNI":                        {"gateway.local:443", "", "", "names no host"},
		"another Host":                  {"api.stripe.com:443", "", "api.stripe.com", "the request is for gateway.local"},
		"another Host where redirected": {"", "192.0.2.7", "api.stripe.com", "the request is for gateway.local"},
	} {
		r := newRig(t)
		a := ask{route: "openai/chat.completions", headers: [][2]string{bearer}, body: chat, tunnel: tt.tunnel, redirected: tt.redirected, sni: tt.sni}
		if tt.tunnel != "" {
			a.proxy = identity
		}
		v, _ := r.judged(a, "POST", "/openai/v1/chat/completions")
		refused := v.GetImmediateResponse()
		if (refused != nil) != (tt.want != "") || !strings.Contains(string(refused.GetBody()), tt.want) {
			t.Errorf("%s: %v, want %q", name, v, tt.want)
		}
		if r.finish(); tt.want != "" {
			r.bookedAs(sentinel.ReasonHostMismatch, 403, false)
		}
	}
}
