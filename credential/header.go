package credential

import (
	"encoding/base64"
	"net/url"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Header is one HTTP header. Names are in lower case.
type Header struct{ Name, Value string }

// The kinds of credential, by their names in policy files.
const (
	Bearer     = "bearer" // Authorization: Bearer SECRET
	HeaderKind = "header" // the secret as it is, in a header of its own
	Basic      = "basic"  // "USER:PASSWORD", or the user alone with an empty password, as Stripe takes it
	Query      = "query"  // a parameter of the query, as QueryName
	SigV4      = "sigv4"  // AWS Signature Version 4; SignV4 makes it
)

// QueryName is the name of a Header that is none: its value NAME=SECRET, escaped, is to stand in the query, alone of its name.
const QueryName = ":query"

// Static gives the headers that carry a secret. name is the header of HeaderKind, in lower case, or the parameter of Query,
// and unused otherwise. An empty secret and SigV4, which is not static, give none.
func Static(kind, name string, s sentinel.Secret) []Header {
	value := s.Reveal()
	switch {
	case value == "":
		return nil
	case kind == Bearer:
		return []Header{{"authorization", "Bearer " + value}}
	case kind == Basic:
		if !strings.Contains(value, ":") {
			value += ":"
		}
		return []Header{{"authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(value))}}
	case kind == Query && name != "":
		return []Header{{QueryName, url.QueryEscape(name) + "=" + url.QueryEscape(value)}}
	case kind == HeaderKind && name != "":
		return []Header{{name, value}}
	}
	return nil
}

// clientCredentialHeaders are where SDKs of the usual APIs put a credential, and the two in
// which browsers and proxies carry one.
var clientCredentialHeaders = []string{
	"authorization",
	"proxy-authorization",
	"cookie",
	"x-api-key",      // Anthropic, AWS API Gateway, many others
	"api-key",        // Azure OpenAI
	"x-goog-api-key", // Google
	"x-goog-iam-authorization-token",
	"ocp-apim-subscription-key", // Azure API Management
	"x-amz-security-token",
	"x-amz-s3session-token",
	"x-auth-token", // OpenStack and others
	"x-auth-key",   // Cloudflare
	"x-access-token",
	"access-token",
	"apikey",
	"x-apikey",
	"x-rapidapi-key",
	"x-subscription-token", // Brave
	"xi-api-key",           // ElevenLabs
	"dd-api-key",           // Datadog
	"dd-application-key",
	"private-token", // GitLab
	"x-shopify-access-token",
	"x-figma-token",
	"x-vault-token",
}

// AccountHeaders are those by which a call chooses whose account at the provider it uses and who pays, in lower
// case. They are removed unless the policy says that a provider's calls may act on behalf of others. The slice is
// shared: do not change it.
func AccountHeaders() []string { return accountHeaders }

var accountHeaders = []string{
	"openai-organization", "openai-project",
	"stripe-account", "stripe-context",
	"x-goog-user-project",
	"x-amz-request-payer",
}

// ClientCredentialHeaders lists every header in which a client may carry a credential, in lower
// case: all are removed before the provider's own is set. The slice is shared: do not change it.
func ClientCredentialHeaders() []string { return clientCredentialHeaders }
