package credential

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/awstest"
)

// rotatesThroughCrashes rotates a secret by a maker again and again, each time broken off at another request to Vault, before it arrives or
// after. Whoever continues must come to the end, and leave nothing behind at the provider: left counts the keys there.
func rotatesThroughCrashes(t *testing.T, b bao, r Rotation, left func() int) {
	t.Helper()
	options := VaultOptions{Address: b.addr, Token: sentinel.NewSecret(b.root)}
	current := func() string {
		data := b.do(t, http.MethodGet, strings.Replace(r.Ref.Path, "/", "/data/", 1), nil)
		return at(data, "data", "data", r.main())
	}
	r.Keep = -time.Second // its time is over at once
	crashes, completed := 0, false
	for n := 1; !completed; n++ {
		for _, lose := range []bool{false, true} {
			before := current()
			v, err := newVault(options, &breaking{http.DefaultTransport.(*http.Transport).Clone(), n, lose})
			if err != nil {
				t.Fatal(err)
			}
			err = v.Rotate(t.Context(), r)
			v.Close()
			if completed = err == nil; !completed {
				crashes++
			}
			again := b.client(t, func(*VaultOptions) {}).vault
			if _, err := again.ForgetPrevious(t.Context(), r); err != nil { // as the command begins
				t.Fatalf("continued after %d requests: %v", n, err)
			}
			if err := again.Rotate(t.Context(), r); err != nil {
				t.Fatalf("continued after %d requests: %v", n, err)
			}
			if err := r.Test(t.Context(), Key{r.main(): sentinel.NewSecret(current())}); r.Ref.Field != "" && err != nil {
				t.Errorf("after %d requests the key in use is bad: %v", n, err)
			}
			if kept, err := again.ForgetPrevious(t.Context(), r); err != nil || !kept.IsZero() {
				t.Errorf("the key before stays after %d requests: %v %v", n, kept, err)
			}
			if now := left(); now != 1 || current() == before {
				t.Errorf("after %d requests %d keys are left at the provider, want the one in use, which must be another", n, now)
			}
		}
		if n > 20 {
			t.Fatal("it never completes")
		}
	}
	if crashes < 4 {
		t.Errorf("%d rotations were broken off: too few to show anything", crashes)
	}
}

func TestIAMKeysAreRotatedThroughCrashes(t *testing.T) {
	b, url := startBao(t), awstest.Run(t, 3)
	operator := IAMKeys{Endpoint: url}.client(Key{awsFields[0]: sentinel.NewSecret("AKIAOPERATOR"), awsFields[1]: sentinel.NewSecret("x")})
	name := aws.String("gateway")
	if _, err := operator.CreateUser(t.Context(), &iam.CreateUserInput{UserName: name}); err != nil {
		t.Fatal(err)
	}
	if _, err := operator.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: name, PolicyName: aws.String("own"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:*AccessKey*"],"Resource":"*"}]}`)}); err != nil {
		t.Fatal(err)
	}
	made, err := operator.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: name})
	if err != nil {
		t.Fatal(err)
	}
	b.put(t, "secret/aws", map[string]string{"access_key_id": *made.AccessKey.AccessKeyId, "secret_access_key": *made.AccessKey.SecretAccessKey, "note": "kept"})
	maker := IAMKeys{Endpoint: url, Patience: 10 * time.Second}
	held := func() Key {
		data := b.do(t, http.MethodGet, "secret/data/aws", nil)
		return Key{awsFields[0]: sentinel.NewSecret(at(data, "data", "data", awsFields[0])), awsFields[1]: sentinel.NewSecret(at(data, "data", "data", awsFields[1]))}
	}
	r := Rotation{Ref: Ref{"secret/aws", ""}, Maker: maker, Test: maker.Test}
	rotatesThroughCrashes(t, b, r, func() int {
		list, err := maker.client(held()).ListAccessKeys(t.Context(), &iam.ListAccessKeysInput{})
		if err != nil {
			t.Fatalf("the key in use is bad: %v", err)
		}
		return len(list.AccessKeyMetadata)
	})
	if err := maker.Test(t.Context(), held()); err != nil {
		t.Errorf("the key in use: %v", err)
	}
	maker.Patience = time.Nanosecond
	if err := maker.Test(t.Context(), Key{awsFields[0]: held()[awsFields[0]], awsFields[1]: sentinel.NewSecret("wrong")}); !errors.Is(err, ErrBadKey) {
		t.Errorf("a wrong secret: %v, want ErrBadKey", err)
	}
	// With the key before still kept AWS has no place for another: the one in use stays.
	v := b.client(t, func(*VaultOptions) {}).vault
	r.Keep = time.Hour
	if err := v.Rotate(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	before := held()[awsFields[0]].Reveal()
	if err := v.Rotate(t.Context(), r); err == nil || held()[awsFields[0]].Reveal() != before {
		t.Errorf("a third key: %v", err)
	}
}

// projects plays OpenAI's administration of service accounts, in the shapes that its reference documents.
type projects struct {
	mu       sync.Mutex
	accounts []serviceAccount
	keys     map[string]string // key by account
	made     int
}

func (p *projects) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	const root = "/v1/organization/projects/proj_1/service_accounts"
	id := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, root), "/")
	switch {
	case r.Header.Get("Authorization") != "Bearer sk-admin-canary" || !strings.HasPrefix(r.URL.Path, root):
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodPost:
		var in struct{ Name string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		p.made++
		a := serviceAccount{ID: fmt.Sprintf("svc_acct_%d", p.made), Name: in.Name}
		p.accounts = append(p.accounts, a)
		p.keys[a.ID] = fmt.Sprintf("sk-svcacct-%d", p.made)
		a.APIKey.Value = p.keys[a.ID]
		_ = json.NewEncoder(w).Encode(a)
	case r.Method == http.MethodGet: // one a page
		page := map[string]any{"object": "list", "data": []serviceAccount{}, "has_more": false}
		for i, a := range p.accounts {
			if after := r.URL.Query().Get("after"); after == "" || i > 0 && p.accounts[i-1].ID == after {
				page["data"], page["last_id"], page["has_more"] = []serviceAccount{a}, a.ID, i < len(p.accounts)-1
				break
			}
		}
		_ = json.NewEncoder(w).Encode(page)
	case r.Method == http.MethodDelete:
		if _, ok := p.keys[id]; !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		delete(p.keys, id)
		for i, a := range p.accounts {
			if a.ID == id {
				p.accounts = append(p.accounts[:i], p.accounts[i+1:]...)
				break
			}
		}
		_, _ = w.Write([]byte(`{"object":"organization.project.service_account.deleted","deleted":true}`))
	}
}

func TestOpenAIKeysAreRotatedThroughCrashes(t *testing.T) {
	b, p := startBao(t), &projects{keys: map[string]string{"svc_acct_people": "sk-of-people"}, accounts: []serviceAccount{{ID: "svc_acct_people", Name: "made by people"}}}
	server := httptest.NewServer(p)
	defer server.Close()
	b.put(t, "secret/openai", map[string]string{"api_key": "sk-made-by-hand", "note": "kept"})
	maker := OpenAIKeys{Base: server.URL + "/v1", Admin: sentinel.NewSecret("sk-admin-canary"), Project: "proj_1", Owner: "here", Field: "api_key", Client: server.Client()}
	r := Rotation{Ref: openai, Maker: maker, Test: func(_ context.Context, k Key) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, value := range p.keys {
			if value == k["api_key"].Reveal() {
				return nil
			}
		}
		return ErrBadKey
	}}
	rotatesThroughCrashes(t, b, r, func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.keys["svc_acct_people"] == "" {
			t.Error("an account that people made was deleted")
		}
		return len(p.keys) - 1
	})
	// Another gateway with a secret of the same name shares the project: neither takes the other's key away.
	other := maker
	other.Owner = "elsewhere"
	made, err := other.Make(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.client(t, func(*VaultOptions) {}).vault.Rotate(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := r.Test(t.Context(), Key{"api_key": made["api_key"]}); err != nil {
		t.Errorf("the other gateway's key: %v", err)
	}
	maker.Admin = sentinel.NewSecret("sk-admin-wrong")
	r.Maker = maker
	err = b.client(t, func(*VaultOptions) {}).vault.Rotate(t.Context(), r)
	if err == nil || !strings.Contains(err.Error(), "HTTP 401: check the admin key and the project") || strings.Contains(err.Error(), "sk-") {
		t.Errorf("a wrong admin key: %v", err)
	}
}
