package credential

import (
	"context"
	"errors"
	"fmt"
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

// database is a PostgreSQL whose users a real Vault makes, prolongs and takes away.
type database struct {
	bao
	at              url.URL
	admin, password string
}

func startDatabase(t *testing.T) database {
	t.Helper()
	b := startBao(t)
	dsn, stop, err := pgtest.Start(t.TempDir(), baotest.Tools())
	if errors.Is(err, pgtest.ErrMissing) && os.Getenv("E2E") != "must" {
		t.Skipf("needs PostgreSQL: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
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
	return database{b, *u, user, password}
}

// role lends users for a time.
func (d database) role(t *testing.T, name, life, longest string) {
	t.Helper()
	d.do(t, http.MethodPost, "db/roles/"+name, map[string]any{"db_name": "pg", "default_ttl": life, "max_ttl": longest,
		"creation_statements": []string{`CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';`}})
}

// takes tells whether the database lets a user in.
func (d database) takes(t *testing.T, user, password string) bool {
	t.Helper()
	d.at.User = url.UserPassword(user, password)
	conn, err := pgx.Connect(t.Context(), d.at.String())
	if err != nil {
		return false
	}
	return conn.Close(t.Context()) == nil
}

func TestRealVaultLendsDynamicSecrets(t *testing.T) {
	b, heard := startDatabase(t), &failures{}
	b.role(t, "gateway", "3s", "7s")
	ref, name := Ref{"db/creds/gateway", "password"}, Ref{"db/creds/gateway", "username"}
	v := b.client(t, func(o *VaultOptions) { o.OnError = heard.add })
	if err := v.Load(t.Context(), []Ref{ref, name}); err != nil {
		t.Fatal(err)
	}
	works := func() bool { return b.takes(t, held(t, v, name), held(t, v, ref)) }
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

// A lease that is to be replaced stays until another was tested, and is given back after its time; one that is no good is given back at once.
func TestRealVaultReplacesALeaseOnceAnotherWorks(t *testing.T) {
	b := startDatabase(t)
	b.role(t, "gateway", "1h", "2h")
	ref, name := Ref{"db/creds/gateway", "password"}, Ref{"db/creds/gateway", "username"}
	v := b.client(t, func(*VaultOptions) {})
	if err := v.Load(t.Context(), []Ref{ref, name}); err != nil {
		t.Fatal(err)
	}
	defer runs(t, v)()
	first, password := held(t, v, name), held(t, v, ref)
	var tested, ended []string
	answer := error(nil)
	ask := func(keep time.Duration) {
		t.Helper()
		tested, ended = nil, nil
		done := make(chan struct{}, 8)
		err := v.Replace(ref.Path, Replacement{Before: time.Now(), Keep: keep,
			Test: func(_ context.Context, k Key) error {
				tested = append(tested, k["username"].Reveal())
				if !b.takes(t, k["username"].Reveal(), k["password"].Reveal()) {
					t.Error("the database refuses a user that is tested")
				}
				return answer
			},
			Done: func(err error) {
				ended = append(ended, fmt.Sprint(err))
				done <- struct{}{}
			}})
		if err != nil {
			t.Fatal(err)
		}
		<-done
	}
	answer = ErrBadKey
	ask(0)
	bad := tested[0]
	within(t, 30*time.Second, "the bad lease is given back", func() bool { return !b.exists(t, bad) })
	if now := held(t, v, name); now != first || len(tested) != 1 {
		t.Errorf("after a bad key %s is served, want %s, and %d were tested", now, first, len(tested))
	}
	answer = nil
	ask(2 * time.Second)
	within(t, 30*time.Second, "the new lease is served", func() bool { return held(t, v, name) == tested[0] })
	if !b.takes(t, first, password) {
		t.Error("the lease before was given back before its time")
	}
	within(t, 30*time.Second, "the lease before is given back", func() bool { return !b.exists(t, first) })
	if !b.takes(t, held(t, v, name), held(t, v, ref)) || len(ended) != 1 {
		t.Errorf("the lease in use is bad; ended %q", ended)
	}
	if err := v.Replace("file:x", Replacement{}); err == nil {
		t.Error("a file is replaced")
	}
}

// exists tells whether the database has a user.
func (d database) exists(t *testing.T, user string) (is bool) {
	t.Helper()
	d.at.User = url.UserPassword(d.admin, d.password)
	conn, err := pgx.Connect(t.Context(), d.at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if err := conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", user).Scan(&is); err != nil {
		t.Fatal(err)
	}
	return is
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
