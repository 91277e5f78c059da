package strictyaml

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type described struct {
	Name  string           `yaml:"name,required" doc:"Who it is; such as {a: {b|c}} or *."`
	Wait  time.Duration    `yaml:"wait" doc:"How long. Default: 1.5s, or less. At most 2s."`
	Mode  string           `yaml:"mode" enum:"fast,slow" doc:"fast (default): at once."`
	Share *percent         `yaml:"share"`
	Table map[string]inner `yaml:"table" doc:"By name."`
	Items []level          `yaml:"items"`
	Again *inner           `yaml:"again"`
	NoTag string
}

func TestReferenceHasATableForEachMapping(t *testing.T) {
	got, err := Reference(&described{})
	if err != nil {
		t.Fatal(err)
	}
	const head = "| key | takes | default | meaning |\n|---|---|---|---|\n"
	want := "## The file\n\n" + head +
		"| `name` | text | required | Who it is; such as `{a: {b\\|c}}` or \\*. |\n" +
		"| `wait` | a duration such as `10s` or `5m` | 1.5s, or less | How long. At most 2s. |\n" +
		"| `mode` | `fast` or `slow` | fast | fast (default): at once. |\n" +
		"| `share` | text such as `50%` |  |  |\n" +
		"| `table` | names, each with [a mapping](#tablename) |  | By name. |\n" +
		"| `items` | text, or [a mapping](#items), or a list of such |  |  |\n" +
		"| `again` | [a mapping](#tablename) |  |  |\n" +
		"\n## `table.NAME`\n\n" + head +
		"| `wait` | a duration such as `10s` or `5m` |  | How long. |\n| `mode` | `fast` or `slow` |  |  |\n| `on` | `true` or `false` |  |  |\n" +
		"\n## `items`\n\n" + head +
		"| `name` | text | required | The level's name. |\n| `share` | text such as `50%` |  |  |\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := Reference(struct {
		F float64 `yaml:"f"`
	}{}); err == nil || !strings.Contains(err.Error(), "f: values of type float64 are not supported") {
		t.Errorf("a type that Decode cannot fill: %v", err)
	}
}

func TestReferencesLinksLeadSomewhere(t *testing.T) {
	page, err := Reference(&outer{})
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^## `(.*)`$").FindAllStringSubmatch(page, -1) {
		anchors[strings.ReplaceAll(strings.ToLower(m[1]), ".", "")] = true
	}
	links := regexp.MustCompile(`\(#([^)]*)\)`).FindAllStringSubmatch(page, -1)
	for _, m := range links {
		if !anchors[m[1]] {
			t.Errorf("no section has the address #%s", m[1])
		}
	}
	if len(links) == 0 {
		t.Error("no links")
	}
}
