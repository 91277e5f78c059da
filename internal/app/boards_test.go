package app

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// dashboard is what Grafana reads of a dashboard that is provisioned from a file.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Templating    struct {
		List []struct{ Name, Type, Query string }
	}
	Panels []panel
}

type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ H, W, X, Y int }
	Datasource  source
	Targets     []struct {
		RefID      string
		Expr       string
		Datasource *source
	}
}

type source struct{ Type, UID string }

var (
	descLabels = regexp.MustCompile(`constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)
	grouped    = regexp.MustCompile(`\b(?:by|without) \(([^)]*)\)`)
	selected   = regexp.MustCompile(`\b((?:sentinel|process)_[a-z0-9_]+)\{([^}]*)\}`)
	labelName  = regexp.MustCompile(`([a-z_]+)\s*[=!]`)
)

// labelsOf are the labels of every metric, with those that Prometheus adds to each.
func labelsOf(c prometheus.Collector) map[string][]string {
	ch := make(chan *prometheus.Desc)
	go func() { defer close(ch); c.Describe(ch) }()
	labels := map[string][]string{}
	for d := range ch {
		name, m := descName.FindStringSubmatch(d.String())[1], descLabels.FindStringSubmatch(d.String())
		own := []string{"instance", "job", "le"}
		for _, pair := range strings.Split(m[1]+","+m[2], ",") {
			label, _, _ := strings.Cut(strings.TrimSpace(pair), "=")
			own = append(own, label)
		}
		labels[name] = append(labels[name], own...)
	}
	return labels
}

// Grafana takes the dashboards without an edit: each has an id and a place of its own for every panel, asks the data source that the variable chooses,
// and its questions use labels that the metrics have. promtool reads the questions.
func TestDashboardsLoadWithoutEdits(t *testing.T) {
	files, err := filepath.Glob("../../deploy/grafana/*.json")
	if err != nil || len(files) < 2 {
		t.Fatalf("%q, %v", files, err)
	}
	labels, uids := labelsOf(newMetrics(&App{}).registry), map[string]bool{}
	var expressions []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var b dashboard
		if err := json.Unmarshal(text, &b); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if b.UID == "" || uids[b.UID] || b.Title == "" || b.SchemaVersion < 36 || len(b.Panels) < 5 || strings.Contains(string(text), "__inputs") {
			t.Errorf("%s: uid %q, title %q, schema %d, %d panels; one with __inputs asks who imports it", file, b.UID, b.Title, b.SchemaVersion, len(b.Panels))
		}
		uids[b.UID] = true
		if len(b.Templating.List) != 1 || b.Templating.List[0].Type != "datasource" || b.Templating.List[0].Query != "prometheus" {
			t.Errorf("%s: its variables are %+v, want one that chooses a Prometheus", file, b.Templating.List)
		}
		expressions = append(expressions, checkPanels(t, file, b.Panels, labels)...)
	}
	understands(t, expressions)
}

func checkPanels(t *testing.T, file string, panels []panel, labels map[string][]string) (expressions []string) {
	t.Helper()
	ids := map[int]bool{}
	for i, p := range panels {
		at := filepath.Base(file) + ", " + p.Title
		if p.ID == 0 || ids[p.ID] || p.Title == "" || !slices.Contains([]string{"stat", "timeseries"}, p.Type) || len(p.Targets) == 0 {
			t.Errorf("%s: id %d, type %q, %d questions", at, p.ID, p.Type, len(p.Targets))
		}
		ids[p.ID] = true
		if p.Datasource != (source{"prometheus", "${datasource}"}) {
			t.Errorf("%s asks %+v, want what the variable chooses", at, p.Datasource)
		}
		for _, o := range panels[:i] {
			if a, b := p.GridPos, o.GridPos; a.W < 1 || a.X+a.W > 24 || a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("%s has the place %+v, %s %+v", at, a, o.Title, b)
			}
		}
		for _, q := range p.Targets {
			expressions = append(expressions, q.Expr)
			has := func(metric, label string) {
				for _, part := range []string{"_bucket", "_count", "_sum", ""} {
					if own, ok := labels[strings.TrimSuffix(metric, part)]; ok && slices.Contains(own, label) {
						return
					}
				}
				t.Errorf("%s: %s has no label %q: %s", at, metric, label, q.Expr)
			}
			for _, m := range selected.FindAllStringSubmatch(q.Expr, -1) {
				for _, l := range labelName.FindAllStringSubmatch(m[2], -1) {
					has(m[1], l[1])
				}
			}
			for _, g := range grouped.FindAllStringSubmatch(q.Expr, -1) {
				for label := range strings.SplitSeq(g[1], ",") {
					has(metricName.FindString(q.Expr), strings.TrimSpace(label))
				}
			}
		}
	}
	return expressions
}

// understands has promtool read questions, as those of recording rules.
func understands(t *testing.T, expressions []string) {
	t.Helper()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("E2E") == "must" {
			t.Fatal("promtool is missing: apt-get install prometheus")
		}
		t.Skip("promtool is missing: apt-get install prometheus")
	}
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	for i, e := range expressions {
		rules = append(rules, rule{"panel:" + strings.Repeat("a", i+1), e})
	}
	text, err := json.Marshal(map[string]any{"groups": []map[string]any{{"name": "dashboards", "rules": rules}}})
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v: %s", err, out)
	}
}
