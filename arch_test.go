package sentinel_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/saas-sentinel/saas-sentinel"

// rooms have numbers: a room imports only lower ones, and rooms of one number never meet.
// The longest matching path counts.
var rooms = map[string]int{
	"": 0, "internal/pgtest": 0, "internal/baotest": 0, "internal/awstest": 1, "internal/redistest": 0, "internal/envoytest": 0, "internal/issuertest": 0,
	"internal/strictyaml": 5, "internal/harden": 5, "declare": 7,
	"export": 10, "policy": 10, "provider": 10, "pricing": 10, "ml": 10, "internal/mockapi": 10, "internal/mockalerts": 10,
	"governor": 20,
	"extproc":  30, "envoy": 30, "ratelimit": 30, "credential": 30, "spool": 30, "store": 30, "capture": 30,
	"audit": 30, "alerts": 30, "admin": 30, "dashboard": 30, "ca": 30, "reconcile": 30,
	"internal/telemetry": 30, "internal/simulate": 35, "internal/suggest": 36, "internal/explain": 36,
	"internal/app": 40, "internal/policytest": 40,
	"internal/stack": 45,
	"cmd":            50,
	"e2e":            60,
}

// room finds a package's room and number.
func room(path string) (string, int, bool) {
	rel := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
	for at := rel; ; at = at[:max(0, strings.LastIndex(at, "/"))] {
		if n, ok := rooms[at]; ok && (at != "" || rel == "") {
			return at, n, true
		}
		if at == "" {
			return rel, 0, false
		}
	}
}

type pkg struct {
	Dir, ImportPath, Doc, Name string
	Imports                    []string
	GoFiles                    []string
	TestGoFiles, XTestGoFiles  []string
	TestImports, XTestImports  []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=Dir,ImportPath,Doc,Name,Imports,GoFiles,TestGoFiles,XTestGoFiles,TestImports,XTestImports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

func TestImportsPointDown(t *testing.T) {
	list := packages(t)
	if len(list) < 20 {
		t.Fatalf("go list found %d packages", len(list))
	}
	for _, p := range list {
		from, number, ok := room(p.ImportPath)
		if !ok {
			t.Errorf("%s has no room: give it a number in arch_test.go", p.ImportPath)
			continue
		}
		for _, i := range p.Imports {
			if i != module && !strings.HasPrefix(i, module+"/") {
				if from == "" && strings.Contains(strings.Split(i, "/")[0], ".") {
					t.Errorf("the vocabulary imports %s: the standard library is all that it may know", i)
				}
				continue
			}
			to, n, _ := room(i)
			if to != from && n >= number && (n != 0 || number != 0 || to != "") {
				t.Errorf("%s (%d) imports %s (%d): imports point down", p.ImportPath, number, i, n)
			}
		}
	}
}

func TestEveryPackageIsDocumented(t *testing.T) {
	for _, p := range packages(t) {
		want := "Package " + p.Name
		if p.Name == "main" {
			want = "Command "
		}
		if len(p.GoFiles) > 0 && !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s: the package comment begins with %q, want %q", p.ImportPath, p.Doc, want)
		}
	}
}

// begins finds where code starts a goroutine.
var begins = regexp.MustCompile(`(?m)^\s*go (func\b|\w+[.(])|\.Go\(`)

// A room that starts goroutines has tests that would see one left behind.
func TestGoroutinesAreLookedFor(t *testing.T) {
	seen := 0
	for _, p := range packages(t) {
		starts := slices.ContainsFunc(p.GoFiles, func(name string) bool {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Error(err)
			}
			return begins.Match(text)
		})
		if !starts || len(p.TestGoFiles)+len(p.XTestGoFiles) == 0 {
			continue
		}
		if seen++; !slices.Contains(slices.Concat(p.TestImports, p.XTestImports), "go.uber.org/goleak") {
			t.Errorf("%s starts goroutines, and its tests do not look for those that stay: add a TestMain with goleak", p.ImportPath)
		}
	}
	if seen < 10 {
		t.Errorf("only %d packages start goroutines, the pattern misses some", seen)
	}
}
