package strictyaml

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// percent is a type that reads its own text.
type percent int

func (p *percent) UnmarshalText(b []byte) error {
	n, ok := strings.CutSuffix(string(b), "%")
	if !ok || len(n) != 2 {
		return errors.New("write two digits and %")
	}
	*p = percent(n[0]-'0')*10 + percent(n[1]-'0')
	return nil
}

func (*percent) SchemaHint() Hint { return Hint{Pattern: "^[0-9]{2}%$", Examples: []string{"50%"}} }

// level has a short form and a long one.
type level struct {
	Name  string  `yaml:"name,required" doc:"The level's name."`
	Share percent `yaml:"share"`
}

func (l *level) UnmarshalText(b []byte) error { l.Name = string(b); return nil }

type inner struct {
	Wait time.Duration `yaml:"wait" doc:"How long."`
	Mode string        `yaml:"mode" enum:"fast,slow"`
	On   bool          `yaml:"on"`
}

type outer struct {
	Name   string           `yaml:"name,required" doc:"Who it is."`
	Count  int              `yaml:"count"`
	Small  int8             `yaml:"small"`
	Share  *percent         `yaml:"share"`
	Inner  inner            `yaml:"inner"`
	Other  *inner           `yaml:"other"`
	Items  []inner          `yaml:"items"`
	Words  []string         `yaml:"words" enum:"a,b"`
	Table  map[string]inner `yaml:"table"`
	Level  level            `yaml:"level"`
	Hidden string           `yaml:"-"`
	NoTag  string
}

func TestDecodeReadsWhatIsAllowed(t *testing.T) {
	half := percent(50)
	for name, tt := range map[string]struct {
		in   string
		want outer
	}{
		"scalars":              {"name: x\ncount: 12\nsmall: -128\nshare: 50%", outer{Name: "x", Count: 12, Small: -128, Share: &half}},
		"quotes and numbers":   {"name: 007\nlevel: '0.10'", outer{Name: "007", Level: level{Name: "0.10"}}},
		"a name like a bool":   {"name: yes", outer{Name: "yes"}},
		"escapes":              {`name: "a\tb"`, outer{Name: "a\tb"}},
		"several lines":        {"name: a\n  b", outer{Name: "a b"}},
		"a literal block":      {"name: |\n  a\n  b\n", outer{Name: "a\nb\n"}},
		"nested":               {"name: x\ninner: {wait: 1m30s, mode: slow, on: true}", outer{Name: "x", Inner: inner{90 * time.Second, "slow", true}}},
		"a pointer":            {"name: x\nother:\n  on: true", outer{Name: "x", Other: &inner{On: true}}},
		"a list":               {"name: x\nitems: [{on: true}, {}]", outer{Name: "x", Items: []inner{{On: true}, {}}}},
		"a lone value":         {"name: x\nitems: {on: true}\nwords: b", outer{Name: "x", Items: []inner{{On: true}}, Words: []string{"b"}}},
		"a table":              {"name: x\ntable: {k: {on: true}, l: }", outer{Name: "x", Table: map[string]inner{"k": {On: true}, "l": {}}}},
		"the short form":       {"name: x\nlevel: high", outer{Name: "x", Level: level{Name: "high"}}},
		"the long form":        {"name: x\nlevel: {name: high, share: 10%}", outer{Name: "x", Level: level{Name: "high", Share: 10}}},
		"empty parts":          {"name: x\ninner:\nitems:\ntable:\n", outer{Name: "x"}},
		"comments and markers": {"---\n# c\nname: x # d\n", outer{Name: "x"}},
		"windows line ends":    {"name: x\r\ncount: 1\r\n", outer{Name: "x", Count: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var got outer
			if faults := Decode("f", []byte(tt.in), &got).Faults(); len(faults) > 0 {
				t.Fatal(Join(faults))
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(outer{})); diff != "" {
				t.Errorf("%q (-want +got):\n%s", tt.in, diff)
			}
		})
	}
}

func TestDecodeKeepsDefaults(t *testing.T) {
	got := outer{Name: "default", Count: 7, Inner: inner{Mode: "fast", Wait: time.Second}}
	if err := Join(Decode("f", []byte("name: x\ninner: {on: true}"), &got).Faults()); err != nil {
		t.Fatal(err)
	}
	if want := (outer{Name: "x", Count: 7, Inner: inner{Mode: "fast", Wait: time.Second, On: true}}); !cmp.Equal(want, got) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDecodeReportsEveryFaultAtItsPlace(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"nothing":          {"", "f:1:1: name: this key is required: Who it is."},
		"a list at top":    {"- a", "f:1:1: expected a mapping with the keys name, count, small, share, inner, other, items, words, table, level"},
		"unknown key":      {"name: x\ninner: {mod: fast}", "f:2:9: inner.mod: unknown key: did you mean mode? Allowed are wait, mode, on"},
		"no suggestion":    {"name: x\ninner: {colour: red}", "f:2:9: inner.colour: unknown key: allowed are wait, mode, on"},
		"hidden field":     {"name: x\nHidden: y\nNoTag: z", "f:2:1: Hidden: unknown key: allowed are name, count, small, share, inner, other, items, words, table, level\nf:3:1: NoTag: unknown key: allowed are name, count, small, share, inner, other, items, words, table, level"},
		"repeated key":     {"name: x\nname: y", "f:2:1: name: this key stands twice"},
		"repeated in flow": {"name: x\ntable: {a: {}, a: {}}", "f:2:16: table.a: this key stands twice"},
		"bad number":       {"name: x\ncount: 1.5\nsmall: 128", "f:2:8: count: \"1.5\" is not a whole number within 64 bits\nf:3:8: small: \"128\" is not a whole number within 8 bits"},
		"bad bool":         {"name: x\ninner: {on: yes}", "f:2:13: inner.on: \"yes\" is neither true nor false"},
		"bad duration":     {"name: x\ninner: {wait: 10}", "f:2:15: inner.wait: \"10\" is not a duration: write for instance 10s or 5m"},
		"bad word":         {"name: x\ninner: {mode: medium}\nwords: [a, c]", "f:2:15: inner.mode: \"medium\" is not allowed: use fast or slow\nf:3:12: words[1]: \"c\" is not allowed: use a or b"},
		"own text":         {"name: x\nshare: half", "f:2:8: share: write two digits and %"},
		"list for text":    {"name: x\nshare: [50%]", "f:2:8: share: expected a single value"},
		"map for text":     {"name: {a: b}", "f:1:7: name: expected a single value"},
		"scalar for map":   {"name: x\ntable: 5", "f:2:8: table: expected a mapping from names to values"},
		"no value":         {"name:\nshare: ~\nother:", "f:1:6: name: a value is missing: write one, or remove the key\nf:2:8: share: a value is missing: write one, or remove the key\nf:3:8: other: a value is missing: write one, or remove the key"},
		"required inside":  {"name: x\nlevel: {share: 10%}", "f:2:1: level.name: this key is required: The level's name."},
		"anchor and alias": {"name: &a x\nwords: [*a]", "f:1:7: name: anchors, aliases and tags are not allowed: write the value out\nf:2:9: words[0]: anchors, aliases and tags are not allowed: write the value out"},
		"tag":              {"name: !!str x", "f:1:7: name: anchors, aliases and tags are not allowed: write the value out"},
		"merge key":        {"name: x\ninner: {<<: {on: true}}", "f:2:9: inner: merge keys are not allowed: write the values out"},
		"two documents":    {"name: x\n---\nname: y", "f:3:1: the file has several documents: only one is allowed"},
		"not YAML":         {"name: x\ninner: {", "f:2:8: not valid YAML: could not find flow mapping end token '}'"},
		"long key":         {"name: x\ntable: {" + strings.Repeat("k", 201) + ": {}}", "f:2:9: table." + strings.Repeat("k", 20) + "…: a key of 201 bytes: at most 200 are allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			var v outer
			err := Join(Decode("f", []byte(tt.in), &v).Faults())
			if err == nil || err.Error() != tt.want {
				t.Errorf("%q:\n got %v\nwant %s", tt.in, err, tt.want)
			}
		})
	}
}

func TestLaterChecksFindTheirPlace(t *testing.T) {
	var v outer
	d := Decode("f", []byte("name: x\ninner:\n  wait: 5x\ntable:\n  a.b: {on: true}\n"), &v)
	d.Fault("table.a.b.on", "not at night")
	d.Fault("table.a.b.mode", "missing")
	d.Fault("other.mode", "missing")
	d.Fault("inner.wait", "never said, because the value could not be read")
	want := "f:1:1: other.mode: missing\nf:3:9: inner.wait: \"5x\" is not a duration: write for instance 10s or 5m\n" +
		"f:5:3: table.a.b.mode: missing\nf:5:9: table.a.b.on: not at night"
	if err := Join(d.Faults()); err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	for key, want := range map[string]bool{"name": true, "inner": false, "inner.wait": false, "table": true, "table.a.b.on": true, "other": false} {
		if d.Sound(key) != want {
			t.Errorf("Sound(%s) = %t, want %t", key, !want, want)
		}
	}
	if d.Has("inner.mode") || !d.Has("inner.wait") {
		t.Error("Has is wrong about inner")
	}
}

func TestFaultsAreBounded(t *testing.T) {
	var v outer
	err := Join(Decode("f", []byte("name: x\nwords: ["+strings.Repeat("c, ", 500)+"]"), &v).Faults())
	if lines := strings.Split(err.Error(), "\n"); len(lines) != maxFaults+1 || lines[maxFaults] != "f: 400 more faults: mend these first" {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
	if Join(nil) != nil {
		t.Error("no fault must be no error")
	}
}

// TestHostileFilesAreRefusedQuickly: the parser takes quadratic time or deep recursion on these when it gets them.
func TestHostileFilesAreRefusedQuickly(t *testing.T) {
	const size = 1 << 20
	fill := func(unit string) string { return strings.Repeat(unit, size/len(unit)) }
	for name, in := range map[string]string{
		"brackets": fill("["), "braces": fill("{a: "), "dashes": fill("- "), "colons": fill("a: "), "question marks": fill("? "),
		"anchors": "a: " + fill("&a ")[:size-3], "tags": "a: " + fill("!a ")[:size-3], "aliases": "a: " + fill("*a ")[:size-3],
		"brackets on lines": fill("[\n"), "closing brackets": fill("]"), "a long word": fill("x"), "quotes": fill("'"),
		"too long": strings.Repeat("a", maxBytes+1), "a long key": fill("k")[:size-3] + ": 1",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			var v outer
			if faults := Decode("f", []byte(in), &v).Faults(); len(faults) == 0 {
				t.Error("no fault found")
			} else if text := Join(faults).Error(); len(text) > 20_000 {
				t.Errorf("a message of %d bytes", len(text))
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// FuzzDecode: no file panics or takes long, and every fault names the file.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"name: x", "a: [1, {b: c}]", "? a\n: b", "- - a", "a: |\n  b", "<<: *x", "{", "\"", "a: 'b", "%YAML 1.2\n---\na", "a: &b c\n", "\t", "a:\n\t- b", "🙂: [\xff]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v outer
		start := time.Now()
		d := Decode("f", data, &v)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%d bytes took %s", len(data), took)
		}
		for _, fault := range d.Faults() {
			if fault.File != "f" || fault.Message == "" || fault.Line < 0 {
				t.Errorf("%+v", fault)
			}
		}
		if len(d.Faults()) == 0 && v.Name == "" && !d.Has("name") {
			t.Errorf("a required key is missing: %q", data)
		}
	})
}
