package store

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// read reads a list page by page, and gives what stands on the pages in their order.
func read[T any](t *testing.T, limit int, page func(after sentinel.Cursor) ([]T, error), of func(T) sentinel.Cursor) (rows []string) {
	t.Helper()
	after := sentinel.Cursor{}
	for range 20 {
		list, err := page(after)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range list {
			rows = append(rows, of(one).Row)
		}
		if len(list) < limit {
			return rows
		}
		if after, err = sentinel.ParseCursor(of(list[len(list)-1]).String()); err != nil { // as clients give it back
			t.Fatal(err)
		}
	}
	t.Fatalf("the pages do not end: %q", rows)
	return nil
}

// Pages hold every row once, whatever rows have the same time.
func TestPagesHoldEveryRowOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		now := time.Now().UTC()
		var list []sentinel.Incident
		for i := range 7 {
			at, id := now.Add(time.Duration(i/3)*time.Second), fmt.Sprintf("id%d", i)
			one := openIncident(id, "budget")
			one.Opened = at
			list = append(list, one)
			if err := s.AddServiceToken(t.Context(), sentinel.ServiceToken{ID: id, Service: []string{"app", "mailer"}[i%2], Created: at, Hash: sha256.Sum256([]byte(id))}); err != nil {
				t.Fatal(err)
			}
			exec(t, s, `INSERT INTO alert_silences VALUES ($1, '*', '', $2, $3, '', '')`, id, at, at.Add(time.Hour))
			if err := s.KeepPolicy(t.Context(), PolicyChange{At: at, Version: id, Author: "ada"}, []PolicyFile{{Name: "p", Text: id}}); err != nil {
				t.Fatal(err)
			}
		}
		change(t, s, "budget", list)
		if err := s.UpdateGroup(t.Context(), "other", nil, func(g sentinel.AlertGroup, _ []sentinel.IncidentRef) (sentinel.AlertGroup, sentinel.AlertEffects) {
			var told []sentinel.Delivery
			for i := range 7 {
				told = append(told, sentinel.Delivery{ID: fmt.Sprintf("id%d", i), Group: "other", Channel: "finops", Kind: sentinel.DeliverMessage, Body: []byte("{}"), Created: now, NotBefore: now})
			}
			return g, sentinel.AlertEffects{Deliveries: told}
		}); err != nil {
			t.Fatal(err)
		}
		newest := []string{"id6", "id5", "id4", "id3", "id2", "id1", "id0"}
		soonest := slices.Clone(newest)
		slices.Reverse(soonest)
		for limit := 1; limit <= 8; limit++ {
			incidents := func(scope string) []string {
				return read(t, limit, func(after sentinel.Cursor) ([]sentinel.Incident, error) {
					return s.Incidents(t.Context(), sentinel.IncidentQuery{Open: true, Scope: scope, After: after, Limit: limit})
				}, func(i sentinel.Incident) sentinel.Cursor { return sentinel.Cursor{At: i.Opened, Row: i.ID} })
			}
			tokens := func(service string) []string {
				return read(t, limit, func(after sentinel.Cursor) ([]sentinel.ServiceToken, error) {
					return s.ListServiceTokens(t.Context(), service, after, limit)
				}, func(x sentinel.ServiceToken) sentinel.Cursor { return sentinel.Cursor{At: x.Created, Row: x.ID} })
			}
			for name, tt := range map[string]struct{ got, want []string }{
				"incidents": {incidents(""), newest}, "incidents of a scope": {incidents("team/id4"), newest[2:3]}, "incidents of another": {incidents("team/x\x00"), nil},
				"tokens": {tokens(""), newest}, "tokens of a service": {tokens("mailer"), []string{"id5", "id3", "id1"}},
				"silences": {read(t, limit, func(after sentinel.Cursor) ([]sentinel.AlertSilence, error) {
					return s.Silences(t.Context(), after, limit)
				},
					func(q sentinel.AlertSilence) sentinel.Cursor { return sentinel.Cursor{At: q.Until, Row: q.ID} }), soonest},
			} {
				if !slices.Equal(tt.got, tt.want) {
					t.Errorf("%s in pages of %d: %q, want %q", name, limit, tt.got, tt.want)
				}
			}
			var messages []string
			for before := int64(0); ; {
				page, err := s.AlertMessages(t.Context(), before, limit)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range page {
					messages, before = append(messages, m.ID), m.Seq
				}
				if len(page) < limit {
					break
				}
			}
			if !slices.Equal(messages, newest) {
				t.Errorf("messages in pages of %d: %q", limit, messages)
			}
			var versions []string
			for before := int64(0); ; {
				page, err := s.PolicyChanges(t.Context(), before, limit)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range page {
					versions, before = append(versions, c.Version), c.Seq
				}
				if len(page) < limit {
					break
				}
			}
			if !slices.Equal(versions, newest) {
				t.Errorf("versions in pages of %d: %q", limit, versions)
			}
		}
	})
}
