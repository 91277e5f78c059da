package policy

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
	"github.com/saas-sentinel/saas-sentinel/pricing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// options are facts such as the real house gives.
var options = Options{
	Presets:    []string{"openai", "stripe", "aws-bedrock", "aws-s3"},
	ModelKnown: func(_, model, _ string) bool { return !strings.HasPrefix(model, "unheard-of") },
	Endpoints:  func(string) []string { return []string{"chat.completions", "embeddings"} },
	Agreed:     pricing.CheckAgreed,
	Idle:       pricing.Idle,
}

// golden compares a text with a file, or rewrites the file.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: run the test with -update", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs; look at it, then run with -update (-want +got):\n%s", file, diff)
	}
}

func TestFilesCompileToTheirGoldenDumpOrFaults(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.in*") // files, and folders that are one policy
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases in testdata: %v", err)
	}
	folders := 0
	for _, in := range append(cases, "../examples/policies.yaml") {
		name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(in), ".yaml"), ".in")
		t.Run(name, func(t *testing.T) {
			parts, err := filepath.Glob(in + "/*.yaml")
			if folders++; err != nil || len(parts) == 0 {
				folders--
				parts = []string{in}
			}
			files := make([]File, len(parts))
			for i, part := range parts {
				data, err := os.ReadFile(part)
				if err != nil {
					t.Fatal(err)
				}
				files[i] = File{Name: filepath.Base(part), Data: data}
			}
			set, err := CompileFiles(files, options)
			out := dump(set)
			if err != nil {
				out = err.Error() + "\n"
			}
			golden(t, filepath.Join("testdata", name+".out.txt"), []byte(out))
		})
	}
	if folders < 2 {
		t.Errorf("%d folders: want one that is merged, and one with conflicts", folders)
	}
}

// dump shows all that a set holds, but the hashes of tokens.
func dump(s *Set) string {
	if s == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "org %s, zone %s, unpriced %d %s, hard budgets down %d, rates down %d\n", s.Org, s.Zone,
		s.Unpriced.Mode, s.Unpriced.Flat, s.WhenLimiterDown.HardBudgets, s.WhenLimiterDown.Rates)
	limits := func(what string, list []limit) {
		for _, l := range list {
			fmt.Fprintf(&b, "%s: %q cell %q kind %d %s max %d", what, l.Name, l.Cell, l.Kind, l.Measure, l.Max)
			if l.Kind == sentinel.Rate {
				fmt.Fprintf(&b, " in %s", l.Period)
			}
			if l.Kind == sentinel.Window {
				fmt.Fprintf(&b, " by %s", l.cut.span)
				if l.cut.day > 1 || l.cut.fiscal > 1 {
					fmt.Fprintf(&b, " from day %d of %s", l.cut.day, l.cut.fiscal)
				}
			}
			fmt.Fprintf(&b, " charge %t soft %t", l.Charge, l.Soft)
			if len(l.WarnAt) > 0 {
				fmt.Fprintf(&b, " warn at %d", l.WarnAt)
			}
			b.WriteString("\n")
		}
	}
	limits("org", s.org)
	for _, c := range s.callers {
		fmt.Fprintf(&b, "service %s of %s\n", c.Service, c.Team)
		limits("  team", s.teams[c.Team])
		limits("  service", s.services[c.Service])
	}
	for _, p := range s.Providers {
		fmt.Fprintf(&b, "provider %+v\n", p)
		limits("  provider", s.providers[p.Name])
	}
	for _, r := range s.rules {
		fmt.Fprintf(&b, "rule %q team %q service %q provider %q endpoint %q model %q tagged %v per %v downgrade %q deny %t",
			r.name, r.team, r.service, r.provider, r.endpoint, r.model, r.tagged, r.per, r.downgrades, r.deny)
		if r.capture.Any() {
			fmt.Fprintf(&b, " capture %+v", r.capture)
		}
		if r.priority != 0 || r.final || r.canary != 0 || r.when != nil {
			fmt.Fprintf(&b, " priority %d final %t canary %d when %t", r.priority, r.final, r.canary, r.when != nil)
		}
		if r.shadow {
			b.WriteString(" in shadow")
		}
		for _, s := range r.during {
			fmt.Fprintf(&b, " during %s", dumpSchedule(s))
		}
		for _, s := range r.except {
			fmt.Fprintf(&b, " except %s", dumpSchedule(s))
		}
		b.WriteString("\n")
		limits("  limit", r.limits)
	}
	fmt.Fprintf(&b, "secrets %v\n", s.SecretRefs())
	return b.String()
}

func dumpSchedule(s schedule) string {
	return fmt.Sprintf("%q in %s days %v minutes %d to %d from %v to %v", s.name, s.zone, s.days, s.from, s.to, s.begin, s.end)
}

func example(t testing.TB) *Set {
	t.Helper()
	data, err := os.ReadFile("../examples/policies.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set, err := Compile(File{Name: "policies.yaml", Data: data}, Options{Presets: options.Presets})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestTheExampleCompiles(t *testing.T) {
	set := example(t)
	var names []string
	for _, p := range set.Providers {
		names = append(names, p.Name)
	}
	if want := []string{"bedrock", "openai", "s3", "stripe", "weather"}; !slices.Equal(names, want) {
		t.Errorf("providers = %v, want %v", names, want)
	}
	if len(set.Version) != 12 || set.Version != example(t).Version {
		t.Errorf("version %q: want 12 hex digits, the same each time", set.Version)
	}
}

// schema compiles the published schema.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := os.ReadFile("../schemas/policies.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("policies.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("policies.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestThePublishedSchemaIsTheOneOfTheCode(t *testing.T) {
	got, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "../schemas/policies.schema.json", got)
}

func TestThePublishedReferenceIsTheOneOfTheCode(t *testing.T) {
	got, err := Reference()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "../docs/policy.md", got)
}

func TestTheSchemaAcceptsWhatCompilesAndRefusesWhatDoesNot(t *testing.T) {
	s := schema(t)
	resolved := map[string]bool{"testdata/anchors.in.yaml": true, "testdata/documents.in.yaml": true} // before a schema sees them
	files, _ := filepath.Glob("testdata/*.in.yaml")
	for _, name := range append(files, "../examples/policies.yaml", "../examples/contract.yaml") {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var in file
		faults := strictyaml.Decode(name, data, &in).Faults()
		var v any
		if err := yaml.Unmarshal(data, &v); err != nil || resolved[name] {
			continue // what the parser refuses, the schema never sees
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if v, err = jsonschema.UnmarshalJSON(strings.NewReader(string(text))); err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); (err == nil) != (len(faults) == 0) {
			t.Errorf("%s: the schema says %v, the decoder %v", name, err, faults)
		}
	}
}

func TestEveryFaultHasAPlaceAndNoTokenIsRepeated(t *testing.T) {
	in := "org: acme\nteams: {a: {}}\nservices:\n  one: {team: a, identity: {token: canary_3141592}}\n  two: {team: a, identity: {token: canary_3141592}}\n" +
		"  three: {team: b, identity: {token: \"canary_3141592 \"}}\nproviders: {openai: {preset: openai, credential: sk_canary_271828}}\n"
	_, err := Compile(File{Name: "p.yaml", Data: []byte(in)}, options)
	if err == nil {
		t.Fatal("no fault found")
	}
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("a message repeats a secret:\n%s", err)
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != 4 {
		t.Fatalf("4 faults expected:\n%s", err)
	}
	for _, e := range joined.Unwrap() {
		if f := (strictyaml.Fault{}); !errors.As(e, &f) || f.Line == 0 || f.Column == 0 || f.Key == "" || f.File != "p.yaml" {
			t.Errorf("%#v has no place", e)
		}
	}
}
