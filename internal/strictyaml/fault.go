// Package strictyaml decodes configuration strictly: unknown and repeated keys, wrong types and
// bad values are all reported at once, each with its file, line, column, key and remedy.
package strictyaml

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Fault is one thing that is wrong with a file.
type Fault struct {
	File         string
	Line, Column int    // from 1; 0 when the fault has no place
	Key          string // "teams.payments.budget.usd"
	Message      string // what is wrong, and what is allowed
}

// Error gives "file:line:column: key: message".
func (f Fault) Error() string {
	place := f.File
	if f.Line > 0 {
		place = fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
	}
	if f.Key == "" {
		return place + ": " + f.Message
	}
	return place + ": " + f.Key + ": " + f.Message
}

// Join gives all faults in the order of their files as one error, or nil. Of one file, those without a place come last.
func Join(faults []Fault) error {
	sorted := slices.Clone(faults)
	files := map[string]int{} // in the order in which they were found to be at fault
	for _, f := range faults {
		if _, ok := files[f.File]; !ok {
			files[f.File] = len(files)
		}
	}
	slices.SortStableFunc(sorted, func(a, b Fault) int {
		switch {
		case a.File != b.File:
			return cmp.Compare(files[a.File], files[b.File])
		case (a.Line == 0) != (b.Line == 0):
			return cmp.Compare(b.Line, a.Line)
		case a.Line != b.Line:
			return cmp.Compare(a.Line, b.Line)
		}
		return cmp.Compare(a.Column, b.Column)
	})
	errs := make([]error, len(sorted))
	for i, f := range sorted {
		errs[i] = f
	}
	return errors.Join(errs...)
}

// nearest finds the allowed word that a misspelt one was meant to be: at most two edits away.
func nearest(word string, allowed []string) (string, bool) {
	best, found := 3, ""
	for _, a := range allowed {
		if d := distance(word, a); d < best {
			best, found = d, a
		}
	}
	return found, found != ""
}

// distance is Levenshtein's: insertions, deletions and substitutions.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
