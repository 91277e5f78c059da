package provider

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxPath bounds a request's path.
const maxPath = 4096

// CanonicalPath refuses every spelling of a path that some server may read as another path: empty, "." and
// ".." segments, encoded slashes, backslashes, dots and control bytes, broken escapes, and escapes of what is no
// UTF-8: a lenient reader takes the overlong %C0%AE for a dot. It compares raw bytes, so what is judged is what is sent.
func CanonicalPath(raw string) error {
	if !strings.HasPrefix(raw, "/") || len(raw) > maxPath {
		return badRequest("path", "it must begin with / and have at most %d bytes", maxPath)
	}
	segments := strings.Split(raw[1:], "/")
	for i, s := range segments {
		if s == "" && i < len(segments)-1 {
			return badRequest("path", "empty segments (//) are not allowed")
		}
		if err := canonicalSegment(s); err != nil {
			return err
		}
	}
	return nil
}

func canonicalSegment(s string) error {
	dots := 0
	var decoded []byte // of segments with escapes
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return badRequest("path", "a %% must be followed by two hex digits")
			}
			if decoded == nil {
				decoded = append(make([]byte, 0, len(s)), s[:i]...)
			}
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
			if c == '/' || c == '.' || c == '%' {
				return badRequest("path", "encoded slashes, dots and percent signs are not allowed")
			}
			if isPlain(c) { // /v1/ch%61rges would be judged as another call than the one it is
				return badRequest("path", "letters, digits, - and _ must not be percent-encoded")
			}
		} else if c > 0x7e || c == ' ' || c == '#' || c == '?' {
			return badRequest("path", "byte 0x%02x must be percent-encoded", c)
		}
		if c < 0x20 || c == 0x7f || c == '\\' {
			return badRequest("path", "control bytes and backslashes are not allowed")
		}
		if c == '.' {
			dots++
		}
		if decoded != nil {
			decoded = append(decoded, c)
		}
	}
	if !utf8.Valid(decoded) || bytes.ContainsFunc(decoded, unicode.IsControl) {
		return badRequest("path", "escapes must be UTF-8 without control characters")
	}
	if foldsToPath(decoded) {
		return badRequest("path", "characters that stand for slashes, dots or percent signs in another width are not allowed")
	}
	if dots == len(s) && dots > 0 {
		return badRequest("path", "segments . and .. are not allowed")
	}
	if name, _, ok := strings.Cut(s, ";"); ok && strings.Trim(name, ".") == "" {
		return badRequest("path", "segments . and .. are not allowed")
	}
	return nil
}

// foldsToPath tells whether a reader that takes characters of one compatible form for each other (NFKC), as some frameworks do, would find
// what separates or leaves segments: full-width dots and slashes, the ellipsis and the like.
func foldsToPath(decoded []byte) bool {
	for _, r := range string(decoded) {
		if r > 0x7f && strings.ContainsAny(norm.NFKC.String(string(r)), "/\\.%;?#") {
			return true
		}
	}
	return false
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// isPlain tells the bytes that need no escape anywhere (RFC 3986, section 2.3). The tilde is one
// too, but older S3 clients escape it.
func isPlain(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || c == '_'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}
