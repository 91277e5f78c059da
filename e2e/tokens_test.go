package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/issuertest"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// An issued token works by the SDK's own place for a key, survives its rotation for the grace, and ends everywhere within 5 s. A workload's
// token works while its issuer's key proves it, for our audience.
func TestIssuedTokensAreRotatedAndRevoked(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{}", "")
	okAt := func(url, token string) bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/weather/v1/forecast/lima", nil)
		g.must(err)
		r.Header.Set("x-api-key", token)
		answer, err := http.DefaultClient.Do(r)
		g.must(err)
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}
	urls := []string{g.url} // of every process
	ok := func(token string) bool { return okAt(g.url, token) }
	within5s := func(what, token string, want bool) {
		t.Helper()
		for end := time.Now().Add(5 * time.Second); slices.ContainsFunc(urls, func(url string) bool { return okAt(url, token) != want }); <-time.After(100 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: 5 s later it is still not %v at every process", what, want)
			}
		}
	}
	tokens := func(code int, args ...string) string {
		t.Helper()
		got, out, stderr := sentinelIn(t, g.dir, g.env, append([]string{"tokens"}, args...)...)
		if got != code {
			t.Fatalf("tokens %q: code %d, %s", args, got, stderr)
		}
		return strings.TrimSpace(out + stderr[:min(len(stderr), code*len(stderr))])
	}
	if said := tokens(2, "issue", "app"); !strings.Contains(said, "SENTINEL_TOKEN_KEY") {
		t.Errorf("without a key: %s", said)
	}
	g.env = append(g.env, "SENTINEL_TOKEN_KEY="+strings.Repeat("0a", 32))
	if said := tokens(2, "issue", "app"); !strings.Contains(said, "issued: true") {
		t.Errorf("for a service that takes none: %s", said)
	}
	platform := issuertest.New(t)
	g.write("policies.yaml", byWorkload(platform, g.policyOf("{}", "")))
	within5s("a workload's token", platform.Sign(t, platform.Claims()), true)
	workload := workloadsAreKnown(t, platform, ok)
	platform.Another(t, "two")
	g.stop()
	g.write("policies.yaml", strings.Replace(byWorkload(platform, g.policyOf("{}", "")), "identity: {", "identity: {issued: true, ", 1))
	g.start()
	within5s("a workload's token by another key", platform.Sign(t, platform.Claims()), true)
	if ok(workload) {
		t.Error("a workload's token is accepted, and its issuer has taken the key back")
	}
	for _, other := range g.fleet()[1:] {
		urls = append(urls, other.url)
	}
	first := tokens(0, "issue", "app", "--label", "prod")
	within5s("an issued token", first, true)
	var list []struct{ ID, Service, State, Label string }
	text := tokens(0, "list", "app", "--json")
	g.must(json.Unmarshal([]byte(text), &list))
	if len(list) != 1 || list[0].State != "active" || list[0].Label != "prod" || strings.Contains(text, first) || !strings.HasPrefix(first, "sst_"+list[0].ID+"_") {
		t.Fatalf("listed %s", text)
	}
	second := tokens(0, "rotate", list[0].ID, "--grace", "1h")
	within5s("a rotated token", second, true)
	if !ok(first) {
		t.Error("the token before is refused in its grace")
	}
	tokens(0, "rotate", list[0].ID, "--grace", "0s")
	within5s("a token that was rotated without a grace", second, false)
	if ok(first) {
		t.Error("the token before the one before is still good")
	}
	third := tokens(0, "issue", "app", "--life", "1h")
	within5s("another token", third, true)
	tokens(0, "revoke", list[0].ID)
	if !ok(third) {
		t.Error("a revocation ended another token")
	}
	for id := range strings.SplitSeq(tokens(0, "list"), "\n") {
		if strings.Contains(id, "active") {
			tokens(0, "revoke", strings.Fields(id)[0])
		}
	}
	within5s("a revoked token", third, false)
	if said := tokens(2, "revoke", "nobody"); !strings.Contains(said, "no such token") {
		t.Errorf("of nobody: %s", said)
	}
	if hash := find(g.database(), map[string]string{"the first": first, "the second": second, "the third": third}); len(hash) > 0 {
		t.Errorf("the database has %v", hash)
	}
}
