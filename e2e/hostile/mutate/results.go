package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
)

// result is what became of one control.
type result struct {
	Control string  `json:"control"`
	By      string  `json:"by"` // the first test that turned red; empty: none did
	Seconds float64 `json:"seconds"`
}

// results are those of earlier runs, one a line in a file: a long run may be broken off, and goes on where it was.
type results struct {
	file string // empty: they are kept for this run alone
	list []result
}

func openResults(file string) (*results, error) {
	r := &results{file: file}
	if file == "" {
		return r, nil
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var one result
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		r.list = append(r.list, one)
	}
	return r, nil
}

// of gives the last result of a control.
func (r *results) of(control string) (result, bool) {
	for _, one := range slices.Backward(r.list) {
		if one.Control == control {
			return one, true
		}
	}
	return result{}, false
}

// add keeps a result, in the file at once.
func (r *results) add(one result) error {
	r.list = append(r.list, one)
	if r.file == "" {
		return nil
	}
	line, err := json.Marshal(one)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(r.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// reported takes over what a report has, but for controls that no test guarded: they are tried again. A control that was changed since has to be taken
// out of the report first.
func (r *results) reported(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		cells := reportRow.FindStringSubmatch(line)
		if cells == nil || cells[2] == none {
			continue
		}
		if _, tried := r.of(cells[1]); !tried {
			r.list = append(r.list, result{Control: cells[1], By: strings.ReplaceAll(cells[2], `\|`, "|")})
		}
	}
	return nil
}

// reportRow is a control of the report, with the test.
var reportRow = regexp.MustCompile("^\\| (.+?) \\| `.+?` \\| (.+) \\|\n$")

// none stands where no test turned red.
const none = "**none**"

// whole tells whether every control has been tried.
func (r *results) whole(list []mutation) bool {
	return !slices.ContainsFunc(list, func(m mutation) bool {
		_, tried := r.of(m.Control)
		return !tried
	})
}

// report is the table of all controls, in Markdown.
func (r *results) report(list []mutation) string {
	var rows strings.Builder
	caught := 0
	for _, m := range list {
		one, _ := r.of(m.Control)
		by := one.By
		if by == "" {
			by = none
		} else {
			caught++
		}
		fmt.Fprintf(&rows, "| %s | `%s` | %s |\n", m.Control, m.File, strings.ReplaceAll(by, "|", `\|`))
	}
	return fmt.Sprintf(`# Controls of the security model, removed one at a time

`+"`make mutate-security`"+` takes each control out of the source and runs the tests until one turns red. %d of %d removed controls
(%.1f %%) turned a test red; at least %d %% must.

| control | in | first test that turned red |
|---|---|---|
%s`, caught, len(list), 100*float64(caught)/float64(max(1, len(list))), wanted, rows.String())
}
