package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// Where files stand in the image.
const (
	authoritiesPath = "etc/ssl/certs/ca-certificates.crt"
	zonesPath       = "usr/share/zoneinfo.zip" // where ZONEINFO points
	billPath        = "usr/share/doc/sentinel/sbom.cdx.json"
)

// compile builds a static binary that depends on nothing but the source and the toolchain.
func compile(ctx context.Context, o options, arch string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "sentinel")
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.version="+o.version, "-o", file, "./cmd/sentinel")
	c.Dir, c.Stderr = o.repo, os.Stderr
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=-mod=readonly")
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("build sentinel for linux/%s: %w", arch, err)
	}
	return os.ReadFile(file)
}

// authorities are those of Mozilla's list as golang.org/x/crypto carries it, in the list's order.
func authorities() []byte {
	var out bytes.Buffer
	for r := range bundle.Roots() {
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate}) // a buffer takes everything
	}
	return out.Bytes()
}

// zoneinfo is the time zone database of the toolchain.
func zoneinfo(ctx context.Context) ([]byte, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	return os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
}
