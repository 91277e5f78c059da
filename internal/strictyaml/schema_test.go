package strictyaml

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compiled(t *testing.T, v any) *jsonschema.Schema {
	t.Helper()
	text, err := Schema(v, "https://example.com/s.json", "Test")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("s.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("s.json")
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return s
}

// TestSchemaAndDecodeAgree: what one takes, the other takes.
func TestSchemaAndDecodeAgree(t *testing.T) {
	s := compiled(t, &outer{})
	for in, want := range map[string]bool{
		"name: x": true, "count: 5": false, "name: x\nzip: 5": false, "name: [x]": false, "name: x\ncount: 5": true, "name: x\ncount: 5.5": false,
		"name: x\nshare: 50%": true, "name: x\nshare: half": false, "name: x\nshare: ": false, "name: x\ninner:": true, "name: x\ninner: {wait: 5s}": true,
		"name: x\ninner: {wait: 5}": false, "name: x\ninner: {wait: \"1h2m0.5s\"}": true, "name: x\ninner: {on: true}": true, "name: x\ninner: {on: maybe}": false,
		"name: x\ninner: {mode: fast}": true, "name: x\ninner: {mode: faster}": false, "name: x\nitems: []": true, "name: x\nitems: {on: true}": true,
		"name: x\nitems: [{on: true}]": true, "name: x\nitems: [5]": false, "name: x\nwords: a": true, "name: x\nwords: [a, c]": false,
		"name: x\ntable: {k: {}, l: }": true, "name: x\ntable: {k: 5}": false, "name: x\nlevel: high": true, "name: x\nlevel: {share: 10%}": false,
		"name: x\nlevel: {name: high}": true, "name: x\nother: ": false, "": false,
	} {
		var v outer
		faults := Decode("f", []byte(in), &v).Faults()
		if (len(faults) == 0) != want {
			t.Errorf("%q: Decode finds %v, want sound %t", in, faults, want)
		}
		var plain any
		if err := yaml.Unmarshal([]byte(in), &plain); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(plain)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(doc); (err == nil) != want {
			t.Errorf("%q: the schema says %v, want sound %t", in, err, want)
		}
	}
}

func TestSchemaRefusesWhatItCannotDescribe(t *testing.T) {
	type loop struct {
		Self *loop `yaml:"self"`
	}
	for name, v := range map[string]any{"a type in itself": loop{}, "a float": struct {
		F float64 `yaml:"f"`
	}{}} {
		if _, err := Schema(v, "", ""); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
