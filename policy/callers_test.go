package policy

import (
	"fmt"
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestCallersAreFoundByWhatTheyShow(t *testing.T) {
	set := example(t)
	for name, tt := range map[string]struct {
		find func() (sentinel.Caller, bool)
		want sentinel.Caller
		ok   bool
	}{
		"a plain token":   {func() (sentinel.Caller, bool) { return set.CallerByToken("svc_dispatch_7f3a9c") }, sentinel.Caller{Org: "acme", Team: "platform", Service: "dispatch"}, true},
		"a hashed token":  {func() (sentinel.Caller, bool) { return set.CallerByToken("svc_summariser") }, sentinel.Caller{Org: "acme", Team: "growth", Service: "summariser"}, true},
		"a prefix":        {func() (sentinel.Caller, bool) { return set.CallerByToken("svc_dispatch_7f3a9") }, sentinel.Caller{}, false},
		"the hash itself": {func() (sentinel.Caller, bool) { return set.CallerByToken("sha256:" + strings.Repeat("0", 64)) }, sentinel.Caller{}, false},
		"no token":        {func() (sentinel.Caller, bool) { return set.CallerByToken("") }, sentinel.Caller{}, false},
		"a certificate":   {func() (sentinel.Caller, bool) { return set.CallerBySPIFFE("spiffe://acme/ns/prod/sa/checkout") }, sentinel.Caller{Org: "acme", Team: "payments", Service: "checkout"}, true},
		"another path":    {func() (sentinel.Caller, bool) { return set.CallerBySPIFFE("spiffe://acme/ns/prod/sa/checkout2") }, sentinel.Caller{}, false},
		"an AWS access key": {func() (sentinel.Caller, bool) {
			id, ok := set.CallerByAccessKey("SENTINELINGEST01")
			return id.Caller, ok
		}, sentinel.Caller{Org: "acme", Team: "platform", Service: "ingest"}, true},
	} {
		if got, ok := tt.find(); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %+v %t, want %+v %t", name, got, ok, tt.want, tt.ok)
		}
	}
	if id, _ := set.CallerByAccessKey("SENTINELINGEST01"); id.SecretPath != "secret/callers/ingest" || id.SecretField != "secret" {
		t.Errorf("the issued secret lies at %s#%s", id.SecretPath, id.SecretField)
	}
}

func TestASetHoldsNoToken(t *testing.T) {
	if text := fmt.Sprintf("%#v", *example(t)); strings.Contains(text, "svc_dispatch") {
		t.Error("the set holds a token, not only its hash")
	}
}
