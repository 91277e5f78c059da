package provider

import (
	"strings"
	"testing"
	"time"
)

// Time must grow with the length only: looking ahead for the quote at every escape would make it grow with the square.
func TestScannerReadsEachByteOnce(t *testing.T) {
	const size = 4 << 20
	for name, text := range map[string]string{
		"many strings": `{"d":[` + strings.Repeat(`"ab",`, size/5) + `0]}`,
		"many escapes": `{"d":"` + strings.Repeat(`\n`, size/2) + `"}`,
	} {
		at := time.Now()
		newScanner("usage").write([]byte(text))
		// A linear reader takes about 20 ms; looking ahead took 65 s.
		if took := time.Since(at); took > 5*time.Second {
			t.Errorf("%s: %d bytes took %s", name, size, took)
		}
	}
}
