package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saas-sentinel/saas-sentinel/credential"
)

// configIn loads a configuration of a few lines, with a database.
func configIn(t *testing.T, text string) (Config, error) {
	t.Helper()
	for _, name := range []string{"VAULT_ADDR", "VAULT_TOKEN", "VAULT_ROLE_ID", "VAULT_SECRET_ID"} {
		t.Setenv(name, "")
	}
	t.Setenv("SENTINEL_DATABASE_URL", "postgres://x@127.0.0.1/x")
	file := filepath.Join(t.TempDir(), "sentinel.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadConfig(file)
}

func TestCredentialsInFilesNeedNoVault(t *testing.T) {
	c, err := configIn(t, "files: {dir: secrets}\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(c.Files.Dir, "openai"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Files.Dir, "openai", "api_key"), []byte("sk-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := openSources(t.Context(), c, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	ref := credential.Ref{Path: "file:openai", Field: "api_key"}
	if err := s.Load(t.Context(), []credential.Ref{ref}); err != nil {
		t.Fatal(err)
	}
	if got, ok := s.Get(ref); !ok || got.Reveal() != "sk-1" {
		t.Errorf("the file's text is served: %v", ok)
	}
	err = s.Load(t.Context(), []credential.Ref{{Path: "secret/openai", Field: "api_key"}})
	if err == nil || !strings.Contains(err.Error(), "no source of secrets is configured for secret/openai") {
		t.Errorf("Vault's secret without Vault: %v", err)
	}
}

func TestSourcesOfSecretsAreChecked(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":              {"{}\n", "vault.address: set it here"},
		"Vault without login":  {"vault: {address: 'http://127.0.0.1:8200'}\n", "vault: set VAULT_TOKEN"},
		"Vault by Kubernetes":  {"vault: {address: 'http://127.0.0.1:8200', login: {method: kubernetes, role: gateway}}\n", ""},
		"Secrets Manager":      {"aws: {region: us-east-1}\n", ""},
		"an endpoint nowhere":  {"aws: {endpoint: 'https://vpce.example'}\n", "aws.endpoint: name aws.region"},
		"a login that is none": {"vault: {address: 'http://127.0.0.1:8200', login: {method: ldap}}\n", "vault.login.method"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := configIn(t, tt.text)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%s: %v, want %q", tt.text, err, tt.want)
			}
		})
	}
}
