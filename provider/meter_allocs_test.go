package provider_test

import (
	"testing"

	"github.com/saas-sentinel/saas-sentinel/pricing"
)

// TestReadersAllocateLittle holds every dialect's reader of JSON to 5 allocations an answer: it stands in the way of all of them. Those that are described
// in YAML judge expressions, and are not meant.
func TestReadersAllocateLittle(t *testing.T) {
	const most, atLeast = 5, 180
	catalog, err := pricing.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, s := range suites(t) {
		p, _ := s.api(t, catalog)
		for _, c := range s.Cases {
			_, spec := c.ready(t, s, p)
			answer := c.bytes()
			if !spec.Endpoint.Meters || spec.Endpoint.Declared != nil || spec.Stream || c.Method != "" || spec.Status >= 300 || spec.ContentType != "application/json" || len(answer) > 2048 {
				continue
			}
			read++
			if n := testing.AllocsPerRun(20, func() { meter(p, spec, true, answer) }); n > most {
				t.Errorf("%s, %s, %s: %.0f allocations, want at most %d", s.Preset, c.Endpoint, c.Name, n, most)
			}
		}
	}
	if read < atLeast {
		t.Errorf("%d answers were read, want at least %d", read, atLeast)
	}
}
