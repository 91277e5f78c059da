package envoy

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/saas-sentinel/saas-sentinel/internal/envoytest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// tools is where the project's own binaries are.
const tools = "../.tools"

// needEnvoy skips where there is no Envoy, and fails where there must be one.
func needEnvoy(tb testing.TB) string {
	tb.Helper()
	binary, err := envoytest.Binary(tools)
	switch {
	case err == nil:
		return binary
	case os.Getenv("E2E") == "must":
		tb.Fatal(err)
	default:
		tb.Skip(err)
	}
	return ""
}

// readCase reads a Config over the defaults; keys are the fields' names in lower case.
func readCase(t *testing.T, file string) Config {
	t.Helper()
	in, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	if err := yaml.NewDecoder(bytes.NewReader(in), yaml.DisallowUnknownField()).Decode(&c); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return c
}

func TestGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil || len(cases) < 5 {
		t.Fatalf("found %d cases, error %v", len(cases), err)
	}
	for _, in := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(in), ".in.yaml"), func(t *testing.T) {
			got, err := Static(readCase(t, in))
			if err != nil {
				t.Fatal(err)
			}
			out := strings.TrimSuffix(in, ".in.yaml") + ".out.yaml"
			if *update {
				if err := os.WriteFile(out, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("%s differs (-want +got); run go test ./envoy -update if that is right:\n%s", out, d)
			}
		})
	}
}

// TestEnvoyAcceptsGolden lets the real Envoy read every case, its files being where the test puts them.
func TestEnvoyAcceptsGolden(t *testing.T) {
	binary := needEnvoy(t)
	cases, _ := filepath.Glob("testdata/*.in.yaml")
	for _, in := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(in), ".in.yaml"), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := placeFiles(t, readCase(t, in), dir)
			for name, build := range map[string]func(Config) ([]byte, error){"static": Static, "bootstrap": Bootstrap} {
				b, err := build(c)
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(dir, name+".yaml")
				if err := os.WriteFile(file, b, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := envoytest.Validate(t.Context(), binary, file); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

// placeFiles replaces the certificates that a case names by some that exist.
func placeFiles(t *testing.T, c Config, dir string) Config {
	t.Helper()
	ca := newAuthority(t, dir)
	if c.TLS != nil {
		c.TLS.CertFile, c.TLS.KeyFile = ca.issue(t, "gateway.example.test", "")
		if c.TLS.ClientCAFile != "" {
			c.TLS.ClientCAFile = ca.file
		}
	}
	if filepath.IsAbs(c.AccessLog) {
		c.AccessLog = filepath.Join(dir, "access.json")
	}
	if c.Witness != "" {
		c.Witness = filepath.Join(dir, "witness.json")
	}
	for i := range c.Providers {
		c.Providers[i].CAFile = ca.file
	}
	return c
}
