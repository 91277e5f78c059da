package credential

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/saas-sentinel/saas-sentinel/internal/baotest"
	"github.com/saas-sentinel/saas-sentinel/internal/pgtest"
)

// Users of a real database that a real server makes, prolongs and takes away.
func TestRealVaultLendsDynamicSecrets(t *testing.T) {
	b, heard := startBao(t), &failures{}
	dsn, stop, err := pgtest.Start(t.TempDir(), baotest.Tools())
	if errors.Is(err, pgtest.ErrMissing) && os.Getenv("E2E") != "must" {
		t.Skipf("needs PostgreSQL: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	user := u.User.Username()
	u.User = nil
	b.do(t, http.MethodPost, "sys/mounts/db", map[string]any{"type": "database"})
	b.do(t, http.MethodPost, "db/config/pg", map[string]any{"plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "username": user, "password": password,
		"connection_url": strings.Replace(u.String(), "postgres://", "postgres://{{username}}:{{password}}@", 1)})
	b.do(t, http.MethodPost, "db/roles/gateway", map[string]any{"db_name": "pg", "default_ttl": "3s", "max_ttl": "7s",
		"creation_statements": []string{`CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';`}})
	ref, name := Ref{"db/creds/gateway", "password"}, Ref{"db/creds/gateway", "username"}
	v := b.client(t, func(o *VaultOptions) { o.OnError = heard.add })
	if err := v.Load(t.Context(), []Ref{ref, name}); err != nil {
		t.Fatal(err)
	}
	works := func() bool {
		u.User = url.UserPassword(held(t, v, name), held(t, v, ref))
		conn, err := pgx.Connect(t.Context(), u.String())
		if err != nil {
			return false
		}
		return conn.Close(t.Context()) == nil
	}
	if !works() {
		t.Fatal("the database refuses the user that was lent")
	}
	first := held(t, v, name)
	lent := v.vault.leases[ref.Path].id
	defer runs(t, v)()
	renewed := time.Now().Add(4 * time.Second) // past its first life
	within(t, 30*time.Second, "the first lease is renewed past its first life", func() bool { return time.Now().After(renewed) })
	if held(t, v, name) != first || !works() {
		t.Error("a lease that can be renewed was given up")
	}
	within(t, 30*time.Second, "another user is taken before the longest life ends", func() bool { return held(t, v, name) != first })
	if !works() {
		t.Error("the database refuses the second user")
	}
	second := held(t, v, name)
	b.do(t, http.MethodPost, "sys/leases/revoke-prefix/db/creds/gateway", nil)
	within(t, 30*time.Second, "another user is taken after a revocation", func() bool { return held(t, v, name) != second })
	if !works() {
		t.Error("the database refuses the third user")
	}
	if heard.count() != 0 {
		t.Errorf("failures: %s", heard.joined())
	}
	if strings.Contains(heard.joined(), lent) {
		t.Error("an error names a lease")
	}
}

func held(t *testing.T, v served, r Ref) string {
	t.Helper()
	value, ok := v.Get(r)
	if !ok {
		t.Fatalf("nothing is served for %s", r)
	}
	return value.Reveal()
}

// awsEngine answers as the AWS engine of HashiCorp's Vault does, which OpenBao has as a plugin only
// (https://developer.hashicorp.com/vault/api-docs/secret/aws#generate-credentials).
func awsEngine(f *fakeVault, temporary bool) {
	f.engine = func(path string) (int, map[string]any) {
		switch path {
		case "sys/internal/ui/mounts/aws/creds/gateway":
			return 200, map[string]any{"data": map[string]any{"path": "aws/", "type": "aws", "options": nil}}
		case "aws/creds/gateway":
			f.lent++
			key := "AKIA" + strings.Repeat("I", f.lent)
			data := map[string]any{"access_key": key, "secret_key": "s-" + key, "security_token": nil}
			if temporary {
				data["security_token"] = "t-" + key
			}
			return 200, map[string]any{"lease_id": "aws/creds/gateway/" + key, "lease_duration": 600, "renewable": !temporary, "data": data}
		case "sys/leases/lookup":
			if f.leaseGone {
				return 400, map[string]any{"errors": []string{"invalid lease"}}
			}
			return 200, map[string]any{"data": map[string]any{"ttl": 60}}
		case "sys/leases/renew":
			f.leaseRenewals++
			if f.leaseRenewals > 2 { // near its longest life
				return 200, map[string]any{"lease_id": "x", "lease_duration": 60, "renewable": true}
			}
			return 200, map[string]any{"lease_id": "x", "lease_duration": 600, "renewable": true}
		}
		return 0, nil
	}
}

var lentKey = Ref{"aws/creds/gateway", ""}

// lent gives a Vault with the AWS engine, and a client that was lent a key of it.
func lent(t *testing.T, temporary bool, change func(*VaultOptions)) (*fakeVault, served) {
	t.Helper()
	f := newFake()
	awsEngine(f, temporary)
	v := fakeClient(t, f, change)
	if err := v.Load(t.Context(), []Ref{lentKey}); err != nil {
		t.Fatal(err)
	}
	return f, v
}

func TestKeysOfVaultsAWSEngineAreRenewedAndReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := &failures{}
		f, v := lent(t, false, func(o *VaultOptions) { o.OnError = heard.add })
		defer runs(t, v)()
		first, ok := v.AWSKey(lentKey.Path)
		if !ok || first.AccessKeyID != "AKIAI" || first.Secret.Reveal() != "s-AKIAI" || !first.SessionToken.IsZero() {
			t.Fatalf("AWSKey = %+v, %v", first, ok)
		}
		advance(355 * time.Second) // 9/15 of a life of 600 s
		if f.leaseRenewals != 0 {
			t.Error("renewed before three fifths of its life")
		}
		advance(50 * time.Second)
		if f.leaseRenewals != 1 || f.lent != 1 {
			t.Errorf("after two thirds: %d renewals, %d keys; want one each", f.leaseRenewals, f.lent)
		}
		advance(410 * time.Second)
		before := time.Now()
		for f.lent < 2 && time.Since(before) < 20*time.Minute {
			advance(time.Second)
		}
		if k, _ := v.AWSKey(lentKey.Path); f.lent != 2 || k.AccessKeyID != "AKIAI" {
			t.Errorf("%d keys; a new key of a user is used at once (%s), before AWS knows it everywhere", f.lent, k.AccessKeyID)
		}
		advance(settling + time.Second)
		if k, _ := v.AWSKey(lentKey.Path); k.AccessKeyID != "AKIAII" {
			t.Errorf("after %s the key is %s, want the second", settling, k.AccessKeyID)
		}
		if heard.count() != 0 {
			t.Errorf("failures: %s", heard.joined())
		}
	})
}

func TestRevokedLeasesAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, v := lent(t, true, nil)
		defer runs(t, v)()
		f.set(func(f *fakeVault) { f.leaseGone = true })
		advance(v.o.Refresh)
		f.set(func(f *fakeVault) { f.leaseGone = false })
		k, ok := v.AWSKey(lentKey.Path)
		if !ok || k.AccessKeyID != "AKIAII" || k.SessionToken.Reveal() != "t-AKIAII" {
			t.Errorf("AWSKey = %s, %v; want the second", k.AccessKeyID, ok)
		}
		// Temporary keys cannot be renewed: another is taken at two thirds, and used at once.
		advance(405 * time.Second)
		if k, _ := v.AWSKey(lentKey.Path); k.AccessKeyID != "AKIAIII" || f.leaseRenewals != 0 {
			t.Errorf("AWSKey = %s after %d renewals; want the third, after none", k.AccessKeyID, f.leaseRenewals)
		}
	})
}

// With a new token come new leases: what the old token was lent ends with it.
func TestLeasesAreTakenAnewWithAnotherToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, v := lent(t, true, nil)
		v.vault.o.Login = &Login{Method: LoginAppRole, Mount: "approle", Role: "r"}
		f.set(func(f *fakeVault) { f.noRenew = true })
		v.vault.session.start(30, false)
		defer runs(t, v)()
		advance(v.o.Refresh)
		if k, _ := v.AWSKey(lentKey.Path); f.tally().logins == 0 || k.AccessKeyID == "AKIAI" {
			t.Errorf("after %d logins the key is %s, want another than the first", f.tally().logins, k.AccessKeyID)
		}
	})
}
