package dashboard

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// maxFirstScript is the most that a page's first JavaScript may weigh, in bytes of gzip at its usual level.
const maxFirstScript = 250_000

var script = regexp.MustCompile(`<script[^>]* src="/([^"]+\.js)"[^>]*>`)

// What a page loads before it shows anything is small enough for a slow line. Scripts for browsers without modules are not loaded by others.
func TestFirstScriptsAreSmall(t *testing.T) {
	files := Files()
	if files == nil {
		if os.Getenv("E2E") == "must" {
			t.Fatal("the dashboard was not built: run make dashboard")
		}
		t.Skip("the dashboard was not built: run make dashboard")
	}
	sizes := map[string]int{}
	weigh := func(name string) int {
		if n, known := sizes[name]; known {
			return n
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(text)
		_ = z.Close()
		sizes[name] = b.Len()
		return b.Len()
	}
	pages, err := fs.Glob(files, "*.html")
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	for _, page := range pages {
		text, err := fs.ReadFile(files, page)
		if err != nil {
			t.Fatal(err)
		}
		sum, scripts := 0, 0
		for _, found := range script.FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(found[0], "noModule") {
				sum, scripts = sum+weigh(found[1]), scripts+1
			}
		}
		t.Logf("%-16s %3d KB in %d scripts", page, sum/1000, scripts)
		if sum > maxFirstScript || scripts == 0 {
			t.Errorf("%s loads %d bytes of JavaScript in %d scripts, want at most %d", page, sum, scripts, maxFirstScript)
		}
	}
}
