package provider

import (
	"bytes"
	"net/netip"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/unicode/norm"
)

// redirecting are members of a request's top level by which servers that imitate an API are told to call another place, or
// with another key. Providers themselves know none of them but mcp_servers: Anthropic's calls the tools of whatever server it names.
var redirecting = map[string]bool{
	"api_base": true, "base_url": true, "api_url": true, "endpoint_url": true, "azure_endpoint": true, "api_key": true,
	"extra_body": true, "extra_headers": true, "extra_query": true, "proxy": true, "proxy_url": true,
	"webhook": true, "webhook_url": true, "callback_url": true, "fallbacks": true, "model_list": true,
	"mcp_servers": true,
}

// stems stand in every name that is looked for: a body without any of them, and without an escape, is not walked.
var stems = [][]byte{[]byte("url"), []byte("uri"), []byte("base"), []byte("key"), []byte("extra"), []byte("proxy"), []byte("hook"), []byte("fallback"), []byte("_list"), []byte("endpoint"), []byte("mcp"), []byte("connector"), []byte(`\u`)}

// redirects names what of a JSON body would lead a server elsewhere: a member that redirects it, or a URL of this network
// that it is to fetch. It is "" where there is nothing. The body was read strictly before.
func redirects(body []byte) string {
	if !worthWalking(body) {
		return ""
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for name := ""; ; {
		t, err := d.ReadToken()
		if err != nil {
			return ""
		}
		kind, n := d.StackIndex(d.StackDepth())
		switch {
		case t.Kind() != '"':
			if t.Kind() != '[' { // a list's texts have the list's name
				name = ""
			}
		case kind == '{' && n%2 == 1:
			name = strings.ToLower(t.String())
			if redirecting[name] && (d.StackDepth() == 1 || ofBatch(d)) {
				return name
			}
			if (name == "server_url" || name == "connector_id") && ofTool(d) {
				return name
			}
		case name == "type" && strings.EqualFold(t.String(), "mcp") && ofTool(d):
			return "tools"
		case (strings.HasSuffix(name, "url") || strings.HasSuffix(name, "uri")) && leadsInside(t.String()):
			return name
		}
	}
}

// ofBatch tells whether a name is one of the top level of a request within a batch of Anthropic's.
func ofBatch(d *jsontext.Decoder) bool {
	at := strings.Split(string(d.StackPointer()), "/")
	return len(at) == 5 && at[1] == "requests" && at[3] == "params"
}

// ofTool tells whether a member is one of a tool's own, of a request or of a session that it asks for: OpenAI calls the server of tools, or the account
// at a connector, that such a tool names.
func ofTool(d *jsontext.Decoder) bool {
	at := strings.Split(strings.ToLower(string(d.StackPointer())), "/")
	n := len(at)
	return (n == 4 || n == 5 && at[1] == "session") && at[n-3] == "tools"
}

// leadsNowhereElse refuses what of a request would lead the provider's server elsewhere, in its body and its query. Forms with parts are
// looked through as they are read.
func (e Endpoint) leadsNowhereElse(r RawRequest) error {
	name := ""
	switch e.Body {
	case BodyNone:
		if e.Declared == nil || e.Declared.Flat() {
			return nil // nothing of it is read
		}
	case BodyParts:
	case BodyForm:
		name = fieldElsewhere(string(r.Body), "")
	default:
		name = redirects(r.Body)
	}
	if name == "" {
		name = fieldElsewhere(r.Query, "api_key") // there some APIs take the credential, which the gateway sets
	}
	if name == "" {
		return nil
	}
	return elsewhere(name)
}

func elsewhere(name string) error {
	return badRequest(clip(name), "it would send the provider's server to another place or into a private network: the policy allows it with redirects: true")
}

// fieldElsewhere names the field of a form or a query that leads elsewhere, by whichever sign a server takes fields apart; "" where none
// but the one that may stand there does.
func fieldElsewhere(text, allowed string) string {
	for field := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == '&' || c == ';' }) {
		name, value, _ := strings.Cut(field, "=")
		if name, value = plainField(name), plainField(value); name != allowed && leadsElsewhere(name, value) {
			return name
		}
	}
	return ""
}

func plainField(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// browsed are fields whose address the client's own browser is sent to, such as a shop's page on a developer's machine: no server fetches them.
var browsed = map[string]bool{
	"return_url": true, "success_url": true, "cancel_url": true, "refresh_url": true, "redirect_url": true, "redirect_uri": true,
}

// leadsElsewhere tells whether a field of a form, such as a[b] or a.b, would redirect a server. Notes of the caller's own are fetched by nobody.
func leadsElsewhere(name, value string) bool {
	segments := strings.FieldsFunc(strings.ToLower(name), func(c rune) bool { return c == '[' || c == ']' || c == '.' })
	if len(segments) == 0 || segments[0] == "metadata" {
		return false
	}
	if redirecting[segments[0]] {
		return true
	}
	last := segments[len(segments)-1]
	if browsed[last] || len(segments) > 1 && segments[len(segments)-2] == "redirect" {
		return false
	}
	return (strings.HasSuffix(last, "url") || strings.HasSuffix(last, "uri")) && leadsInside(value)
}

func worthWalking(body []byte) bool {
	lower := bytes.ToLower(body)
	for _, s := range stems {
		if bytes.Contains(lower, s) {
			return true
		}
	}
	return false
}

// leadsInside tells whether a URL is of a file, of this machine or of a private network. A host that is a number in an
// unusual spelling, which resolvers read as an address, counts as one.
func leadsInside(text string) bool {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "//") {
		text = "https:" + text // some take it for an address without its scheme
	}
	u, err := url.Parse(text)
	if err != nil {
		return strings.Contains(text, "://") // nobody knows where another parser goes
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https", "ws", "wss", "ftp":
	case "file", "gopher", "dict", "ldap", "unix", "jar", "netdoc":
		return true
	default:
		return false // data, s3, gs, and what is no URL
	}
	host := strings.ReplaceAll(norm.NFKC.String(u.Hostname()), "\u3002", ".") // as names are looked up (UTS 46): circled digits are digits
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if u.User != nil || strings.ContainsRune(text, '\\') || host == "" {
		return true
	}
	if a, err := netip.ParseAddr(host); err == nil {
		a = a.Unmap().WithZone("")
		return !a.IsGlobalUnicast() || a.IsPrivate() || sharedSpace.Contains(a) || nat64.Contains(a)
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last != "" && (last[0] >= '0' && last[0] <= '9') {
		return true
	}
	return last == host || last == "localhost" || last == "internal" || last == "local" || last == "lan" || last == "home" || last == "intranet"
}

var (
	sharedSpace = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	nat64       = netip.MustParsePrefix("64:ff9b::/96")  // RFC 6052: an IPv4 address within
)
