package strictyaml

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Bounds of a file: larger ones are refused before they are read.
const (
	maxBytes  = 4 << 20
	maxDepth  = 32
	maxFaults = 100
)

// Doc remembers where each key of a decoded file stands, so that later checks can name the place.
type Doc struct {
	File   string
	places map[string]place
	faults []Fault
}

type place struct{ line, column int }

// Decode reads YAML into a pointer to a struct. Fields are named by `yaml` tags; a value that is already
// there is the default. A type that has UnmarshalText takes scalars; if it is a struct, a mapping fills its
// fields as well. A lone value may stand for a list of one. Anchors and aliases are refused.
func Decode(file string, data []byte, into any) *Doc {
	d := &Doc{File: file, places: map[string]place{}}
	if len(data) > maxBytes {
		d.fault(nil, "", fmt.Sprintf("the file has %d bytes: at most %d are read", len(data), maxBytes))
		return d
	}
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		d.syntax(err)
		return d
	}
	switch {
	case len(parsed.Docs) > 1:
		d.fault(nil, "", "the file has several documents: only one is allowed")
	case len(parsed.Docs) == 1 && parsed.Docs[0].Body != nil:
		d.value(parsed.Docs[0].Body, reflect.ValueOf(into).Elem(), "", 0)
	}
	return d
}

// Faults lists what was found so far.
func (d *Doc) Faults() []Fault { return d.faults }

// Fault adds a finding of a later check at a key, or at its nearest parent that the file has.
func (d *Doc) Fault(key, format string, args ...any) {
	f := Fault{File: d.File, Key: key, Message: fmt.Sprintf(format, args...)}
	for k := key; k != ""; k = parent(k) {
		if p, ok := d.places[k]; ok {
			f.Line, f.Column = p.line, p.column
			break
		}
	}
	d.add(f)
}

// Has tells whether the file sets a key.
func (d *Doc) Has(key string) bool { _, ok := d.places[key]; return ok }

func (d *Doc) add(f Fault) {
	if len(d.faults) < maxFaults {
		d.faults = append(d.faults, f)
	}
}

func parent(key string) string {
	return key[:max(strings.LastIndexAny(key, ".["), 0)]
}

func (d *Doc) fault(n ast.Node, key, message string) {
	f := Fault{File: d.File, Key: key, Message: message}
	if n != nil && n.GetToken() != nil {
		f.Line, f.Column = n.GetToken().Position.Line, n.GetToken().Position.Column
	}
	d.add(f)
}

// syntax turns the parser's error into a fault with its place.
func (d *Doc) syntax(err error) {
	f := Fault{File: d.File, Message: "not valid YAML: " + firstLine(err.Error())}
	var y yaml.Error
	if errors.As(err, &y) && y.GetToken() != nil {
		p := y.GetToken().Position
		f.Line, f.Column, f.Message = p.Line, p.Column, "not valid YAML: "+y.GetMessage()
	}
	d.add(f)
}

func firstLine(s string) string { line, _, _ := strings.Cut(s, "\n"); return line }

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// value fills v from a node and reports what does not fit.
func (d *Doc) value(n ast.Node, v reflect.Value, key string, depth int) {
	if t := n.GetToken(); t != nil {
		if _, seen := d.places[key]; !seen {
			d.places[key] = place{t.Position.Line, t.Position.Column}
		}
	}
	if depth > maxDepth {
		d.fault(n, key, fmt.Sprintf("nested deeper than %d levels", maxDepth))
		return
	}
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		d.fault(n, key, "anchors, aliases and tags are not allowed: write the value out")
		return
	case *ast.NullNode:
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	_, mapping := mappingOf(n)
	if v.Addr().Type().Implements(textUnmarshaler) && !(mapping && v.Kind() == reflect.Struct) {
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
func (d *Doc) pairs(n ast.Node, key, what string, each func(name, key string, pair *ast.MappingValueNode)) {
	list, ok := mappingOf(n)
	if !ok {
		d.fault(n, key, "expected "+what)
		return
	}
	seen := map[string]bool{}
	for _, pair := range list {
		t := pair.Key.GetToken()
		name := t.Value
		full := name
		if key != "" {
			full = key + "." + name
		}
		switch {
		case pair.Key.IsMergeKey():
			d.fault(pair.Key, full, "merge keys are not allowed: write the values out")
			continue
		case seen[name]:
			d.fault(pair.Key, full, "this key stands twice")
			continue
		}
		seen[name] = true
		d.places[full] = place{t.Position.Line, t.Position.Column}
		each(name, full, pair)
	}
}

func (d *Doc) structure(n ast.Node, v reflect.Value, key string, depth int) {
	fields, names := fieldsOf(v.Type())
	d.pairs(n, key, "a mapping with the keys "+strings.Join(names, ", "), func(name, full string, pair *ast.MappingValueNode) {
		i, ok := fields[name]
		if !ok {
			message := "unknown key: allowed are " + strings.Join(names, ", ")
			if n, ok := nearest(name, names); ok {
				message = fmt.Sprintf("unknown key: did you mean %s? allowed are %s", n, strings.Join(names, ", "))
			}
			d.fault(pair.Key, full, message)
			return
		}
		d.value(pair.Value, v.Field(i), full, depth+1)
	})
}

// fieldsOf gives a struct's keys: field index by name, and the names in order.
func fieldsOf(t reflect.Type) (map[string]int, []string) {
	fields := map[string]int{}
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		fields[name] = i
		names = append(names, name)
	}
	return fields, names
}

func (d *Doc) table(n ast.Node, v reflect.Value, key string, depth int) {
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	d.pairs(n, key, "a mapping from names to values", func(name, full string, pair *ast.MappingValueNode) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(pair.Value, item, full, depth+1)
		v.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), item)
	})
}

func (d *Doc) list(n ast.Node, v reflect.Value, key string, depth int) {
	nodes := []ast.Node{n}
	if s, ok := n.(*ast.SequenceNode); ok {
		nodes = s.Values
	}
	out := reflect.MakeSlice(v.Type(), len(nodes), len(nodes))
	for i, item := range nodes {
		d.value(item, out.Index(i), key+"["+strconv.Itoa(i)+"]", depth+1)
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
		d.fault(n, key, err.Error())
	}
}

// scalarText gives a scalar as it stands in the file, without its quotes: "0.10" keeps its zero.
func scalarText(n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.LiteralNode:
		return s.Value.Value, true
	case ast.ScalarNode:
		return s.GetToken().Value, true
	}
	return "", false
}

var durationType = reflect.TypeFor[time.Duration]()

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
			d.fault(n, key, fmt.Sprintf("%q is not a duration: write for instance 10s or 5m", s))
			return
		}
		v.SetInt(int64(t))
	case v.Kind() == reflect.String:
		v.SetString(s)
	case v.Kind() == reflect.Bool:
		if !slices.Contains([]string{"true", "false"}, s) {
			d.fault(n, key, fmt.Sprintf("%q is neither true nor false", s))
			return
		}
		v.SetBool(s == "true")
	case v.CanInt():
		i, err := strconv.ParseInt(s, 10, v.Type().Bits())
		if err != nil {
			d.fault(n, key, fmt.Sprintf("%q is not a whole number within %d bits", s, v.Type().Bits()))
			return
		}
		v.SetInt(i)
	default:
		d.fault(n, key, fmt.Sprintf("values of type %s are not supported", v.Type()))
	}
}
