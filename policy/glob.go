package policy

import (
	"slices"
	"strings"
)

// wild are the characters with a meaning in a pattern: * is any text, ? any one byte. Slashes are
// ordinary, because names of models have them.
const wild = "*?"

// wildcard tells whether a pattern is more than a name.
func wildcard(p string) bool { return strings.IndexByte(p, '*') >= 0 || strings.IndexByte(p, '?') >= 0 }

// globs matches a text when it is empty or one of its patterns does.
type globs []string

func (g globs) match(s string) bool {
	if len(g) == 0 {
		return true
	}
	for _, p := range g {
		if p == s || globMatch(p, s) {
			return true
		}
	}
	return false
}

// literal tells whether only names are listed, so that a rule can be found by them.
func (g globs) literal() bool {
	return len(g) > 0 && !slices.ContainsFunc(g, wildcard)
}

// globMatch compares without recursion: a failed match goes back to the last star only, which takes at
// most len(p) × len(s) steps.
func globMatch(p, s string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(p[i:], "*") == ""
}

// prefix is what a text must begin with to match.
func prefix(p string) string {
	if i := strings.IndexAny(p, wild); i >= 0 {
		return p[:i]
	}
	return p
}

// meets tells whether one of the patterns may match a text for which p is, of all patterns that match
// it, the one with the longest prefix. It is never wrongly false.
func (g globs) meets(p string) bool {
	if len(g) == 0 {
		return true
	}
	if !wildcard(p) {
		return g.match(p)
	}
	return slices.ContainsFunc(g, func(q string) bool {
		return wildcard(q) && strings.HasPrefix(prefix(p), prefix(q))
	})
}
