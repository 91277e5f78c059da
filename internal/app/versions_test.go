package app

import (
	"strings"
	"testing"

	"github.com/saas-sentinel/saas-sentinel/policy"
)

func TestKeptPoliciesHaveHashesForTokens(t *testing.T) {
	const (
		known = "sha256:3f66fbd98b9c0ebff5e9ad1d0c0a45fbef0cb16a7b7e62b5e5d1e1a0a1c4e2b7"
		text  = "services:\n  a: {team: x, identity: {token: svc_one_12}}\n  b: {team: x, identity: {token: svc_one_1234}} # svc_one_1234\n  c: {team: x, identity: {token: \"" + known + "\"}}\n"
	)
	hashed := func(text string) (string, error) {
		files, err := withHashes([]policy.File{{Name: "p.yaml", Data: []byte(text)}})
		if err != nil {
			return "", err
		}
		return string(files[0].Data), nil
	}
	got, err := hashed(text)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(got, "svc_one") || strings.Count(got, "sha256:") != 4 || !strings.Contains(got, known) {
		t.Errorf("kept: %s", got)
	}
	if again, err := hashed(got); err != nil || again != got {
		t.Errorf("kept again: %s, %v", again, err)
	}
	if _, err := hashed(`services: {a: {identity: {token: "svc\x5fone_12"}}}`); err == nil || !strings.Contains(err.Error(), "escapes") {
		t.Errorf("a token behind an escape gave %v", err)
	}
}
