package provider

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Member reads a text of a JSON body that was read before: NAME of its top level, or NAME.NAME of an object there. It is empty where
// there is none, or where it is no text.
func Member(body []byte, path string) string {
	name, inner, nested := strings.Cut(path, ".")
	s := newScanner(name)
	s.write(body)
	value := jsontext.Value(s.get(name))
	if len(value) == 0 {
		return ""
	}
	if nested {
		if value.Kind() != '{' {
			return ""
		}
		return Member(value, inner)
	}
	if value.Kind() != '"' {
		return ""
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return ""
	}
	return string(text)
}
