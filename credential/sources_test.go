package credential

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/awstest"
)

// secretsManager is one operation of the stand-in, as an operator would ask it.
func secretsManager(t *testing.T, url, operation string, body any) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	rq, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	rq.Header.Set("Content-Type", "application/x-amz-json-1.1")
	rq.Header.Set("X-Amz-Target", "secretsmanager."+operation)
	rq.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAOPERATOR/20260101/us-east-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=0")
	rq.Close = true
	rs, err := http.DefaultClient.Do(rq)
	if err != nil {
		t.Fatal(err)
	}
	defer rs.Body.Close()
	if rs.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", operation, rs.Status)
	}
}

func awsSource(t *testing.T, url string) *AWSSecrets {
	t.Helper()
	a, err := NewAWSSecrets(AWSOptions{Region: "us-east-1", Endpoint: url, Key: func(context.Context) (AWSKey, time.Time, error) {
		return AWSKey{AccessKeyID: "AKIAGATEWAY", Secret: sentinel.NewSecret(canary)}, time.Time{}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func sources(t *testing.T, list map[string]Source, onError func(error)) served {
	t.Helper()
	s, err := NewSecrets(Options{Sources: list, Refresh: 200 * time.Millisecond, MaxStale: time.Minute, OnError: onError})
	if err != nil {
		t.Fatal(err)
	}
	return served{Secrets: s}
}

func TestAWSSecretsManager(t *testing.T) {
	url := awstest.Run(t, 1<<30)
	secretsManager(t, url, "CreateSecret", map[string]string{"Name": "prod/openai", "SecretString": `{"api_key":"` + canary + `-1","n":7}`})
	secretsManager(t, url, "CreateSecret", map[string]string{"Name": "plain", "SecretString": canary + "-2"})
	secretsManager(t, url, "CreateSecret", map[string]string{"Name": "key", "SecretString": `{"access_key_id":"AKIAIOSFODNN7EXAMPLE","secret_access_key":"` + canary + `"}`})
	secretsManager(t, url, "CreateSecret", map[string]any{"Name": "bytes", "SecretBinary": "AAEC"})
	s := sources(t, map[string]Source{SchemeAWS: awsSource(t, url)}, func(err error) { t.Error(err) })
	field, plain := Ref{"aws:prod/openai", "api_key"}, Ref{"aws:plain", "value"}
	if err := s.Load(t.Context(), []Ref{field, plain, {"aws:key", ""}}); err != nil {
		t.Fatal(err)
	}
	mustHave(t, s, field, canary+"-1")
	mustHave(t, s, plain, canary+"-2")
	if k, ok := s.AWSKey("aws:key"); !ok || k.AccessKeyID != "AKIAIOSFODNN7EXAMPLE" || k.Secret.Reveal() != canary {
		t.Errorf("AWSKey: %q was read: %v", k.AccessKeyID, ok)
	}
	stop := runs(t, s)
	secretsManager(t, url, "PutSecretValue", map[string]string{"SecretId": "prod/openai", "SecretString": `{"api_key":"` + canary + `-3"}`})
	within(t, 20*time.Second, "the changed value is served", func() bool { return s.serves(field, canary+"-3") })
	stop()
	refusedBy(t, s, map[Ref]string{
		{"aws:none", "api_key"}:   `AWS Secrets Manager in us-east-1: no secret at none: aws secretsmanager create-secret --name none --secret-string '{"api_key":"…"}'`,
		{"aws:prod/openai", "no"}: `prod/openai has no field no: aws secretsmanager put-secret-value --secret-id prod/openai`,
		{"aws:bytes", "value"}:    "bytes holds bytes: store it as text",
		{"secret/openai", "key"}:  "no source of secrets is configured for secret/openai",
	})
}

// refusedBy holds that each reference alone is refused with a sentence that names the remedy and no secret.
func refusedBy(t *testing.T, s served, wants map[Ref]string) {
	t.Helper()
	for ref, want := range wants {
		err := s.Load(t.Context(), []Ref{ref})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Load(%s) = %v, want one sentence with %q and no secret", ref, err, want)
		}
	}
}

// AWS checks who asks, and for what: a key that it does not know, and one that may not read, are told apart from AWS being away.
func TestAWSSecretsManagerRefuses(t *testing.T) {
	s := sources(t, map[string]Source{SchemeAWS: awsSource(t, awstest.Run(t, 0))}, nil)
	refusedBy(t, s, map[Ref]string{{"aws:prod/openai", "api_key"}: "the gateway may not read prod/openai"})
	s = sources(t, map[string]Source{SchemeAWS: awsSource(t, "http://127.0.0.1:1")}, nil)
	refusedBy(t, s, map[Ref]string{{"aws:prod/openai", "api_key"}: "it cannot be reached (dial tcp 127.0.0.1:1: connect: connection refused)"})
}

// secretFiles is laid out as Kubernetes lays out a mounted Secret: files that are links into a folder of the version.
func secretFiles(t *testing.T, dir, version string, fields map[string]string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, "..v"+version), 0o700))
	for name, text := range fields {
		must(os.WriteFile(filepath.Join(dir, "..v"+version, name), []byte(text), 0o600))
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			must(os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
		}
	}
	must(os.Symlink("..v"+version, filepath.Join(dir, "..next")))
	must(os.Rename(filepath.Join(dir, "..next"), filepath.Join(dir, "..data")))
}

func TestFilesAsKubernetesMountsThem(t *testing.T) {
	dir := t.TempDir()
	secretFiles(t, filepath.Join(dir, "openai"), "1", map[string]string{"api_key": canary + "-1\n"})
	secretFiles(t, filepath.Join(dir, "aws"), "1", map[string]string{"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": canary})
	s := sources(t, map[string]Source{SchemeFile: NewFiles(dir)}, func(err error) { t.Error(err) })
	key := Ref{"file:openai", "api_key"}
	if err := s.Load(t.Context(), []Ref{key, {"file:aws", ""}}); err != nil {
		t.Fatal(err)
	}
	mustHave(t, s, key, canary+"-1")
	if k, ok := s.AWSKey("file:aws"); !ok || k.Secret.Reveal() != canary {
		t.Errorf("AWSKey: %q was read: %v", k.AccessKeyID, ok)
	}
	defer runs(t, s)()
	secretFiles(t, filepath.Join(dir, "openai"), "2", map[string]string{"api_key": canary + "-2"})
	within(t, 20*time.Second, "the changed file is served", func() bool { return s.serves(key, canary+"-2") })
}

// Whoever writes policies must not read the machine's other files: nothing leads out of the folder.
func TestFilesOutsideTheFolderAreNotRead(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	for name, make := range map[string]func(at string) error{
		"link": func(at string) error { return os.Symlink(outside, at) },
		"dir":  func(at string) error { return os.Mkdir(at, 0o700) },
	} {
		if err := make(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(outside, "key"), canary)
	if err := os.Symlink(filepath.Join(outside, "key"), filepath.Join(dir, "dir", "key")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "key"), canary)
	s := sources(t, map[string]Source{SchemeFile: NewFiles(dir)}, nil)
	refusedBy(t, s, map[Ref]string{
		{"file:link", "key"}:                            "link cannot be opened",
		{"file:dir", "key"}:                             "dir/key cannot be read",
		{"file:../" + filepath.Base(outside), "key"}:    "cannot be opened",
		{"file:" + outside, "key"}:                      "cannot be opened",
		{"file:none", "key"}:                            "no secret at none: write the file " + dir + "/none/key",
		{"file:dir/../../" + filepath.Base(dir), "key"}: "cannot be opened",
	})
}

// A source that is away keeps no other from being read.
func TestSourcesFailAlone(t *testing.T) {
	dir := t.TempDir()
	secretFiles(t, filepath.Join(dir, "openai"), "1", map[string]string{"api_key": "one"})
	v, heard := newFake(), &failures{}
	vault := fakeClient(t, v, nil).vault
	s := sources(t, map[string]Source{SchemeFile: NewFiles(dir), SchemeVault: vault}, heard.add)
	key := Ref{"file:openai", "api_key"}
	if err := s.Load(t.Context(), []Ref{key, openai}); err != nil {
		t.Fatal(err)
	}
	v.set(func(f *fakeVault) { f.down = true })
	defer runs(t, s)()
	secretFiles(t, filepath.Join(dir, "openai"), "2", map[string]string{"api_key": "two"})
	within(t, 20*time.Second, "the changed file is served while Vault is away", func() bool { return s.serves(key, "two") && heard.count() > 0 })
	mustHave(t, s, openai, "sk-1")
}
