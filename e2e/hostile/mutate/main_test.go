package main

import (
	"os"
	"path/filepath"
	"testing"
)

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
