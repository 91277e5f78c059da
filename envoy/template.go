package envoy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// A segment has at least one byte besides dots, and no byte, raw or percent-encoded, that some
// server may read as a separator: "." and ".." would leave the endpoint that was judged, and an encoded slash, dot,
// backslash or percent sign may be decoded twice. Envoy's own normalisation stays off, so the guard,
// the route and a client's signature see the same bytes.
const (
	plainByte   = `[!"$&-\-0-:<->@-\[\]-~]`
	encodedByte = `%(?:[346-9A-Fa-f][0-9A-Fa-f]|2[0-46-9A-Da-d]|5[0-9ABabD-Fd-f])`
	segment     = `\.*(?:` + plainByte + `|` + encodedByte + `)(?:[.;]|` + plainByte + `|` + encodedByte + `)*`
	restOfPath  = segment + `(?:/` + segment + `)*/?`
)

var (
	literalPattern  = regexp.MustCompile(`^[A-Za-z0-9._~!$&'()*+,=:@-]*$`)
	colonPattern    = regexp.MustCompile(`^\{[A-Za-z_][A-Za-z0-9_]*\}:[A-Za-z]+$`)
	variablePattern = regexp.MustCompile(`^\{[A-Za-z_][A-Za-z0-9_]*(\.\.\.)?\}$`)
	oneOfPattern    = regexp.MustCompile(`^\{[a-z_]+(\|[a-z_]+)+\.\.\.\}$`)
)

// maxSegments bounds a template; each variable is a part of one regular expression.
const maxSegments = 32

// template is a parsed path template.
type template struct {
	exact   string // the path, where there is no variable
	pattern string // else a regular expression for RE2, which Envoy matches against the whole path
}

// parseTemplate reads a canonical path in which whole segments may be variables, one of them with a method
// behind a colon, as Google writes: {model}:generateContent. The last may be a choice of words with whatever follows
// them: {charges|refunds...}. An end of /? takes the path with a slash behind it too.
func parseTemplate(path string) (template, error) {
	rest, ok := strings.CutPrefix(path, "/")
	rest, slashed := strings.CutSuffix(rest, "/?")
	if !ok {
		return template{}, fmt.Errorf("path %q: it must begin with /", path)
	}
	segments := strings.Split(rest, "/")
	if len(segments) > maxSegments {
		return template{}, fmt.Errorf("path %q: %d segments, at most %d are possible", path, len(segments), maxSegments)
	}
	var pattern strings.Builder
	variables := 0
	for i, s := range segments {
		last := i == len(segments)-1
		pattern.WriteByte('/')
		switch {
		case variablePattern.MatchString(s):
			variables++
			if strings.HasSuffix(s, "...}") && !last {
				return template{}, fmt.Errorf("path %q: %s must be the last segment", path, s)
			}
			pattern.WriteString(variable(s))
		case oneOfPattern.MatchString(s) && last:
			variables++
			pattern.WriteString("(?:" + strings.TrimSuffix(s[1:], "...}") + ")(?:/" + restOfPath + "|/)?")
		case colonPattern.MatchString(s):
			variables++
			_, method, _ := strings.Cut(s, "}")
			pattern.WriteString(segment + regexp.QuoteMeta(method))
		case !literalPattern.MatchString(s):
			return template{}, fmt.Errorf("path %q: segment %q is neither plain text nor one {variable}", path, s)
		default:
			if err := checkLiteral(s, last); err != nil {
				return template{}, fmt.Errorf("path %q: %w", path, err)
			}
			pattern.WriteString(regexp.QuoteMeta(s))
		}
	}
	switch {
	case variables == 0 && slashed:
		return template{}, fmt.Errorf("path %q: without a variable it is one path, with or without the slash at its end", path)
	case variables == 0:
		return template{exact: path}, nil
	case slashed:
		pattern.WriteString("/?")
	}
	return template{pattern: pattern.String()}, nil
}

func variable(s string) string {
	if strings.HasSuffix(s, "...}") {
		return restOfPath
	}
	return segment
}

func checkLiteral(s string, last bool) error {
	switch {
	case s == "" && !last:
		return errors.New("empty segments (//) are not allowed")
	case s != "" && strings.Trim(s, ".") == "":
		return errors.New("segments . and .. are not allowed")
	}
	return nil
}
