package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
)

var ada = key("ada", sentinel.RoleAdmin)

// kept has keys of accounts, the newest first, and takes changes as they are.
type kept struct {
	accounts
	list    []sentinel.AccountKey
	actions *[]string
}

func (k kept) AccountKeys(_ context.Context, account string, after sentinel.AccountKey, limit int) (out []sentinel.AccountKey, err error) {
	for _, one := range k.list {
		if (account == "" || account == one.Account) && (after.Created.IsZero() || one.Created.Before(after.Created)) && len(out) < limit {
			out = append(out, one)
		}
	}
	return out, nil
}

func (k kept) FindKey(ctx context.Context, hash [32]byte) (sentinel.AccountKey, sentinel.Account, bool, error) {
	for _, one := range k.list {
		if one.Hash == hash {
			return one, sentinel.Account{Name: one.Account}, true, nil
		}
	}
	return k.accounts.FindKey(ctx, hash)
}

func (k kept) Change(ctx context.Context, r sentinel.AuditRow, do func(context.Context) error) error {
	*k.actions = append(*k.actions, fmt.Sprintf("%s %s %s %q", r.Actor, r.Action, r.Object, r.Before))
	return do(ctx)
}

func (k kept) RemoveKey(_ context.Context, hash [32]byte) error {
	*k.actions = append(*k.actions, fmt.Sprintf("removed %x", hash[:2]))
	return nil
}

func TestKeysAreListedAndEndedByTheirOwnersAndAdmins(t *testing.T) {
	var list []sentinel.AccountKey
	for i, account := range []string{"vera", "otto", "vera"} {
		list = append(list, sentinel.AccountKey{Hash: [32]byte{byte(i + 1)}, Account: account, Kind: []sentinel.KeyKind{sentinel.KeySession, sentinel.KeyToken, sentinel.KeyToken}[i], Label: fmt.Sprint("label ", i), Created: noon.Add(-time.Duration(i) * time.Hour), Expires: noon.Add(time.Hour)})
	}
	var actions []string
	h := admin.New(admin.Options{Backend: kept{list: list, actions: &actions}, Log: zerolog.Nop(), Now: func() time.Time { return noon }}).Handler()
	get := func(token, query string) (labels []string, next string, code int) {
		w := ask(h, "GET", "/api/v1/keys"+query, token, "")
		var page admin.Keys
		if w.Code == http.StatusOK {
			if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range page.Keys {
			labels = append(labels, k.Account+" "+k.Kind+" "+k.Label)
		}
		return labels, page.Next, w.Code
	}
	own := []string{"vera session label 0", "vera token label 2"}
	if got, next, _ := get(viewer, ""); !slices.Equal(got, own) || next != "" {
		t.Errorf("vera sees %q and %q, want %q", got, next, own)
	}
	if _, _, code := get(viewer, "?account=otto"); code != http.StatusForbidden {
		t.Errorf("a viewer's question for another's keys is answered %d", code)
	}
	first, next, _ := get(ada, "?account=*&limit=2")
	rest, last, _ := get(ada, "?account=*&limit=2&cursor="+next)
	if len(first) != 2 || len(rest) != 1 || last != "" || rest[0] != own[1] {
		t.Errorf("an admin's pages are %q, and after %q %q, and after %q", first, next, rest, last)
	}
	for _, cursor := range []string{"1234", strings.Repeat("f", 80), strings.Repeat("0", 80), strings.Repeat("A", 54), strings.Repeat("_", 53) + "8"} {
		if _, _, code := get(ada, "?cursor="+cursor); code != http.StatusBadRequest {
			t.Errorf("the cursor %s of somebody's own is answered %d", cursor, code)
		}
	}
	for name, tt := range map[string]struct {
		token string
		key   int
		want  int
	}{
		"one's own": {viewer, 2, http.StatusNoContent}, "another's": {viewer, 1, http.StatusNotFound}, "of a viewer, for an admin": {ada, 0, http.StatusNoContent},
	} {
		if w := ask(h, "DELETE", fmt.Sprintf("/api/v1/keys/%x", list[tt.key].Hash), tt.token, ""); w.Code != tt.want {
			t.Errorf("to end %s is answered %d, want %d: %s", name, w.Code, tt.want, w.Body)
		}
	}
	slices.Sort(actions)
	want := []string{`ada account.session_end vera "label 0"`, "removed 0100", "removed 0300", `vera account.token_end vera "label 2"`}
	if !slices.Equal(actions, want) {
		t.Errorf("changes were %q, want %q", actions, want)
	}
}
