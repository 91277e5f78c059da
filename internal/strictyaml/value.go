package strictyaml

import (
	"encoding"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml/ast"
)

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType    = reflect.TypeFor[time.Duration]()
)

// takesText tells whether a type reads scalars by its own UnmarshalText.
func takesText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textUnmarshaler) }

// value fills v from a node and reports what does not fit.
func (d *Doc) value(n ast.Node, v reflect.Value, key string, depth int) {
	if _, seen := d.places[key]; !seen {
		d.places[key] = d.placeOf(n)
	}
	if depth > maxDepth {
		d.fault(n, key, "nested deeper than %d levels", maxDepth)
		return
	}
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		d.fault(n, key, "anchors, aliases and tags are not allowed: write the value out")
		return
	case nil, *ast.NullNode:
		d.nothing(n, v, key)
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	_, mapping := mappingOf(n)
	if takesText(v.Type()) && (!mapping || v.Kind() != reflect.Struct) {
		d.text(n, v, key)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, key, depth)
	case reflect.Map:
		d.table(n, v, key, depth)
	case reflect.Slice:
		d.list(n, v, key, depth)
	default:
		d.scalar(n, v, key)
	}
}

// nothing takes a key without a value: an empty mapping or list, and a fault anywhere else.
func (d *Doc) nothing(n ast.Node, v reflect.Value, key string) {
	switch {
	case v.Kind() == reflect.Struct && !takesText(v.Type()):
		d.required(fieldsOf(v.Type()), key, nil)
	case v.Kind() != reflect.Map && v.Kind() != reflect.Slice:
		d.fault(n, key, "a value is missing: write one, or remove the key")
	}
}

// mappingOf gives the pairs of a mapping; the parser has a type of its own for a lone pair.
func mappingOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	}
	return nil, false
}

// pairs walks a mapping and refuses repeated keys and merge keys.
func (d *Doc) pairs(n ast.Node, key string, what func() string, each func(name, key string, pair *ast.MappingValueNode)) map[string]bool {
	list, ok := mappingOf(n)
	if !ok {
		d.fault(n, key, "expected %s", what())
		return nil
	}
	seen := make(map[string]bool, len(list))
	for _, pair := range list {
		name, ok := scalarText(pair.Key)
		switch full := joined(key, name); {
		case pair.Key.IsMergeKey():
			d.fault(pair.Key, key, "merge keys are not allowed: write the values out")
		case !ok:
			d.fault(pair.Key, key, "a key is a single word")
		case len(name) > maxKey:
			d.fault(pair.Key, joined(key, clip(name, 20)), "a key of %d bytes: at most %d are allowed", len(name), maxKey)
		case seen[name]:
			d.fault(pair.Key, full, "this key stands twice")
		default:
			seen[name] = true
			if _, elsewhere := d.places[full]; !elsewhere {
				d.places[full] = d.placeOf(pair.Key)
			}
			each(name, full, pair)
		}
	}
	return seen
}

func joined(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

func (d *Doc) structure(n ast.Node, v reflect.Value, key string, depth int) {
	fields := fieldsOf(v.Type())
	seen := d.pairs(n, key, func() string { return "a mapping with the keys " + strings.Join(namesOf(fields), ", ") }, func(name, full string, pair *ast.MappingValueNode) {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		if i < 0 {
			names := namesOf(fields)
			if n, ok := nearest(name, names); ok {
				d.fault(pair.Key, full, "unknown key: did you mean %s? Allowed are %s", n, strings.Join(names, ", "))
				return
			}
			d.fault(pair.Key, full, "unknown key: allowed are %s", strings.Join(names, ", "))
			return
		}
		if kind := v.Field(fields[i].index).Type(); !merges(kind) && d.twice(pair.Key, full) {
			return
		}
		d.value(pair.Value, v.Field(fields[i].index), full, depth+1)
		d.words(pair.Value, v.Field(fields[i].index), fields[i].enum, full)
	})
	if seen != nil {
		d.required(fields, key, seen)
	}
}

// namesOf lists keys for a message.
func namesOf(fields []field) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return names
}

// required reports the required keys that a mapping has not, where the mapping stands.
func (d *Doc) required(fields []field, key string, seen map[string]bool) {
	for i := range fields {
		f := &fields[i]
		if f.required && !seen[f.name] && !d.Has(joined(key, f.name)) && (key != "" || !d.more) {
			d.fault(nil, joined(key, f.name), "this key is required: %s", f.doc)
		}
	}
}

// merges tells whether what several files say of a key is joined.
func merges(t reflect.Type) bool {
	return !takesText(t) && (t.Kind() == reflect.Struct || t.Kind() == reflect.Map || t.Kind() == reflect.Slice)
}

// twice reports a key that another file has set before.
func (d *Doc) twice(n ast.Node, key string) bool {
	first := d.places[key]
	if first.file == d.File {
		return false
	}
	d.fault(n, key, "this key stands at %s:%d:%d as well: keep one of the two", first.file, first.line, first.column)
	return true
}

// words checks a string, or the strings of a list, against the words of its enum tag.
func (d *Doc) words(n ast.Node, v reflect.Value, enum []string, key string) {
	switch {
	case len(enum) == 0:
	case v.Kind() == reflect.Slice:
		nodes := itemsOf(n)
		before := max(0, v.Len()-len(nodes)) // of earlier files
		for i := range min(v.Len(), len(nodes)) {
			d.words(nodes[i], v.Index(before+i), enum, key+"["+strconv.Itoa(before+i)+"]")
		}
	case v.Kind() == reflect.String:
		if _, ok := scalarText(n); ok && !slices.Contains(enum, v.String()) {
			d.fault(n, key, "%q is not allowed: use %s", clip(v.String(), 40), oneOf(enum))
		}
	}
}

// oneOf lists words as people do: "a, b or c".
func oneOf(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// field is a key of a struct.
type field struct {
	name, doc string
	index     int
	required  bool
	enum      []string
}

// fieldsOf gives a struct's keys in their order. Those of a type never change, and a large file asks for them with every mapping.
func fieldsOf(t reflect.Type) []field {
	if known, ok := knownFields.Load(t); ok {
		fields, _ := known.([]field)
		return fields
	}
	fields := readFields(t)
	knownFields.Store(t, fields)
	return fields
}

var knownFields sync.Map // []field by reflect.Type

func readFields(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		out := field{name: name, doc: f.Tag.Get("doc"), index: i, required: option == "required"}
		if enum := f.Tag.Get("enum"); enum != "" {
			out.enum = strings.Split(enum, ",")
		}
		fields = append(fields, out)
	}
	return fields
}

func (d *Doc) table(n ast.Node, v reflect.Value, key string, depth int) {
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	d.pairs(n, key, func() string { return "a mapping from names to values" }, func(name, full string, pair *ast.MappingValueNode) {
		if d.twice(pair.Key, full) {
			return
		}
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(pair.Value, item, full, depth+1)
		v.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), item)
	})
}

// itemsOf gives the items of a list; a lone value is a list of one.
func itemsOf(n ast.Node) []ast.Node {
	if s, ok := n.(*ast.SequenceNode); ok {
		return s.Values
	}
	return []ast.Node{n}
}

func (d *Doc) list(n ast.Node, v reflect.Value, key string, depth int) {
	nodes := itemsOf(n)
	before := 0 // of earlier files: a list that stands in one file only replaces its default
	if d.places[key].file != d.File {
		before = v.Len()
	}
	out := reflect.MakeSlice(v.Type(), before+len(nodes), before+len(nodes))
	reflect.Copy(out, v.Slice(0, before))
	for i, item := range nodes {
		d.value(item, out.Index(before+i), key+"["+strconv.Itoa(before+i)+"]", depth+1)
	}
	v.Set(out)
}

// text hands a scalar to a type's own UnmarshalText.
func (d *Doc) text(n ast.Node, v reflect.Value, key string) {
	s, ok := scalarText(n)
	if !ok {
		d.fault(n, key, "expected a single value")
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
		d.fault(n, key, "%s", err)
	}
}

// scalarText gives a scalar as it stands in the file, without its quotes: "0.10" keeps its zero.
func scalarText(n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.LiteralNode:
		return s.Value.Value, true
	case *ast.StringNode:
		return s.Value, true
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode, *ast.MergeKeyNode:
		return "", false
	case ast.ScalarNode:
		return s.GetToken().Value, true
	}
	return "", false
}

func (d *Doc) scalar(n ast.Node, v reflect.Value, key string) {
	s, ok := scalarText(n)
	if !ok {
		d.fault(n, key, "expected a single value")
		return
	}
	switch {
	case v.Type() == durationType:
		t, err := time.ParseDuration(s)
		if err != nil {
			d.fault(n, key, "%q is not a duration: write for instance 10s or 5m", clip(s, 40))
			return
		}
		v.SetInt(int64(t))
	case v.Kind() == reflect.String:
		v.SetString(s)
	case v.Kind() == reflect.Bool:
		if s != "true" && s != "false" {
			d.fault(n, key, "%q is neither true nor false", clip(s, 40))
			return
		}
		v.SetBool(s == "true")
	case v.CanInt():
		i, err := strconv.ParseInt(s, 10, v.Type().Bits())
		if err != nil {
			d.fault(n, key, "%q is not a whole number within %d bits", clip(s, 40), v.Type().Bits())
			return
		}
		v.SetInt(i)
	default:
		d.fault(n, key, "values of type %s are not supported", v.Type())
	}
}
