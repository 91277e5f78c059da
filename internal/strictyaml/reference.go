package strictyaml

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// Reference describes what Decode takes for a type as Markdown: a table of keys for each mapping, made from the tags that Decode and
// Schema use. A type that stands under several keys is described once. The type may not contain itself.
func Reference(v any) (string, error) {
	t := reflect.TypeOf(v)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	r := reference{heads: map[reflect.Type]string{t: "The file"}, next: []reflect.Type{t}}
	for len(r.next) > 0 {
		at := r.next[0]
		r.next = r.next[1:]
		if err := r.section(at); err != nil {
			return "", fmt.Errorf("reference of %s: %w", t, err)
		}
		r.met, r.next = nil, append(r.met, r.next...)
	}
	return strings.TrimRight(r.out.String(), "\n") + "\n", nil
}

// reference is a page in the making: after a section come those that it is the first to name.
type reference struct {
	out       strings.Builder
	heads     map[reflect.Type]string // headings by type
	met, next []reflect.Type          // by this section, and all that are to come
}

func (r *reference) section(t reflect.Type) error {
	head := r.heads[t]
	path := head
	if head == "The file" {
		path = ""
		fmt.Fprintf(&r.out, "## %s\n\n", head)
	} else {
		fmt.Fprintf(&r.out, "## `%s`\n\n", head)
	}
	r.out.WriteString("| key | takes | default | meaning |\n|---|---|---|---|\n")
	for _, f := range fieldsOf(t) {
		takes, err := r.takes(t.Field(f.index).Type, joined(path, f.name), f.enum, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		meaning, byDefault := cutDefault(f.doc)
		if f.required {
			byDefault = "required"
		}
		fmt.Fprintf(&r.out, "| `%s` | %s | %s | %s |\n", f.name, takes, prose(byDefault), prose(meaning))
	}
	r.out.WriteString("\n")
	return nil
}

// takes says in words what a key's value may be. Mappings are linked to their section.
func (r *reference) takes(t reflect.Type, path string, enum []string, depth int) (string, error) {
	if depth > maxDepth {
		return "", fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if takesText(t) {
		text := textOf(t)
		if t.Kind() != reflect.Struct || len(fieldsOf(t)) == 0 {
			return text, nil
		}
		return text + ", or " + r.link(t, path), nil
	}
	switch kind := t.Kind(); {
	case t == durationType:
		return "a duration such as `10s` or `5m`", nil
	case kind == reflect.Struct:
		return r.link(t, path), nil
	case kind == reflect.Map:
		item, err := r.takes(t.Elem(), path+".NAME", enum, depth+1)
		return "names, each with " + item, err
	case kind == reflect.Slice:
		item, err := r.takes(t.Elem(), path, enum, depth+1)
		return item + ", or a list of such", err
	case len(enum) > 0:
		return quoted(enum, " or "), nil
	case kind == reflect.String:
		return "text", nil
	case kind == reflect.Bool:
		return "`true` or `false`", nil
	case reflect.Zero(t).CanInt():
		return "a whole number", nil
	}
	return "", fmt.Errorf("values of type %s are not supported", t)
}

// link names the section of a mapping, and puts it in line when it is met first.
func (r *reference) link(t reflect.Type, path string) string {
	head, known := r.heads[t]
	if !known {
		head = path
		r.heads[t] = head
		r.met = append(r.met, t)
	}
	return fmt.Sprintf("[a mapping](#%s)", anchor.ReplaceAllString(strings.ToLower(head), ""))
}

// anchor is what GitHub leaves out of a heading's address.
var anchor = regexp.MustCompile(`[^a-z0-9_-]`)

// textOf says what a type with UnmarshalText reads.
func textOf(t reflect.Type) string {
	h, ok := reflect.New(t).Interface().(hinted)
	if !ok {
		return "text"
	}
	switch hint := h.SchemaHint(); {
	case len(hint.Words) > 0:
		return quoted(hint.Words, " or ")
	case len(hint.Examples) > 0:
		return "text such as " + quoted(hint.Examples, " or ")
	default:
		return "text"
	}
}

// quoted lists words as code.
func quoted(words []string, last string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = "`" + cell.Replace(w) + "`"
	}
	if len(out) == 1 {
		return out[0]
	}
	return strings.Join(out[:len(out)-1], ", ") + last + out[len(out)-1]
}

// Defaults stand in descriptions as a sentence, or after the value.
var (
	defaultSentence = regexp.MustCompile(`(?:^| )Default: (.+?)\.(?: |$)`)
	defaultMark     = regexp.MustCompile(`(\S+) \(default\)`)
)

// cutDefault finds a default in a description, and takes its sentence out.
func cutDefault(doc string) (meaning, byDefault string) {
	at := defaultSentence.FindStringSubmatchIndex(doc)
	if at == nil {
		if mark := defaultMark.FindStringSubmatch(doc); mark != nil {
			byDefault = mark[1]
		}
		return doc, byDefault
	}
	return strings.TrimSpace(doc[:at[0]] + " " + doc[at[1]:]), doc[at[2]:at[3]]
}

var (
	cell  = strings.NewReplacer("|", `\|`)
	plain = strings.NewReplacer("|", `\|`, "*", `\*`, "<", "&lt;", "_", `\_`)
)

// prose makes Markdown of a description: what stands in braces becomes code.
func prose(text string) string {
	var out strings.Builder
	for text != "" {
		from := strings.IndexByte(text, '{')
		if from < 0 {
			from = len(text)
		}
		out.WriteString(plain.Replace(text[:from]))
		text = text[from:]
		depth, end := 0, len(text)
		for i := range len(text) {
			switch text[i] {
			case '{':
				depth++
			case '}':
				depth--
			}
			if depth == 0 {
				end = i + 1
				break
			}
		}
		if text != "" {
			out.WriteString("`" + cell.Replace(text[:end]) + "`")
		}
		text = text[end:]
	}
	return out.String()
}
