package extproc

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"
)

// shortestSecret is the length from which on a secret is looked for: the letters of a shorter one would be
// blanked in ordinary words.
const shortestSecret = 8

// Needles are the spellings of secrets that no answer may show: as they are, as JSON, URLs, paths and HTML write them, in hexadecimal, and
// within base64. Nil has none.
type Needles struct{ list [][]byte }

// dotNet writes JSON as .NET does, and ofHTML HTML with the names of its marks.
var (
	dotNet = strings.NewReplacer(`\`, `\\`, `"`, `\u0022`, "&", `\u0026`, "'", `\u0027`, "+", `\u002B`, "<", `\u003C`, ">", `\u003E`, "`", `\u0060`)
	ofHTML = strings.NewReplacer("&", "&amp;", `"`, "&quot;", "'", "&#x27;", "+", "&#x2B;", "<", "&lt;", ">", "&gt;")
)

// NewNeedles collects the spellings of secrets. It is nil where none is long enough to be looked for.
func NewNeedles(secrets ...string) *Needles {
	var all []string
	for _, s := range secrets {
		if len(s) < shortestSecret {
			continue
		}
		quoted, _ := json.Marshal(s) // a string cannot fail
		inner := string(quoted[1 : len(quoted)-1])
		plain := hex.EncodeToString([]byte(s))
		all = append(all, s, inner, strings.ReplaceAll(inner, "/", `\/`), dotNet.Replace(s), url.QueryEscape(s), url.PathEscape(s), html.EscapeString(s), ofHTML.Replace(s), plain, strings.ToUpper(plain))
		for offset := range 3 { // of the secret in what was encoded, Basic's user:password for instance
			all = append(all, within64(s, offset, base64.RawStdEncoding), within64(s, offset, base64.RawURLEncoding))
		}
	}
	slices.Sort(all)
	n := &Needles{}
	for _, s := range slices.Compact(all) {
		if len(s) >= shortestSecret {
			n.list = append(n.list, []byte(s))
		}
	}
	if len(n.list) == 0 {
		return nil
	}
	return n
}

// within64 is the part of an encoded text that depends on nothing but the secret in it.
func within64(secret string, offset int, e *base64.Encoding) string {
	encoded := e.EncodeToString([]byte(strings.Repeat("\x00", offset) + secret))
	const group = 4
	begin, end := 0, len(encoded)-len(encoded)%group
	if offset > 0 {
		begin = group // shares bits with what stands before
	}
	if (offset+len(secret))%3 == 0 {
		end = len(encoded)
	}
	if end <= begin {
		return ""
	}
	return encoded[begin:end]
}

// blank gives b with stars in the place of secrets: the same slice where there are none. The length stays, because an
// answer's headers have announced it.
func (n *Needles) blank(b []byte) []byte {
	if n == nil {
		return b
	}
	for _, needle := range n.list {
		if bytes.Contains(b, needle) {
			b = bytes.ReplaceAll(b, needle, bytes.Repeat([]byte("*"), len(needle)))
		}
	}
	return b
}

// scrubber blanks secrets in an answer that comes in pieces. It holds back the end of a piece only where that may
// begin a secret, so an event of a stream, which ends with a line feed, goes on whole.
type scrubber struct {
	*Needles
	held []byte
}

// write takes the next bytes and gives those to pass on: the same slice where there is nothing to blank or hold.
func (s *scrubber) write(chunk []byte, last bool) []byte {
	if s.Needles == nil {
		return chunk
	}
	out := chunk
	if len(s.held) > 0 {
		out = slices.Concat(s.held, chunk)
	}
	out = s.blank(out)
	keep := 0
	if !last {
		keep = s.begun(out)
	}
	s.held = append(s.held[:0], out[len(out)-keep:]...)
	return out[:len(out)-keep]
}

// begun gives the length of the longest end of b that begins a needle.
func (s *scrubber) begun(b []byte) int {
	longest := 0
	for _, needle := range s.list {
		for n := min(len(needle)-1, len(b)); n > longest; n-- {
			if b[len(b)-n] == needle[0] && bytes.HasSuffix(b, needle[:n]) {
				longest = n
				break
			}
		}
	}
	return longest
}

// textual tells whether an answer may quote a secret in a form that can be found.
func textual(contentType string) bool {
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	kind = strings.TrimSpace(kind)
	if kind == "" || strings.HasPrefix(kind, "text/") {
		return true
	}
	for _, word := range []string{"json", "xml", "javascript", "x-www-form-urlencoded", "yaml", "graphql"} {
		if strings.HasSuffix(kind, word) {
			return true
		}
	}
	return false
}
