package baotest

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStartedServerAnswersAndEnds(t *testing.T) {
	addr, token, stop := Run(t)
	rq, err := http.NewRequest(http.MethodPost, addr+"/v1/secret/data/probe", strings.NewReader(`{"data":{"k":"v"}}`))
	if err != nil {
		t.Fatal(err)
	}
	rq.Header.Set("X-Vault-Token", token)
	rs, err := http.DefaultClient.Do(rq)
	if err != nil {
		t.Fatal(err)
	}
	rs.Body.Close()
	if rs.StatusCode != http.StatusOK {
		t.Errorf("writing a secret at %s was answered with %s", addr, rs.Status)
	}
	stop()
	stop()
	if rs, err := http.Get(addr + "/v1/sys/health"); err == nil {
		rs.Body.Close()
		t.Errorf("%s still answers after stop: %s", addr, rs.Status)
	}
}

func TestAKilledServerHasWhatItAcknowledged(t *testing.T) {
	k, err := StartKept(t.TempDir(), Tools())
	switch {
	case errors.Is(err, ErrNoBinary) && os.Getenv("E2E") != "must":
		t.Skipf("needs OpenBao: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	defer func() { k.Stop() }()
	if err := k.ask(t.Context(), http.MethodPost, "secret/data/probe", map[string]any{"data": map[string]string{"k": "v"}}, nil); err != nil {
		t.Fatal(err)
	}
	k.Kill()
	if err := k.ask(t.Context(), http.MethodGet, "secret/data/probe", nil, nil); err == nil {
		t.Error("it answers after it was killed")
	}
	if err := k.Start(); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Data struct{ Data map[string]string }
	}
	if err := k.ask(t.Context(), http.MethodGet, "secret/data/probe", nil, &read); err != nil || read.Data.Data["k"] != "v" {
		t.Errorf("after it was started again it has %v, %v", read.Data.Data, err)
	}
}

func TestMissingBinaryNamesTheRemedy(t *testing.T) {
	_, _, _, err := Start(t.TempDir(), t.TempDir())
	if !errors.Is(err, ErrNoBinary) || !strings.Contains(err.Error(), "make tools") {
		t.Errorf("Start without a binary = %v, want ErrNoBinary with its remedy", err)
	}
}

func TestFailedStartShowsTheLog(t *testing.T) {
	tools := t.TempDir()
	bin := filepath.Join(tools, "venv", "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "bao"), []byte("#!/bin/sh\necho disk is on fire\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, _, _, err := Start(t.TempDir(), tools)
	if err == nil || !strings.Contains(err.Error(), "ended before it answered") || !strings.Contains(err.Error(), "disk is on fire") {
		t.Errorf("Start of a server that ends at once = %v, want its log's end", err)
	}
}
