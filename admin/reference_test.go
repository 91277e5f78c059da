package admin_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/saas-sentinel/saas-sentinel/admin"
)

// described is what docs/api.md takes of the OpenAPI document.
type described struct {
	Paths      map[string]map[string]action
	Components struct{ Schemas map[string]schema }
}

// action is one method of a path.
type action struct {
	Summary, Description string
	Tags                 []string
	Parameters           []parameter
	RequestBody          struct {
		Content map[string]struct{ Schema schema }
	}
	Responses map[string]struct {
		Content map[string]struct{ Schema schema }
	}
}

type parameter struct {
	Name, In, Description string
	Required              bool
	Schema                schema
}

type schema struct {
	Ref         string `json:"$ref"`
	Type        any
	Format      string
	Description string
	Required    []string
	Properties  map[string]schema
	Items       *schema
	Enum        []any
}

// name is the schema's, or its JSON type.
func (s schema) name() string {
	switch {
	case s.Ref != "":
		s := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		return fmt.Sprintf("[%s](#%s)", s, strings.ToLower(s))
	case s.Items != nil:
		return "list of " + s.Items.name()
	case len(s.Enum) > 0:
		return strings.Trim(fmt.Sprint(s.Enum), "[]")
	}
	list, ok := s.Type.([]any)
	if !ok {
		return strings.TrimSpace(fmt.Sprint(cmp.Or(s.Type, any("any")), " ", s.Format))
	}
	return strings.TrimSpace(fmt.Sprint(list[0], " ", s.Format))
}

// cell is text inside of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "_", `\_`, "<", "&lt;", "\n", " ").Replace(s)
}

// content is what a request or an answer carries, empty for nothing.
func content(of map[string]struct{ Schema schema }) string {
	var list []string
	for kind, c := range of {
		if kind = cmp.Or(map[string]string{"application/json": " "}[kind], kind); kind == " " {
			list = append(list, c.Schema.name())
		} else {
			list = append(list, "`"+kind+"`")
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func reference(d described) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# The admin API\n")
	p("Written by `make golden` from [`admin/openapi.json`](../admin/openapi.json), which the gateway serves at `/api/v1/openapi.json`. How to sign in, and what holds for all of it, is in")
	p("[dashboard.md](dashboard.md#the-api). A role may do what those below it may: viewer, team-admin, operator, admin. Errors are [ErrorModel](#errormodel).")
	p("Every write of somebody who is signed in takes an `Idempotency-Key`; signing in and setting up do not, nor what writes nothing: checking and simulating a policy.\n")
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			o := d.Paths[path][method]
			p("## %s %s\n\n%s. %s\n", strings.ToUpper(method), path, strings.TrimSuffix(o.Summary, "."), o.Description)
			o.Parameters = slices.DeleteFunc(o.Parameters, func(a parameter) bool { return a.Name == "Idempotency-Key" }) // of every write
			if len(o.Parameters) > 0 {
				p("| parameter | in | | |\n|---|---|---|---|")
				for _, a := range o.Parameters {
					p("| `%s` | %s | %s | %s |", a.Name, a.In, cell(a.Schema.name()), cell(a.Description))
				}
				p("")
			}
			if body := content(o.RequestBody.Content); body != "" {
				p("Takes %s.\n", body)
			}
			for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
				if status < "300" {
					p("Answers %s%s.\n", status, map[bool]string{true: " with "}[len(o.Responses[status].Content) > 0]+content(o.Responses[status].Content))
				}
			}
		}
	}
	p("# Schemas\n")
	for _, name := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
		s := d.Components.Schemas[name]
		p("## %s\n\n| member | | |\n|---|---|---|", name)
		for _, member := range slices.Sorted(maps.Keys(s.Properties)) {
			if m := s.Properties[member]; member != "$schema" {
				p("| `%s`%s | %s | %s |", member, map[bool]string{false: " (optional)"}[slices.Contains(s.Required, member)], cell(m.name()), cell(m.Description))
			}
		}
		p("")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func TestTheReferenceIsTheDocument(t *testing.T) {
	const file = "../docs/api.md"
	text, err := json.Marshal(server(admin.Options{}).OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	var d described
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	got := reference(d)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || string(want) != got {
		t.Errorf("docs/api.md is not what the code says: run make golden (%v)", err)
	}
	if n := strings.Count(got, "\n## GET "); n < 20 {
		t.Errorf("only %d operations are described", n)
	}
}
