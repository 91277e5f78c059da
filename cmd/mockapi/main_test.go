package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestReadyFileHasBothAddressesAndTheAuthorityIsTrusted(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	ca, ready := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ready")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"--ca-out", ca, "--ready-file", ready}) }()
	var at struct{ HTTP, HTTPS string }
	for end := time.Now().Add(10 * time.Second); ; <-time.After(5 * time.Millisecond) {
		data, _ := os.ReadFile(ready)
		if json.Unmarshal(data, &at) == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no ready file within 10 s")
		}
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: pool, ServerName: "api.weather.example", MinVersion: tls.VersionTLS12},
	}}
	for _, url := range []string{"http://" + at.HTTP + "/weather/v1/forecast/lima", "https://" + at.HTTPS + "/_stats"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("GET %s = %d", url, answer.StatusCode)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("run after the context ended = %v", err)
	}
}

func TestBrokenConfigurationNamesTheFileAndTheKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mock.yaml")
	if err := os.WriteFile(file, []byte("answers: {min_output: 0, max_output: 5}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := run(t.Context(), []string{"--config", file})
	if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "answers.min_output") {
		t.Errorf("run = %v, want the file and the key", err)
	}
}
