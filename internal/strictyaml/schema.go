package strictyaml

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// Hint says what a type with UnmarshalText reads, for the schema.
type Hint struct {
	Pattern  string   // ECMA 262; of the text
	Words    []string // all that is allowed, instead of a pattern
	Examples []string
	Number   bool // a plain number of at least 0 is meant as well
}

// hinted is implemented by text types that describe themselves.
type hinted interface{ SchemaHint() Hint }

// durationPattern is what time.ParseDuration takes.
const durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^0$`

// Schema describes what Decode takes for a type as a JSON Schema (draft 2020-12), so that editors
// can complete and check a file. Descriptions come from `doc` tags. It is built from the same tags as Decode
// uses, so the two cannot differ. The type may not contain itself.
func Schema(v any, id, title string) ([]byte, error) {
	t := reflect.TypeOf(v)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	root, err := schemaOf(t, 0)
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", t, err)
	}
	root["$schema"], root["$id"], root["title"] = "https://json-schema.org/draft/2020-12/schema", id, title
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		return nil, fmt.Errorf("schema of %s: %w", t, err)
	}
	return out.Bytes(), nil
}

type object = map[string]any

func schemaOf(t reflect.Type, depth int) (object, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	pointer := t.Kind() == reflect.Pointer // needs a value, where other mappings may be left empty
	if pointer {
		t = t.Elem()
	}
	if takesText(t) {
		text := textSchema(t)
		if t.Kind() != reflect.Struct || len(fieldsOf(t)) == 0 {
			return text, nil
		}
		long, err := structSchema(t, depth)
		return object{"anyOf": []any{text, long}}, err
	}
	switch kind := t.Kind(); {
	case t == durationType:
		return object{"type": "string", "pattern": durationPattern, "examples": []string{"10s", "5m"}}, nil
	case kind == reflect.Struct:
		out, err := structSchema(t, depth)
		if err == nil && out["required"] == nil && !pointer {
			out["type"] = []string{"object", "null"}
		}
		return out, err
	case kind == reflect.Map:
		item, err := schemaOf(t.Elem(), depth+1)
		return object{"type": []string{"object", "null"}, "additionalProperties": item, "propertyNames": object{"maxLength": maxKey}}, err
	case kind == reflect.Slice:
		item, err := schemaOf(t.Elem(), depth+1)
		return listSchema(item), err
	case kind == reflect.String:
		return object{"type": "string"}, nil
	case kind == reflect.Bool:
		return object{"type": "boolean"}, nil
	case reflect.Zero(t).CanInt():
		return object{"type": "integer"}, nil
	}
	return nil, fmt.Errorf("values of type %s are not supported", t)
}

// listSchema takes a list, nothing, or a lone value.
func listSchema(item object) object {
	return object{"anyOf": []any{object{"type": []string{"array", "null"}, "items": item}, item}}
}

// textSchema describes a type by its hint.
func textSchema(t reflect.Type) object {
	out := object{"type": "string"}
	h, ok := reflect.New(t).Interface().(hinted)
	if !ok {
		return out
	}
	hint := h.SchemaHint()
	if hint.Number {
		out["type"], out["minimum"] = []string{"string", "number"}, 0
	}
	if hint.Pattern != "" {
		out["pattern"] = hint.Pattern
	}
	if len(hint.Words) > 0 {
		out["enum"] = hint.Words
	}
	if len(hint.Examples) > 0 {
		out["examples"] = hint.Examples
	}
	return out
}

func structSchema(t reflect.Type, depth int) (object, error) {
	properties := object{}
	var required []string
	for _, f := range fieldsOf(t) {
		ft := t.Field(f.index).Type
		p, err := schemaOf(ft, depth+1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		switch {
		case len(f.enum) > 0 && ft.Kind() == reflect.Slice:
			p = listSchema(object{"type": "string", "enum": f.enum})
		case len(f.enum) > 0:
			p["enum"] = f.enum
		}
		if f.doc != "" {
			p["description"] = strings.TrimSpace(f.doc)
		}
		properties[f.name] = p
		if f.required {
			required = append(required, f.name)
		}
	}
	out := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out, nil
}
