package credential

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

var openai = Ref{"secret/openai", "api_key"}

// runs starts Run in a synctest bubble and gives what ends it.
func runs(t *testing.T, v served) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v after its context ended, want nil", err)
		}
	}
}

func TestRotatedValueIsServedWithinRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		v := fakeClient(t, f, nil)
		if err := v.Load(t.Context(), []Ref{openai}); err != nil {
			t.Fatal(err)
		}
		defer runs(t, v)()
		for _, next := range []string{"sk-2", "sk-3", "sk-4"} {
			f.set(func(f *fakeVault) { f.secrets["secret/data/openai"]["api_key"] = next })
			advance(v.o.Refresh)
			mustHave(t, v, openai, next)
		}
		if got := f.tally().reads; got < 4 || got > 6 {
			t.Errorf("%d reads in 3 refresh periods and a load, want 4 to 6", got)
		}
	})
}

// advance moves a bubble's clock and lets everything that woke finish.
func advance(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestLostVaultKeepsTheLastGoodValueUntilMaxStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, heard := newFake(), &failures{}
		v := fakeClient(t, f, func(o *VaultOptions) { o.OnError = heard.add })
		if err := v.Load(t.Context(), []Ref{openai}); err != nil {
			t.Fatal(err)
		}
		defer runs(t, v)()
		f.set(func(f *fakeVault) { f.down = true })
		advance(v.o.MaxStale - time.Second)
		mustHave(t, v, openai, "sk-1")
		if age := v.Age(); age != v.o.MaxStale-time.Second {
			t.Errorf("Age = %s, want %s", age, v.o.MaxStale-time.Second)
		}
		advance(2 * time.Second)
		mustLack(t, v, openai)
		// Every attempt is a refusal at once: the backoff alone bounds them, at most 4/5 of Refresh apart.
		if n := heard.count(); n < 100 || n > 160 {
			t.Errorf("%d failed attempts in an hour, want about one in every 27 s", n)
		}
		if !strings.Contains(heard.joined(), "vault at http://127.0.0.1:8200: it cannot be reached") {
			t.Errorf("OnError heard %.300s", heard.joined())
		}
		f.set(func(f *fakeVault) { f.down = false })
		advance(v.o.Refresh)
		mustHave(t, v, openai, "sk-1")
	})
}

func TestDeletedSecretKeepsTheOthersFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, heard := newFake(), &failures{}
		f.secrets["secret/data/stripe"] = map[string]any{"api_key": "sk_1"}
		v := fakeClient(t, f, func(o *VaultOptions) { o.OnError = heard.add })
		stripe := Ref{"secret/stripe", "api_key"}
		if err := v.Load(t.Context(), []Ref{openai, stripe}); err != nil {
			t.Fatal(err)
		}
		defer runs(t, v)()
		f.set(func(f *fakeVault) {
			delete(f.secrets, "secret/data/openai")
			f.secrets["secret/data/stripe"]["api_key"] = "sk_2"
		})
		advance(v.o.Refresh)
		mustHave(t, v, openai, "sk-1")
		mustHave(t, v, stripe, "sk_2")
		if want := "no secret at secret/openai: vault kv put secret/openai api_key=…"; !strings.Contains(heard.joined(), want) {
			t.Errorf("OnError heard %q, want %q", heard.joined(), want)
		}
		advance(v.o.MaxStale)
		mustLack(t, v, openai)
		mustHave(t, v, stripe, "sk_2")
	})
}

func TestWatchReplacesWhatIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.secrets["secret/data/stripe"] = map[string]any{"api_key": "sk_1"}
		v := fakeClient(t, f, nil)
		if err := v.Load(t.Context(), []Ref{openai}); err != nil {
			t.Fatal(err)
		}
		defer runs(t, v)()
		stripe := Ref{"secret/stripe", "api_key"}
		v.Watch([]Ref{stripe})
		mustLack(t, v, openai)
		synctest.Wait() // no time passes: Run is woken at once
		mustHave(t, v, stripe, "sk_1")
	})
}

func TestTokenIsRenewedAtTwoThirdsOfItsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, heard := newFake(), &failures{}
		f.ttl = 600
		v := fakeClient(t, f, func(o *VaultOptions) { o.OnError = heard.add })
		if err := v.Load(t.Context(), []Ref{openai}); err != nil {
			t.Fatal(err)
		}
		defer runs(t, v)()
		advance(399 * time.Second)
		if n := f.tally().renewals; n != 0 {
			t.Errorf("renewed before two thirds of its life, %d times", n)
		}
		advance(21 * time.Second)
		if n := f.tally().renewals; n != 1 {
			t.Errorf("%d renewals 420 s into a life of 600 s, want 1", n)
		}
		advance(time.Hour)
		if n := f.tally().renewals; n < 9 || n > 11 || heard.count() != 0 {
			t.Errorf("%d renewals in 67 minutes, want about 10; failures: %q", n, heard.joined())
		}
	})
}

func TestTokenThatCannotBeRenewedIsReportedAndUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, heard := newFake(), &failures{}
		f.ttl, f.noRenew = 600, true
		v := fakeClient(t, f, func(o *VaultOptions) { o.OnError = heard.add })
		if err := v.Load(t.Context(), []Ref{openai}); err != nil {
			t.Fatal(err)
		}
		defer runs(t, v)()
		advance(20 * time.Minute) // the fake's token does not end
		mustHave(t, v, openai, "sk-1")
		if heard.count() != 1 || !strings.Contains(heard.joined(), "cannot be renewed") {
			t.Errorf("OnError heard %q, want one sentence about the token", heard.joined())
		}
		if n := f.tally().reads; n > 60 {
			t.Errorf("%d reads in 20 minutes, want about 44", n)
		}
	})
}

func TestAppRoleLogsInAgainWhenItsTokenIsGone(t *testing.T) {
	for name, change := range map[string]func(*fakeVault){
		"revoked":              func(f *fakeVault) { f.token = "someone else's" },
		"not renewable":        func(f *fakeVault) { f.noRenew = true },
		"short of its max_ttl": func(f *fakeVault) { f.ttl = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, heard := newFake(), &failures{}
				f.ttl = 60
				v := fakeClient(t, f, func(o *VaultOptions) {
					o.Token, o.OnError = sentinel.Secret{}, heard.add
					o.Login = &Login{Method: LoginAppRole, Role: "r", SecretID: sentinel.NewSecret(canary)}
				})
				if err := v.Load(t.Context(), []Ref{openai}); err != nil {
					t.Fatal(err)
				}
				defer runs(t, v)()
				f.set(change)
				advance(5 * time.Minute)
				if n := f.tally().logins; n < 2 || heard.count() != 0 || v.Age() > v.o.Refresh {
					t.Errorf("%d logins, age %s, failures %q; want another login and fresh values", n, v.Age(), heard.joined())
				}
			})
		})
	}
}

func TestLoadNamesEveryFaultWithItsRemedy(t *testing.T) {
	f := newFake()
	f.secrets["secret/data/blank"] = map[string]any{"api_key": canary + "\n", "n": 7, "empty": ""}
	f.secrets["secret/data/aws"] = map[string]any{"access_key_id": "AKIAIOSFODNN7EXAMPLE", "session_token": canary + " "}
	v := fakeClient(t, f, nil)
	err := v.Load(t.Context(), []Ref{
		{"secret/none", "api_key"}, {"secret/openai", "key"}, openai, {"secret/blank", "api_key"}, {"secret/blank", "n"}, {"secret/blank", "empty"},
		{"secret/aws", ""}, {"openai", "api_key"}, {"secret/../sys", "x"}, {"secret/a%2fb", "x"}, {"secret//a", "x"},
	})
	if err == nil {
		t.Fatal("Load accepted eleven references of which one is good")
	}
	for _, want := range []string{
		"vault at http://127.0.0.1:8200: no secret at secret/none: vault kv put secret/none api_key=…",
		"secret/openai has no field key: vault kv patch secret/openai key=…",
		"secret/blank#api_key cannot be sent", "secret/blank#n cannot be sent", "secret/blank#empty cannot be sent",
		"secret/aws has no field secret_access_key", "secret/aws#session_token cannot be sent",
		`"openai" is not the path`, `"secret/../sys" is not the path`, `"secret/a%2fb" is not the path`, `"secret//a" is not the path`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "sk-1") || strings.Contains(err.Error(), "t-0") {
		t.Error("the error shows a secret")
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 11 {
		t.Errorf("%d sentences, want 11:\n%v", len(lines), err)
	}
	mustLack(t, v, openai) // all or nothing
	if v.Age() != 0 {
		t.Errorf("Age = %s with nothing loaded, want 0", v.Age())
	}
}

func TestLoadExplainsWhatVaultSays(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*fakeVault)
		want   string
	}{
		"down":         {func(f *fakeVault) { f.down = true }, "it cannot be reached (dial tcp 127.0.0.1:8200: connection refused): start it, or correct the address"},
		"sealed":       {func(f *fakeVault) { f.status = 503 }, "it is sealed, on standby or overloaded (HTTP 503): vault status tells which"},
		"token denied": {func(f *fakeVault) { f.token = "other" }, "the gateway may not read secret/openai: check that its token is valid and that its policy grants read on secret/data/openai"},
		"odd answer":   {func(f *fakeVault) { f.status = 400 }, "was answered with HTTP 400 (as the test wants)"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			tt.change(f)
			err := fakeClient(t, f, nil).Load(t.Context(), []Ref{openai, {"secret/stripe", "api_key"}})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("Load = %v, want %q", err, tt.want)
			}
			if name == "down" && strings.Contains(err.Error(), "\n") {
				t.Errorf("an unreachable Vault takes more than one sentence:\n%v", err)
			}
		})
	}
}

func TestAWSKeyIsReadWhole(t *testing.T) {
	f := newFake()
	f.secrets["secret/data/aws"] = map[string]any{"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "s", "session_token": "", "note": "two\nlines"}
	v := fakeClient(t, f, nil)
	if err := v.Load(t.Context(), []Ref{{"secret/aws", ""}, openai}); err != nil {
		t.Fatal(err)
	}
	k, ok := v.AWSKey("secret/aws")
	if !ok || k.AccessKeyID != "AKIAIOSFODNN7EXAMPLE" || k.Secret.Reveal() != "s" || !k.SessionToken.IsZero() {
		t.Errorf("AWSKey = %+v, %v", k, ok)
	}
	if _, ok := v.AWSKey("secret/openai"); ok {
		t.Error("a secret that is no AWS key was given as one")
	}
	mustHave(t, v, Ref{"secret/aws", "secret_access_key"}, "s")
}

func TestOptionsAreCheckedAtOnce(t *testing.T) {
	token := sentinel.NewSecret("t")
	for name, tt := range map[string]struct {
		o    VaultOptions
		want string
	}{
		"no address":      {VaultOptions{Token: token}, "the address must be"},
		"other scheme":    {VaultOptions{Address: "unix:///x", Token: token}, "the address must be"},
		"password in it":  {VaultOptions{Address: "http://u:" + canary + "@h", Token: token}, "without a user"},
		"no login":        {VaultOptions{Address: "http://h"}, "give a token or a login"},
		"both":            {VaultOptions{Address: "http://h", Token: token, Login: &Login{Method: LoginAppRole, Role: "r", SecretID: token}}, "not both"},
		"half an AppRole": {VaultOptions{Address: "http://h", Login: &Login{Method: LoginAppRole, Role: "r"}}, "a role id and a secret id"},
		"line break":      {VaultOptions{Address: "http://h", Token: sentinel.NewSecret(canary + "\n")}, "without a line break"},
		"no such login":   {VaultOptions{Address: "http://h", Login: &Login{Method: "ldap"}}, "use approle, kubernetes, jwt or cert"},
		"no role":         {VaultOptions{Address: "http://h", Login: &Login{Method: LoginKubernetes}}, "needs a role"},
		"no token file":   {VaultOptions{Address: "http://h", Login: &Login{Method: LoginJWT, Role: "r"}}, "needs the file of a token"},
		"no certificate":  {VaultOptions{Address: "http://h", Login: &Login{Method: LoginCert, CertFile: "x"}}, "the files of a certificate and of its key"},
		"mount with dots": {VaultOptions{Address: "http://h", Login: &Login{Method: LoginCert, Mount: "../sys", CertFile: "x", KeyFile: "y"}}, "is not the mount of an auth method"},
		"no CA file":      {VaultOptions{Address: "https://h", Token: token, CAFile: "testdata/none.pem"}, "ca file"},
		"empty CA file":   {VaultOptions{Address: "https://h", Token: token, CAFile: "testdata/vectors.json"}, "holds no PEM certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewVault(tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), canary) {
				t.Errorf("NewVault = %v, want an error with %q and no secret", err, tt.want)
			}
		})
	}
}

func TestValuesMustOutliveTheirRefresh(t *testing.T) {
	if _, err := NewSecrets(Options{MaxStale: time.Second}); err == nil || !strings.Contains(err.Error(), "max_stale 1s is below refresh 30s") {
		t.Errorf("NewSecrets = %v", err)
	}
}

func TestGetAllocatesNothing(t *testing.T) {
	v := fakeClient(t, newFake(), nil)
	if err := v.Load(t.Context(), []Ref{openai}); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { v.Get(openai) }); n != 0 {
		t.Errorf("Get allocates %v times, want 0", n)
	}
}

func BenchmarkGet(b *testing.B) {
	v := serve(b, VaultOptions{Address: "http://127.0.0.1:8200", Token: sentinel.NewSecret("t-0")}, newFake(), Options{})
	if err := v.Load(b.Context(), []Ref{openai}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		v.Get(openai)
	}
}
