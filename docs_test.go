package sentinel_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading      = regexp.MustCompile(`(?m)^#{1,6} +(.+?)\s*$`)
	notInAnchor  = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
	fence        = regexp.MustCompile("(?ms)^```.*?^```")
	makeTarget   = regexp.MustCompile("(?m)(?:^|`)make ([a-z][a-z0-9-]*)")
	runbook      = regexp.MustCompile(`runbook(?:_url)?: (\S+)`)
)

// tracked are the project's own files with an ending.
func tracked(t *testing.T, ending string) []string {
	t.Helper()
	out, err := exec.Command("git", "ls-files", "-co", "--exclude-standard", "*"+ending).Output()
	if err != nil {
		t.Skipf("git ls-files: %v: this looks at the files of a checkout", err)
	}
	return strings.Fields(string(out))
}

func text(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// anchors are those that GitHub gives to the headings of a page.
func anchors(t *testing.T, file string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text(t, file), ""), -1) {
		found[strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return found
}

// follow fails where a link of a file leads nowhere. Addresses of other sites are left to their owners.
func follow(t *testing.T, file, link string) {
	t.Helper()
	if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
		return
	}
	path, anchor, _ := strings.Cut(link, "#")
	to := file
	if path != "" {
		to = filepath.Join(filepath.Dir(file), path)
	}
	if _, err := os.Stat(to); err != nil {
		t.Errorf("%s links to %s, which is not there", file, link)
		return
	}
	if anchor != "" && strings.HasSuffix(to, ".md") && !anchors(t, to)[anchor] {
		t.Errorf("%s links to %s: %s has no heading of that name", file, link, to)
	}
}

func TestLinksOfDocumentsLeadSomewhere(t *testing.T) {
	pages, links := tracked(t, ".md"), 0
	for _, file := range pages {
		for _, m := range markdownLink.FindAllStringSubmatch(fence.ReplaceAllString(text(t, file), ""), -1) {
			follow(t, file, m[1])
			links++
		}
	}
	if len(pages) < 20 || links < 50 {
		t.Errorf("%d pages with %d links were seen", len(pages), links)
	}
}

func TestAlertsNameAPartOfTheRunbook(t *testing.T) {
	alerts, named := 0, 0
	for _, file := range tracked(t, "rules.yaml") {
		rules := text(t, file)
		alerts += strings.Count(rules, "- alert:")
		for _, m := range runbook.FindAllStringSubmatch(rules, -1) {
			_, page, ok := strings.Cut(m[1], "docs/")
			if !ok {
				t.Errorf("%s: %s is no page of docs/", file, m[1])
				continue
			}
			follow(t, "docs/index", page)
			named++
		}
	}
	if alerts == 0 || named != alerts {
		t.Errorf("%d alerts, %d runbooks", alerts, named)
	}
}

func TestNamedMakeTargetsExist(t *testing.T) {
	makefile := text(t, "Makefile")
	for _, file := range append(tracked(t, ".md"), tracked(t, ".yaml")...) {
		for _, m := range makeTarget.FindAllStringSubmatch(text(t, file), -1) {
			if !regexp.MustCompile(`(?m)^` + m[1] + `:`).MatchString(makefile) {
				t.Errorf("%s names make %s, which is no target", file, m[1])
			}
		}
	}
}
