package store

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// asks finds a question about the ledger within Go.
var asks = regexp.MustCompile("(?s)SELECT [^F`][^`]*FROM (entries|usage_1\\w|scores|intents|bodies)\\b")

// What the ledger is asked stands in questions/ alone, so that nobody writes a second text for the other kind of server. What a write looks at
// (NOT EXISTS, a deletion) is no question.
func TestQuestionsStandInFilesOfTheirOwn(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		code.Write(text)
		if found := asks.Find(text); found != nil {
			t.Errorf("%s asks %q: write it into questions/", file, found)
		}
	}
	list, err := questions.ReadDir("questions")
	if err != nil || len(list) < 10 {
		t.Fatalf("%d questions, %v", len(list), err)
	}
	for _, f := range list {
		name := strings.TrimSuffix(f.Name(), ".sql")
		if !strings.Contains(code.String(), `question("`+name+`"`) {
			t.Errorf("nobody asks questions/%s", f.Name())
		}
		text, err := questions.ReadFile("questions/" + f.Name())
		if err != nil || !strings.HasPrefix(string(text), "-- ") {
			t.Errorf("questions/%s does not begin with what it asks", f.Name())
		}
	}
}
