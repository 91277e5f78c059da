package strictyaml

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a file: larger ones are refused before they are read.
const (
	maxBytes  = 4 << 20
	maxDepth  = 32
	maxKey    = 200 // bytes of one key: paths are sums of keys, and each is remembered
	maxFaults = 100
)

// File is a file's name, for messages, and its text.
type File struct {
	Name string
	Data []byte
}

// Doc remembers where each key of decoded files stands, so that later checks can name the place.
type Doc struct {
	File   string // the one that is read, or the last one
	more   bool   // other files follow: a key that is missing may stand there
	places map[string]place
	faults []Fault
	unsaid int  // faults past maxFaults
	unread bool // a file could not be read at all: what is missing then says nothing
	// broken has the keys of faults, and above is set for the keys around them.
	broken map[string]struct{ itself, above bool }
}

type place struct {
	file         string
	line, column int
}

// Decode reads YAML into a pointer to a struct. Fields are named by `yaml` tags; "name,required" makes a key
// required, and an `enum` tag lists the words that a string may be. A value that is already there is the default.
// A type that has UnmarshalText takes scalars; if it is a struct, a mapping fills its fields as well. A lone
// value may stand for a list of one. Anchors, aliases, tags and merge keys are refused.
func Decode(file string, data []byte, into any) *Doc {
	return DecodeFiles([]File{{file, data}}, into)
}

// DecodeFiles is Decode of several files that make up one: what they list is joined in the order of the files, and their mappings are
// merged. A value that stands in two files is a fault that names both places.
func DecodeFiles(files []File, into any) *Doc {
	d := &Doc{places: map[string]place{"": {"", 1, 1}}, broken: map[string]struct{ itself, above bool }{}}
	for i, f := range files {
		d.File, d.more = f.Name, i < len(files)-1
		if i == 0 {
			d.places[""] = place{f.Name, 1, 1}
		}
		d.decode(f.Data, into)
	}
	return d
}

// refuse keeps the fault of a file of which nothing is read.
func (d *Doc) refuse(f Fault) {
	d.unread = true
	d.add(f)
}

// decode reads one file into what others have filled.
func (d *Doc) decode(data []byte, into any) {
	if len(data) > maxBytes {
		d.refuse(Fault{Message: fmt.Sprintf("the file has %d bytes: at most %d are read", len(data), maxBytes)})
		return
	}
	tokens := lexer.Tokenize(string(data))
	if t := tooDeep(tokens); t != nil {
		d.refuse(Fault{Line: t.Position.Line, Column: t.Position.Column, Message: fmt.Sprintf("nested deeper than %d levels", maxDepth)})
		return
	}
	if len(d.places) == 1 { // nothing but the file itself: a map that has its size from the start does not grow in steps
		places := make(map[string]place, len(tokens)/3)
		places[""] = d.places[""]
		d.places = places
	}
	parsed, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return
	}
	bodies := bodiesOf(parsed)
	if len(bodies) > 1 {
		d.fault(bodies[1], "", "the file has several documents: only one is allowed")
		return
	}
	var body ast.Node
	if len(bodies) == 1 {
		body = bodies[0]
	}
	d.value(body, reflect.ValueOf(into).Elem(), "", 0)
}

func bodiesOf(f *ast.File) []ast.Node {
	var bodies []ast.Node
	for _, doc := range f.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	return bodies
}

// tooDeep finds where brackets, or marks such as "- - -" on one line, nest past maxDepth: the parser
// recurses, and takes quadratic time, on what it is given.
func tooDeep(tokens token.Tokens) *token.Token {
	open, marks, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, marks = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			open++
		case token.SequenceEndType, token.MappingEndType:
			open, marks = max(open-1, 0), 0
		case token.CollectEntryType:
			marks = 0
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType, token.AnchorType, token.AliasType, token.TagType:
			marks++
		default: // the parser does not recurse on the others
		}
		if open > maxDepth || marks > maxDepth {
			return t
		}
	}
	return nil
}

// Faults lists what was found so far, at most 100 and how many more there are.
func (d *Doc) Faults() []Fault {
	if d.unsaid == 0 {
		return d.faults
	}
	more := Fault{File: d.File, Message: fmt.Sprintf("%d more faults: mend these first", d.unsaid)}
	return append(d.faults[:len(d.faults):len(d.faults)], more)
}

// Fault adds a finding of a later check at a key, or at its nearest parent that the file has. A key
// that Decode could not read is left alone, and so is all of a file that it could not read: the value was never there to be checked.
func (d *Doc) Fault(key, format string, args ...any) {
	if d.unread || d.broken[key].itself {
		return
	}
	d.add(d.Finding(key, format, args...))
}

// At gives the place of a key such as "policies[2].match.team", or of its nearest parent that the file has.
func (d *Doc) At(key string) (line, column int) {
	p := d.at(key)
	return p.line, p.column
}

func (d *Doc) at(key string) place {
	for k := key; ; k = parent(k) {
		if p, ok := d.places[k]; ok || k == "" {
			return p
		}
	}
}

// Finding gives a key's place with a message, as Fault would add it.
func (d *Doc) Finding(key, format string, args ...any) Fault {
	p := d.at(key)
	return Fault{File: p.file, Line: p.line, Column: p.column, Key: key, Message: fmt.Sprintf(format, args...)}
}

func parent(key string) string { return key[:max(strings.LastIndexAny(key, ".["), 0)] }

// Has tells whether the file sets a key.
func (d *Doc) Has(key string) bool { _, ok := d.places[key]; return ok }

// Sound tells whether the file sets a key, and Decode could read it and all that is in it.
func (d *Doc) Sound(key string) bool {
	b := d.broken[key]
	return d.Has(key) && !b.itself && !b.above
}

func (d *Doc) add(f Fault) {
	if f.File == "" {
		f.File = d.File
	}
	if len(d.faults) == maxFaults {
		d.unsaid++
		return
	}
	d.faults = append(d.faults, f)
}

// fault adds a finding of Decode at a node, and remembers that its key is broken.
func (d *Doc) fault(n ast.Node, key, format string, args ...any) {
	p := d.placeOf(n)
	if p.line == 0 {
		p = d.at(key)
	}
	d.add(Fault{File: p.file, Line: p.line, Column: p.column, Key: key, Message: fmt.Sprintf(format, args...)})
	b := d.broken[key]
	b.itself = true
	d.broken[key] = b
	for k := parent(key); k != ""; k = parent(k) {
		b := d.broken[k]
		b.above = true
		d.broken[k] = b
	}
}

// placeOf is where a node begins. The parser's token of a mapping is a colon: its first key is meant.
func (d *Doc) placeOf(n ast.Node) place {
	if pairs, ok := mappingOf(n); ok && len(pairs) > 0 && pairs[0].Key != nil {
		if m, flow := n.(*ast.MappingNode); !flow || !m.IsFlowStyle {
			n = pairs[0].Key
		}
	}
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return place{}
	}
	return place{d.File, n.GetToken().Position.Line, n.GetToken().Position.Column}
}

// syntax turns the parser's error into a fault with its place. The parser's excerpt of the file is
// left out, because it could show a secret.
func (d *Doc) syntax(err error) {
	f := Fault{Message: "not valid YAML"}
	var y yaml.Error
	if errors.As(err, &y) && y.GetToken() != nil {
		p := y.GetToken().Position
		f.Line, f.Column, f.Message = p.Line, p.Column, "not valid YAML: "+clip(y.GetMessage(), 200)
	}
	d.refuse(f)
}

// clip shortens a text that a message quotes.
func clip(s string, most int) string {
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
