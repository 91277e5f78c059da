package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A run that was broken off goes on where it was, and reports what all of its pieces have found.
func TestResultsOutliveARun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results")
	list := []mutation{{Control: "a", File: "a.go"}, {Control: "b", File: "b.go"}}
	first, err := openResults(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.add(result{"a", "TestA", 1}); err != nil {
		t.Fatal(err)
	}
	second, err := openResults(file)
	if err != nil {
		t.Fatal(err)
	}
	if one, tried := second.of("a"); !tried || one.By != "TestA" || second.whole(list) {
		t.Errorf("the second run has %+v, and calls that the whole: %t", one, second.whole(list))
	}
	if err := second.add(result{"b", "", 1}); err != nil {
		t.Fatal(err)
	}
	if text := second.report(list); !second.whole(list) || !strings.Contains(text, "1 of 2 removed controls") || !strings.Contains(text, "| b | `b.go` | **none** |") {
		t.Errorf("the report: %s", text)
	}
	report := filepath.Join(t.TempDir(), "report.md")
	if err := os.WriteFile(report, []byte(second.report(list)), 0o600); err != nil {
		t.Fatal(err)
	}
	third := &results{}
	err = third.reported(report)
	if one, tried := third.of("a"); err != nil || !tried || one.By != "TestA" || third.whole(list) || len(third.list) != 1 {
		t.Errorf("of the report %+v is kept, %v: want the control that a test guards", third.list, err)
	}
	if err := second.judge(list, 0); err == nil {
		t.Error("half of the controls are enough")
	}
}

// The list is of no use where a control has moved: the long run would end in the midst.
func TestEveryControlIsInItsFile(t *testing.T) {
	list, err := known()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range list {
		source, err := os.ReadFile(filepath.Join("..", "..", "..", m.File))
		if err == nil {
			_, err = m.removed(source)
		}
		if err != nil {
			t.Errorf("%s: %v", m.Control, err)
		}
		if names[m.Control] {
			t.Errorf("%s stands twice", m.Control)
		}
		names[m.Control] = true
	}
}
