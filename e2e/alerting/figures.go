// Package alerting tests the sending of alerts by real processes on a real database, and keeps the figures.
package alerting

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Figures are what one test measured.
type Figures struct {
	Title string `json:"title"`
	By    string `json:"by"` // the command that measures it again
	Rows  []Row  `json:"rows"`
}

// Row is one figure.
type Row struct {
	What   string `json:"what"`
	Figure string `json:"figure"`
	Goal   string `json:"goal,omitempty"`
}

// Add appends a row.
func (f *Figures) Add(what, goal, format string, args ...any) {
	f.Rows = append(f.Rows, Row{what, fmt.Sprintf(format, args...), goal})
}

// Write keeps figures as dir/alerts/name.json, and writes dir/alerts.md from all that are there. An empty dir writes nothing.
func (f *Figures) Write(dir, name string) error {
	if dir == "" {
		return nil
	}
	data, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	into := filepath.Join(dir, "alerts")
	if err := os.MkdirAll(into, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(into, name+".json"), append(data, '\n'), 0o644); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(into, "*.json"))
	if err != nil {
		return err
	}
	page := "# Alerts\n\nWritten by the commands that each part names, everything on one machine; the same figures as JSON are in `alerts/`.\n"
	for _, file := range files {
		part, err := read(file)
		if err != nil {
			return err
		}
		page += part.page()
	}
	return os.WriteFile(filepath.Join(dir, "alerts.md"), []byte(page), 0o644)
}

func read(file string) (f Figures, err error) {
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	return f, err
}

func (f *Figures) page() string {
	var out strings.Builder
	fmt.Fprintf(&out, "\n## %s\n\n`%s`\n\n| what | figure | goal |\n|---|---|---|\n", f.Title, f.By)
	for _, r := range f.Rows {
		fmt.Fprintf(&out, "| %s | %s | %s |\n", r.What, r.Figure, r.Goal)
	}
	return out.String()
}
