package app

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/saas-sentinel/saas-sentinel/admin"
)

var (
	metricName = regexp.MustCompile(`\b(?:sentinel|process)_[a-z0-9_]+\b`)
	descName   = regexp.MustCompile(`fqName: "([^"]+)"`)
)

// registered are the names of every metric, those that have no value yet included.
func registered(c prometheus.Collector) map[string]bool {
	ch := make(chan *prometheus.Desc)
	go func() { defer close(ch); c.Describe(ch) }()
	names := map[string]bool{}
	for d := range ch {
		names[descName.FindStringSubmatch(d.String())[1]] = true
	}
	return names
}

// TestDashboardsAndRulesKnowTheirMetrics: a metric that was renamed makes a panel empty and an alert silent.
func TestDashboardsAndRulesKnowTheirMetrics(t *testing.T) {
	names := registered(newMetrics(&App{}).registry)
	seen := 0
	for _, dir := range []string{"../../charts/saas-sentinel/files", "../../deploy/prometheus"} {
		err := filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			data, err := os.ReadFile(file)
			for _, name := range metricName.FindAllString(string(data), -1) {
				seen++
				base := name
				for _, ofHistogram := range []string{"_bucket", "_count", "_sum"} {
					base = strings.TrimSuffix(base, ofHistogram)
				}
				if !names[base] && !names[name] && name != "sentinel_calls_per_second" { // that one is the adapter's own
					t.Errorf("%s asks for %s, which nobody counts", file, name)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 40 {
		t.Errorf("%d names were seen", seen)
	}
}

func TestReadinessTellsHowThePartsAre(t *testing.T) {
	m := newMetrics(&App{})
	gateway := errors.New("envoy does not take calls yet")
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		m.handler(&loops{}, func(context.Context) []admin.Component {
			return []admin.Component{{Name: "vault", State: admin.StateDown, Detail: "it has not answered for 2h"}}
		}, func(context.Context) error { return gateway }).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, text := get("/readyz?verbose"); code != http.StatusServiceUnavailable || !strings.HasPrefix(text, "stopping") {
		t.Errorf("a process that does not serve answers %d %s", code, text)
	}
	m.serving.Store(true)
	if code, text := get("/readyz"); code != http.StatusOK || text != "ok\n" {
		t.Errorf("a process that serves answers %d %s", code, text)
	}
	// A lost dependency is told and no reason to be taken out.
	if code, text := get("/readyz?verbose"); code != http.StatusOK || text != "ok\nvault down: it has not answered for 2h\n" {
		t.Errorf("with reasons it answers %d %s", code, text)
	}
	if code, text := get("/readyz?gateway"); code != http.StatusServiceUnavailable || text != "envoy does not take calls yet\n" {
		t.Errorf("without Envoy it answers %d %s", code, text)
	}
	gateway = nil
	if code, text := get("/readyz?gateway"); code != http.StatusOK || text != "ok\n" {
		t.Errorf("with Envoy it answers %d %s", code, text)
	}
}
