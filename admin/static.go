package admin

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
)

// unbuilt is served where the dashboard was not built into the binary.
const unbuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><title>SaaS-Sentinel</title>
<h1>SaaS-Sentinel</h1><p>This binary was built without the dashboard. Run <code>make dashboard</code> with Node.js, and build again.
The JSON API is at <a href="/api/v1/openapi.json">/api/v1/openapi.json</a>.</p></html>
`

var inlineScript = regexp.MustCompile(`(?s)<script([^>]*)>(.*?)</script>`)

// page is an HTML file with the policy that lets only its own scripts run.
type page struct {
	body   []byte
	policy string
}

// dashboard serves the static export. Its pages are read once; a page's inline scripts are allowed by their hashes.
func (s *Server) dashboard() http.Handler {
	if s.Dashboard == nil {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" {
				http.NotFound(w, r)
				return
			}
			(&page{[]byte(unbuilt), contentPolicy(nil)}).serve(w, http.StatusOK)
		})
	}
	pages := map[string]*page{}
	_ = fs.WalkDir(s.Dashboard, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(name, ".html") {
			return err
		}
		body, err := fs.ReadFile(s.Dashboard, name)
		pages[name] = &page{body, contentPolicy(body)}
		return err
	})
	files := http.FileServerFS(s.Dashboard)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		for _, candidate := range []string{name, name + ".html", path.Join(name, "index.html")} {
			if p := pages[candidate]; p != nil {
				p.serve(w, http.StatusOK)
				return
			}
		}
		if info, err := fs.Stat(s.Dashboard, name); err == nil && !info.IsDir() {
			if strings.HasPrefix(name, "_next/static/") { // the name has a hash of the content
				w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			}
			files.ServeHTTP(w, r)
			return
		}
		if p := pages["404.html"]; p != nil {
			p.serve(w, http.StatusNotFound)
			return
		}
		http.NotFound(w, r)
	})
}

func (p *page) serve(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Security-Policy", p.policy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(p.body)
}

// contentPolicy allows scripts of this origin and the page's own inline ones. Styles may be inline: charts set them.
func contentPolicy(html []byte) string {
	scripts := "script-src 'self'"
	for _, m := range inlineScript.FindAllSubmatch(html, -1) {
		if bytes.Contains(m[1], []byte("src=")) {
			continue
		}
		sum := sha256.Sum256(m[2])
		scripts += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; " + scripts + "; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
		"manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
}
