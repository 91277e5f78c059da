package strictyaml

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Entry is one key of a configuration with what it is now. Its value is that of the file, written as there; empty for none.
type Entry struct {
	Key, Value, Doc string
	Changed         bool // it is not the default
}

// Listing gives every key of a struct that Decode takes, in the order of the file, and how it differs from another of its type, the defaults. Fields without a key
// of the file, as secrets are, are left out.
func Listing(v, defaults any) []Entry {
	return listing(reflect.ValueOf(v), reflect.ValueOf(defaults), "")
}

func listing(v, otherwise reflect.Value, prefix string) (out []Entry) {
	for _, f := range fieldsOf(v.Type()) {
		key, now, then := prefix+f.name, v.Field(f.index), otherwise.Field(f.index)
		if now.Kind() == reflect.Pointer {
			if now.IsNil() {
				out = append(out, Entry{Key: key, Doc: f.doc})
				continue
			}
			if now = now.Elem(); then.IsNil() {
				then = reflect.Zero(now.Type())
			} else {
				then = then.Elem()
			}
		}
		if now.Kind() == reflect.Struct && !takesText(now.Type()) {
			out = append(out, listing(now, then, key+".")...)
			continue
		}
		text := written(now)
		out = append(out, Entry{key, text, f.doc, text != written(then)})
	}
	return out
}

// written is a value as text.
func written(v reflect.Value) string {
	if d, ok := v.Interface().(time.Duration); ok {
		return d.String()
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		text, _ := m.MarshalText()
		return string(text)
	}
	switch v.Kind() {
	case reflect.Slice:
		list := make([]string, v.Len())
		for i := range list {
			list[i] = written(v.Index(i))
		}
		return strings.Join(list, ", ")
	case reflect.Map:
		list := make([]string, 0, v.Len())
		for _, k := range v.MapKeys() {
			list = append(list, written(k)+": "+written(v.MapIndex(k)))
		}
		slices.Sort(list)
		return strings.Join(list, ", ")
	case reflect.Struct:
		var list []string
		for _, f := range fieldsOf(v.Type()) {
			if text := written(v.Field(f.index)); text != "" {
				list = append(list, f.name+": "+text)
			}
		}
		return "{" + strings.Join(list, ", ") + "}"
	default:
		return fmt.Sprint(v.Interface())
	}
}
