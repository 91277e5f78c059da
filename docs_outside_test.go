package sentinel_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

var (
	address = regexp.MustCompile(`https?://[^\s)>\]"]+`)
	inCode  = regexp.MustCompile("`[^`\n]*`")
	reserve = regexp.MustCompile(`^https?://([^/]*\.)?(example|test|internal|localhost|127\.0\.0\.1)([:/]|$)`) // RFC 2606 and what is here
)

// outside are the addresses of other sites that documents name, each once.
func outside(t *testing.T) (list []string) {
	t.Helper()
	for _, page := range tracked(t, ".md") {
		for _, a := range address.FindAllString(inCode.ReplaceAllString(fence.ReplaceAllString(text(t, page), ""), ""), -1) {
			if a = strings.TrimRight(a, ".,;:"); !reserve.MatchString(a) {
				list = append(list, a)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// ask wants a page at an address. Sites that keep programs out are there all the same.
func ask(c *http.Client, a string) error {
	r, err := http.NewRequest(http.MethodGet, a, nil)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", "saas-sentinel-links/1 (of the project's documents)")
	answer, err := c.Do(r)
	if err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, answer.Body, 1<<20)
	_ = answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return nil
	}
	return fmt.Errorf("answered %s", answer.Status)
}

// unreachable tells whether there was nobody to ask: no name, no way, no answer.
func unreachable(err error) bool {
	fault, ok := errors.AsType[net.Error](err)
	return ok && fault != nil
}

// TestLinksToOtherSitesLeadSomewhere is for make links, which sets LINKS: ask skips where no site can be reached, and must fails.
func TestLinksToOtherSitesLeadSomewhere(t *testing.T) {
	list := outside(t)
	if len(list) < 5 {
		t.Errorf("only %d addresses were seen: %v", len(list), list)
	}
	mode := os.Getenv("LINKS")
	if mode == "" {
		t.Skip("make links asks other sites")
	}
	client := &http.Client{Timeout: 30 * time.Second}
	faults := make([]error, len(list))
	var group errgroup.Group
	group.SetLimit(8)
	for i, a := range list {
		group.Go(func() error { faults[i] = ask(client, a); return nil })
	}
	_ = group.Wait()
	away := 0
	for _, err := range faults {
		if err != nil && unreachable(err) {
			away++
		}
	}
	if away == len(list) && mode != "must" {
		t.Skipf("none of %d addresses can be reached from here: the workflow security asks them", len(list))
	}
	for i, err := range faults {
		if err != nil {
			t.Errorf("%s: %v", list[i], err)
		}
	}
	t.Logf("%d addresses, all there: %v", len(list), !t.Failed())
}

func TestADeadLinkIsTold(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/there", http.StatusMovedPermanently)
		case "/there":
		case "/guarded":
			w.WriteHeader(http.StatusForbidden)
		default:
			http.NotFound(w, r)
		}
	}))
	defer s.Close()
	for path, want := range map[string]string{"/there": "", "/moved": "", "/guarded": "", "/gone": "404"} {
		if err := ask(s.Client(), s.URL+path); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	err := ask(&http.Client{Timeout: time.Second}, "http://127.0.0.1:1/")
	if err == nil || !unreachable(err) {
		t.Errorf("a port where nobody listens: %v", err)
	}
	if err := ask(s.Client(), s.URL+"/gone"); unreachable(err) {
		t.Error("a page that is gone counts as a site that cannot be reached")
	}
}
