package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/issuertest"
)

// byWorkload is the policy of a gateway in which the service has tokens of an issuer.
func byWorkload(i *issuertest.Issuer, policy string) string {
	identity := fmt.Sprintf("identity: {jwt: {issuer: k8s, subject: %q}, ", issuertest.Subject)
	return strings.Replace(policy, "identity: {", identity, 1) + fmt.Sprintf("issuers: {k8s: {url: %q, audience: sentinel}}\n", i.URL)
}

// workloadsAreKnown holds which tokens of an issuer are accepted, and gives one that is while its key stays.
func workloadsAreKnown(t *testing.T, i *issuertest.Issuer, ok func(token string) bool) (good string) {
	t.Helper()
	stranger := issuertest.New(t)
	for name, token := range map[string]string{
		"another audience": i.With(t, "aud", []string{"https://kubernetes.default.svc"}), "expired": i.With(t, "exp", time.Now().Add(-time.Minute).Unix()),
		"another issuer": i.With(t, "iss", stranger.URL), "another's key in its name": stranger.With(t, "iss", i.URL), "a subject of no service": i.With(t, "sub", "system:serviceaccount:prod:eve"),
	} {
		if ok(token) {
			t.Errorf("a workload's token is accepted: %s", name)
		}
	}
	if good = i.Sign(t, i.Claims()); !ok(good) {
		t.Error("a workload's token is refused")
	}
	return good
}
