package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// FuzzCompile: no file panics, every fault has the file's name, and what compiles keeps its promises.
func FuzzCompile(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.in.yaml")
	for _, name := range append(files, "../examples/policies.yaml") {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := Compile(File{Name: "fuzz.yaml", Data: data}, options)
		if (set == nil) == (err == nil) {
			t.Fatalf("a set and an error, or neither: %v %v", set, err)
		}
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "fuzz.yaml") {
					t.Errorf("no place in %q", line)
				}
			}
			return
		}
		for _, caller := range set.callers {
			for _, p := range set.Providers {
				plan := set.Plan(&sentinel.Call{Caller: caller, Provider: p.Name, Endpoint: "chat.completions", Model: "gpt-5"}, "gpt-5", noon)
				checkPlan(t, plan)
			}
		}
	})
}

// FuzzCompileFolder: two files of a folder, cut anywhere, panic no more than one does, and every fault names one of them.
func FuzzCompileFolder(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.in.yaml")
	for i, name := range append(files, "../examples/policies.yaml") {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		other, err := os.ReadFile(files[(i+7)%len(files)])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, other)
		if at := strings.Index(string(data), "\npolicies:"); at > 0 {
			f.Add(data[:at+1], data[at+1:])
		}
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		set, err := CompileFiles([]File{{Name: "a.yaml", Data: one}, {Name: "b.yaml", Data: two}}, options)
		if (set == nil) == (err == nil) {
			t.Fatalf("a set and an error, or neither: %v %v", set, err)
		}
		if err == nil {
			return
		}
		for line := range strings.Lines(err.Error()) {
			if !strings.HasPrefix(line, "a.yaml") && !strings.HasPrefix(line, "b.yaml") {
				t.Errorf("no place in %q", line)
			}
		}
	})
}

func checkPlan(t *testing.T, p Plan) {
	t.Helper()
	if len(p.Limits) > maxLimits {
		t.Errorf("%d limits in one plan", len(p.Limits))
	}
	seen := map[string]bool{}
	for _, l := range p.Limits {
		switch {
		case l.Max <= 0, seen[l.Cell], l.Charge && l.Soft:
			t.Errorf("limit %+v", l)
		case l.Kind == sentinel.Window && (noon.Before(l.Start) || !noon.Before(l.End)), l.Kind == sentinel.Rate && l.Period <= 0:
			t.Errorf("limit %+v does not hold now", l)
		}
		seen[l.Cell] = true
	}
}
