package store

import (
	"crypto/sha256"
	"errors"
	"slices"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestFirstAccountIsMadeOnceByItsLink(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		now := time.Now().UTC().Truncate(time.Microsecond)
		link := sentinel.AccountKey{Hash: sha256.Sum256([]byte("link")), Expires: now.Add(time.Hour)}
		old := sentinel.AccountKey{Hash: sha256.Sum256([]byte("old")), Expires: now.Add(-time.Minute)}
		ada := sentinel.Account{Name: "ada", Role: sentinel.RoleAdmin, Password: sentinel.NewSecret("$argon2id$x"), Created: now}
		for _, k := range []sentinel.AccountKey{old, link} {
			if ok, err := s.OfferSetup(t.Context(), k); !ok || err != nil {
				t.Fatalf("offer: %v, %v", ok, err)
			}
			if err := s.UseSetup(t.Context(), sha256.Sum256([]byte("guess")), ada); !errors.Is(err, ErrNoSetup) {
				t.Errorf("a guessed link: %v", err)
			}
			if err := s.UseSetup(t.Context(), old.Hash, ada); !errors.Is(err, ErrNoSetup) {
				t.Errorf("a link that is too old: %v", err)
			}
		}
		if err := s.UseSetup(t.Context(), old.Hash, ada); !errors.Is(err, ErrNoSetup) {
			t.Errorf("a link that was replaced: %v", err)
		}
		if err := s.UseSetup(t.Context(), link.Hash, ada); err != nil {
			t.Fatal(err)
		}
		if err := s.UseSetup(t.Context(), link.Hash, sentinel.Account{Name: "eve"}); !errors.Is(err, ErrNoSetup) {
			t.Errorf("a used link: %v", err)
		}
		if ok, err := s.OfferSetup(t.Context(), link); ok || err != nil {
			t.Errorf("a link beside an account: %v, %v", ok, err)
		}
		if list, err := s.Accounts(t.Context()); err != nil || len(list) != 1 || list[0].Name != "ada" || list[0].Role != sentinel.RoleAdmin || list[0].Password.Reveal() != ada.Password.Reveal() || !list[0].Created.Equal(now) {
			t.Errorf("accounts: %+v, %v", list, err)
		}
	})
}

func TestKeysEndWithTheirTimeTheirAccountAndItsChange(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		now := time.Now().UTC().Truncate(time.Microsecond)
		bob := sentinel.Account{Name: "bob", Role: sentinel.RoleViewer, Password: sentinel.NewSecret("$argon2id$x"), Created: now}
		put := func(a sentinel.Account) {
			if err := s.PutAccount(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		key := func(name string, life time.Duration) sentinel.AccountKey {
			k := sentinel.AccountKey{Hash: sha256.Sum256([]byte(name)), Account: "bob", Kind: sentinel.KeyToken, Label: name, Created: now, Expires: now.Add(life)}
			if err := s.AddKey(t.Context(), k); err != nil {
				t.Fatal(err)
			}
			return k
		}
		found := func(k sentinel.AccountKey) bool {
			got, a, ok, err := s.FindKey(t.Context(), k.Hash)
			if err != nil || ok && (a.Name != "bob" || got.Label != k.Label) {
				t.Fatalf("%+v of %+v, %v", got, a, err)
			}
			return ok
		}
		put(bob)
		lasting, dead, removed := key("lasting", time.Hour), key("dead", -time.Second), key("removed", time.Hour)
		if err := s.RemoveKey(t.Context(), removed.Hash); err != nil {
			t.Fatal(err)
		}
		if !found(lasting) || found(dead) || found(removed) {
			t.Errorf("found: lasting %v, dead %v, removed %v", found(lasting), found(dead), found(removed))
		}
		newest := key("newest", time.Hour)
		for account, want := range map[string][]string{"bob": {"newest", "lasting"}, "": {"newest", "lasting"}, "eve": nil} {
			var labels []string
			for after := (sentinel.AccountKey{}); ; {
				page, err := s.AccountKeys(t.Context(), account, after, 1)
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 {
					break
				}
				labels, after = append(labels, page[0].Label), page[0]
			}
			if slices.Sort(labels); !slices.Equal(labels, slices.Sorted(slices.Values(want))) {
				t.Errorf("the keys of %q are %q, want %q", account, labels, want)
			}
		}
		if err := s.RemoveKey(t.Context(), newest.Hash); err != nil {
			t.Fatal(err)
		}
		bob.Role, bob.Password = sentinel.RoleOperator, sentinel.Secret{}
		put(bob)
		if a, ok, err := s.Account(t.Context(), "bob"); !ok || err != nil || a.Role != sentinel.RoleOperator || a.Password.Reveal() != "$argon2id$x" || found(lasting) {
			t.Errorf("after a change: %+v, %v; its key is still good: %v", a, err, found(lasting))
		}
		last := key("last", time.Hour)
		if ok, err := s.RemoveAccount(t.Context(), "bob"); !ok || err != nil || found(last) {
			t.Errorf("after its removal: %v, %v; its key is still good: %v", ok, err, found(last))
		}
		if ok, err := s.RemoveAccount(t.Context(), "bob"); ok || err != nil {
			t.Errorf("a second removal: %v, %v", ok, err)
		}
	})
}
