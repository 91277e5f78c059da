// Package dashboard holds the static export of the web application in this folder, as far as it was built: make dashboard.
package dashboard

import (
	"embed"
	"io/fs"
)

//go:embed all:out
var files embed.FS

// Files is the export, nil where it was not built.
func Files() fs.FS {
	out, err := fs.Sub(files, "out")
	if err != nil {
		return nil
	}
	if _, err := fs.Stat(out, "index.html"); err != nil {
		return nil
	}
	return out
}
