package app

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Pages and scripts are compressed for who takes that; the API's answers never are.
func TestFilesAreCompressedAndAnswersAreNot(t *testing.T) {
	text := bytes.Repeat([]byte("let a = 1;\n"), 1000)
	h := compressed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write(text)
	}))
	for path, want := range map[string]string{"/_next/static/a.js": "gzip", "/": "gzip", "/api/v1/usage": "", "/api/v1/events": ""} {
		for _, takes := range []string{"gzip, br", ""} {
			r, w := httptest.NewRequest(http.MethodGet, path, nil), httptest.NewRecorder()
			r.Header.Set("Accept-Encoding", takes)
			h.ServeHTTP(w, r)
			got := w.Header().Get("Content-Encoding")
			if takes == "" {
				want = ""
			}
			if got != want || got == "" && !bytes.Equal(w.Body.Bytes(), text) || got == "gzip" && w.Body.Len() > len(text)/10 {
				t.Errorf("%s for who takes %q: %d bytes in %q, want %q", path, takes, w.Body.Len(), got, want)
			}
		}
	}
}
