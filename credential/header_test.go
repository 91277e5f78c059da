package credential

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestStatic(t *testing.T) {
	for name, tt := range map[string]struct {
		kind, header, secret string
		want                 []Header
	}{
		"bearer":              {Bearer, "", "sk-1", []Header{{"authorization", "Bearer sk-1"}}},
		"basic, as Twilio's":  {Basic, "", "AC1:token", []Header{{"authorization", "Basic QUMxOnRva2Vu"}}},
		"basic, as Stripe's":  {Basic, "", "sk_test_1", []Header{{"authorization", "Basic c2tfdGVzdF8xOg=="}}},
		"own header":          {HeaderKind, "x-api-key", "k", []Header{{"x-api-key", "k"}}},
		"own header, unnamed": {HeaderKind, "", "k", nil},
		"no secret":           {Bearer, "", "", nil},
		"sigv4 is not static": {SigV4, "", "k", nil},
		"unknown":             {"digest", "", "k", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Static(tt.kind, tt.header, sentinel.NewSecret(tt.secret))); diff != "" {
				t.Errorf("Static(%q, %q) (-want +got):\n%s", tt.kind, tt.header, diff)
			}
		})
	}
}

func TestClientCredentialHeadersAreLowerCaseAndOnce(t *testing.T) {
	list := slices.Clone(ClientCredentialHeaders())
	for _, name := range []string{"authorization", "x-api-key", "api-key", "x-goog-api-key", "proxy-authorization", "x-amz-security-token", "cookie"} {
		if !slices.Contains(list, name) {
			t.Errorf("%s is not removed from requests", name)
		}
	}
	slices.Sort(list)
	for i, name := range list {
		if name != strings.ToLower(name) || i > 0 && list[i-1] == name {
			t.Errorf("header %q is not in lower case, or twice", name)
		}
	}
}
