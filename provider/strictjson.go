package provider

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxJSONDepth bounds the nesting of a request body.
const maxJSONDepth = 64

// object is a JSON request, read once and strictly: the one decoder of this path.
type object struct {
	members map[string]member
	first   int // offset behind the opening brace
}

// member is one member of the top level: its text, where that stands, and what its tree shows.
type member struct {
	value jsontext.Value
	at    span
	facts facts
}

// facts are what a tree shows, whatever its shape.
type facts struct {
	types map[string]bool // values of members called "type"; one too many is kept as manyTypes
	media map[string]bool // which of mediaNames are there
	bare  bool            // a list's object has neither a "type" nor a "role"
}

// maxTypes bounds the different types that are kept: protocols have fewer.
const (
	maxTypes  = 64
	manyTypes = "\x00"
)

// mediaNames are members that bring in more tokens than their text has bytes.
var mediaNames = map[string]bool{
	"image": true, "document": true, "video": true, "audio": true,
	"inlineData": true, "inline_data": true, "fileData": true, "file_data": true, // Google's
}

// readObject reads a JSON object. Repeated keys, invalid UTF-8, deep nesting and keys that fold to one of the
// policy keys in another case are refused: two readers might understand them differently.
func readObject(body []byte, policyKeys []string) (object, error) {
	o := object{members: map[string]member{}}
	if depthOf(body) > maxJSONDepth {
		return o, badRequest("body", "nested deeper than %d levels", maxJSONDepth)
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(body))
	t, err := d.ReadToken()
	if err != nil || t.Kind() != '{' {
		return o, badRequest("body", "a JSON object is expected")
	}
	o.first = int(d.InputOffset())
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return o, malformed(err)
		}
		name := t.String()
		for _, k := range policyKeys {
			if name != k && strings.EqualFold(name, k) {
				return o, badRequest(clip(name), "this key must be written %q", k)
			}
		}
		v, err := d.ReadValue()
		if err != nil {
			return o, malformed(err)
		}
		end := int(d.InputOffset())
		m := member{value: v.Clone(), at: span{end - len(v), end}}
		if m.facts, err = gather(m.value); err != nil {
			return o, malformed(err)
		}
		o.members[name] = m
	}
	if _, err := d.ReadToken(); err != nil {
		return o, malformed(err)
	}
	if rest := bytes.TrimSpace(body[d.InputOffset():]); len(rest) > 0 {
		return o, badRequest("body", "there are bytes behind the JSON object")
	}
	return o, nil
}

// gather walks one value for its facts.
func gather(v jsontext.Value) (facts, error) {
	var f facts
	switch v.Kind() {
	case '{', '[':
	case '0':
		_, err := strconv.ParseFloat(string(v), 64)
		return f, err
	default:
		return f, nil
	}
	// The value was checked when it was read: looking for repeated names again would only take memory.
	d := jsontext.NewDecoder(bytes.NewBuffer(v), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	name, told := "", false
	for {
		t, err := d.ReadToken()
		if err != nil {
			if d.StackDepth() == 0 {
				return f, nil
			}
			return f, err
		}
		kind, n := d.StackIndex(d.StackDepth())
		isName := kind == '{' && n%2 == 1 && t.Kind() == '"'
		inElement := v.Kind() == '[' && d.StackDepth() == elementDepth
		switch {
		case isName:
			name = t.String()
			f.name(name)
			told = told || inElement && (name == "type" || name == "role")
			continue
		case t.Kind() == '0':
			if _, err := t.Float(); err != nil { // past float64 one reader makes infinity of it, another the largest number, and a third an error
				return f, err
			}
		case t.Kind() == '"' && name == "type":
			f.typed(t.String())
		case t.Kind() == '{' && inElement:
			told = false
		case t.Kind() == '}' && d.StackDepth() == elementDepth-1 && v.Kind() == '[':
			f.bare = f.bare || !told
		}
		name = ""
	}
}

// elementDepth is how deep the members of a list's objects are nested.
const elementDepth = 2

func (f *facts) name(s string) {
	if !mediaNames[s] {
		return
	}
	if f.media == nil {
		f.media = map[string]bool{}
	}
	f.media[s] = true
}

func (f *facts) typed(s string) {
	if f.types == nil {
		f.types = map[string]bool{}
	}
	if len(f.types) >= maxTypes {
		s = manyTypes
	}
	f.types[s] = true
}

// weight estimates the tokens of what a model is shown of the request, by how it is spelled.
func (o object) weight() int64 {
	var w weigher
	for name, m := range o.members {
		if k := m.value.Kind(); name != "model" && (k == '"' || k == '{' || k == '[') { // numbers at the top set how to answer
			w.weigh(m.value)
		}
	}
	return w.tokens()
}

func malformed(err error) error {
	var s *jsontext.SyntacticError
	if errors.As(err, &s) {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return badRequest("body", "a key stands twice in one object")
		}
		return badRequest("body", "not valid JSON at byte %d", s.ByteOffset)
	}
	if errors.Is(err, strconv.ErrRange) {
		return badRequest("body", "a number is outside the range of 64-bit floating point")
	}
	return badRequest("body", "not valid JSON")
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// depthOf counts the deepest nesting without reading the rest.
func depthOf(b []byte) int {
	depth, deepest, inString := 0, 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// text reads a string member; "" when it is absent or null.
func (o object) text(key string) (string, error) {
	m, ok := o.members[key]
	if !ok || m.value.Kind() == 'n' {
		return "", nil
	}
	if m.value.Kind() != '"' {
		return "", badRequest(key, "a text is expected")
	}
	b, err := jsontext.AppendUnquote(nil, m.value)
	if err != nil {
		return "", badRequest(key, "a text is expected")
	}
	return string(b), nil
}

// has tells whether a member is there and is not null.
func (o object) has(key string) bool {
	m, ok := o.members[key]
	return ok && m.value.Kind() != 'n'
}

// flag reads a bool member; false when it is absent or null.
func (o object) flag(key string) (bool, error) {
	m, ok := o.members[key]
	if !ok || m.value.Kind() == 'n' {
		return false, nil
	}
	if k := m.value.Kind(); k != 't' && k != 'f' {
		return false, badRequest(key, "true or false is expected")
	}
	return m.value.Kind() == 't', nil
}

// maxCount bounds every number of a request that multiplies its cost.
const maxCount = 1_000_000_000

// number reads a whole number of at least 1; 0 when it is absent or null.
func (o object) number(key string) (int64, error) {
	m, ok := o.members[key]
	if !ok || m.value.Kind() == 'n' {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(m.value), 10, 64)
	if err != nil || n < 1 || n > maxCount {
		return 0, badRequest(key, "a whole number from 1 to %d is expected", maxCount)
	}
	return n, nil
}

// object reads a member that is an object itself.
func (o object) object(key string, policyKeys []string) (object, bool, error) {
	m, ok := o.members[key]
	if !ok || m.value.Kind() == 'n' {
		return object{}, false, nil
	}
	inner, err := readObject(m.value, policyKeys)
	if err != nil {
		return object{}, false, badRequest(key, "%s", err)
	}
	return inner, true, nil
}

// elements reads a member that is a list of objects, each as strictly as the request.
func (o object) elements(key string, policyKeys []string) ([]object, error) {
	m, ok := o.members[key]
	if !ok || m.value.Kind() == 'n' {
		return nil, nil
	}
	if m.value.Kind() != '[' {
		return nil, badRequest(key, "a list is expected")
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(m.value))
	if _, err := d.ReadToken(); err != nil {
		return nil, malformed(err)
	}
	var list []object
	for d.PeekKind() != ']' {
		v, err := d.ReadValue()
		if err != nil {
			return nil, malformed(err)
		}
		inner, err := readObject(v, policyKeys)
		if err != nil {
			return nil, badRequest(key, "%s", err)
		}
		list = append(list, inner)
	}
	return list, nil
}

// edit replaces a range of a body.
type edit struct {
	at   span
	text string
}

// splice applies edits, which must be in order and apart; everything else stays byte for byte.
func splice(body []byte, edits ...edit) []byte {
	out := make([]byte, 0, len(body)+64)
	at := 0
	for _, e := range edits {
		out = append(append(out, body[at:e.at.start]...), e.text...)
		at = e.at.end
	}
	return append(out, body[at:]...)
}
