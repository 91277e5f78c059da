package store

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestSilencesComeBackUntilTheyEnd(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		now := time.Now().UTC().Truncate(time.Microsecond)
		q := sentinel.AlertSilence{Rule: "errors", Scope: "provider/*", From: now, Until: now.Add(time.Hour), By: "ana", Why: "new keys"}
		var err error
		if q.ID, err = s.AddSilence(t.Context(), q); err != nil || len(q.ID) != silenceID {
			t.Fatal(q.ID, err)
		}
		over := q
		over.From, over.Until = now.Add(-time.Hour), now.Add(-time.Minute)
		if _, err := s.AddSilence(t.Context(), over); err != nil {
			t.Fatal(err)
		}
		list, err := s.Silences(t.Context(), sentinel.Cursor{}, sentinel.MaxSilences)
		if diff := cmp.Diff([]sentinel.AlertSilence{q}, list); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		for _, want := range []bool{true, false} { // it ends once
			if ok, err := s.EndSilence(t.Context(), q.ID); ok != want || err != nil {
				t.Errorf("ended %v, %v; want %v", ok, err, want)
			}
		}
		if list, err := s.Silences(t.Context(), sentinel.Cursor{}, sentinel.MaxSilences); err != nil || len(list) != 0 {
			t.Errorf("after its end: %v, %v", list, err)
		}
	})
}

func TestSilencesAreBounded(t *testing.T) {
	s := open(t, "postgres")
	exec(t, s, `INSERT INTO alert_silences SELECT n::text, '*', '', now(), now() + interval '1 hour', '', '' FROM generate_series(1, $1) n`, sentinel.MaxSilences)
	_, err := s.AddSilence(t.Context(), sentinel.AlertSilence{Rule: "*", From: time.Now(), Until: time.Now().Add(time.Hour)})
	if !errors.Is(err, ErrSilences) {
		t.Errorf("one more than may be: %v", err)
	}
}

func TestOldAlertsAreDroppedAndOpenOnesStay(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		old := openIncident("old", "budget")
		old.State, old.Resolved = sentinel.IncidentResolved, old.Opened.Add(time.Hour)
		change(t, s, "budget", []sentinel.Incident{old, openIncident("open", "budget")}, delivery("d1", "budget", "chat", sentinel.DeliverMessage), delivery("d2", "budget", "chat", sentinel.DeliverMessage))
		exec(t, s, `UPDATE alert_deliveries SET state = 'sent', ended = $1 WHERE id = 'd1'`, old.Resolved)
		if err := s.DropAlerts(t.Context(), old.Resolved.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		left, err := s.Incidents(t.Context(), sentinel.IncidentQuery{Limit: 10})
		if err != nil || len(left) != 1 || left[0].ID != "open" {
			t.Errorf("incidents left: %+v, %v", left, err)
		}
		for id, want := range map[string]int{"old": 0, "open": 1} {
			if h, err := s.History(t.Context(), id, 10); err != nil || len(h) != want {
				t.Errorf("history of %s: %d lines, want %d, %v", id, len(h), want, err)
			}
		}
		if n := count(t, s, `SELECT count(*) FROM alert_deliveries`); n != 1 {
			t.Errorf("%d deliveries left, want the one that waits", n)
		}
	})
}
