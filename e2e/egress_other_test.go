package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// Hosts that are no provider's are refused or carried untouched, as the policy says: their own certificate reaches the client byte for
// byte, and the ledger has the bytes by caller and host.
func TestOtherHostsAreCarriedUntouchedOrRefused(t *testing.T) {
	g, proxy, _ := openProxy(t, time.Hour, "{limits: {requests: 1000/minute}}")
	content := bytes.Repeat([]byte("its own bytes\n"), 10_000)
	other := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }))
	t.Cleanup(other.Close)
	was := string(g.files("policies.yaml"))
	g.write("policies.yaml", was+fmt.Sprintf("egress: {others: {files.example: {then: alert, address: %q}, no.files.example: deny, localhost: tunnel, \"*.files.example\": tunnel}}\nalerts: {rules: [{name: other_host, on: other_host}]}\n", other.Listener.Addr()))
	get := func(user, host string) (*http.Response, []byte, error) {
		c := through(t, g, proxy, user)
		c.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true // which certificate arrives is compared below
		answer, err := c.Get("https://" + host + "/")
		if err != nil {
			return nil, nil, err
		}
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		return answer, body, err
	}
	known := "app:" + token + "@"
	g.eventually("the policy is reloaded", func() bool { _, _, err := get(known, "files.example"); return err == nil })
	answer, body, err := get(known, "files.example")
	g.must(err)
	if !bytes.Equal(answer.TLS.PeerCertificates[0].Raw, other.Certificate().Raw) || !bytes.Equal(body, content) {
		t.Errorf("another certificate or body than the host's own reached the client: %s, %d bytes", answer.TLS.PeerCertificates[0].Subject, len(body))
	}
	for name, tt := range map[string]struct{ user, host, want string }{
		"a host that is denied":          {known, "no.files.example", "Forbidden"},
		"a host that nothing is said of": {known, "example.com", "Forbidden"},
		"another port":                   {known, "files.example:8443", "Forbidden"},
		"a name of this machine":         {known, "localhost", "Forbidden"},
		"a wrong token":                  {"app:svc_wrong@", "files.example", "Unauthorized"},
		"no token":                       {"", "files.example", "Proxy Authentication Required"},
	} {
		if _, _, err := get(tt.user, tt.host); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	var carried domain.Entry
	g.eventually("the ledger has the tunnel's bytes", func() bool {
		for _, e := range g.ledger(1) {
			if e.Provider == domain.TunnelProvider && e.Endpoint == "files.example" && e.Usage[domain.Bytes] > int64(len(content)) {
				carried = e
			}
		}
		return carried.Provider != ""
	})
	if carried.Caller.Service != "app" || carried.Cost != 0 || carried.Usage[domain.Bytes] > int64(len(content))+20_000 {
		t.Errorf("booked as %+v", carried)
	}
	st, err := store.Open(t.Context(), store.Options{DSN: domain.NewSecret(g.dsn), MaxConns: 1})
	g.must(err)
	defer st.Close()
	g.eventually("an incident tells of the host", func() bool {
		open, err := st.Incidents(t.Context(), domain.IncidentQuery{Open: true, Limit: 10})
		g.must(err)
		return slices.ContainsFunc(open, func(i domain.Incident) bool { return i.Rule == "other_host" && i.Scope == "other_host/files.example" })
	})
}
