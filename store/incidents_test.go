package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func openIncident(id, group string) sentinel.Incident {
	return sentinel.Incident{ID: id, Group: group, Rule: group, Scope: "team/" + id, State: sentinel.IncidentOpen, Firing: true,
		Opened: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Title: "t"}
}

func delivery(id, group, channel string, kind sentinel.DeliveryKind) sentinel.Delivery {
	now := time.Now().UTC().Add(-time.Second)
	return sentinel.Delivery{ID: id, Group: group, Episode: 1, Channel: channel, Kind: kind, Body: []byte("{}"), Created: now, NotBefore: now}
}

func change(t *testing.T, s *Store, group string, list []sentinel.Incident, out ...sentinel.Delivery) {
	t.Helper()
	err := s.UpdateGroup(t.Context(), group, nil, func(g sentinel.AlertGroup, _ []sentinel.IncidentRef) (sentinel.AlertGroup, sentinel.AlertEffects) {
		g.Rule, g.Incidents, g.Due = group, append(g.Incidents, list...), time.Now().UTC().Add(-time.Minute)
		e := sentinel.AlertEffects{Deliveries: out}
		for _, i := range list {
			e.History = append(e.History, sentinel.IncidentChange{At: i.Opened, Incident: i.ID, What: "opened"})
		}
		return g, e
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Causes are told with the incident that they belong to, the newest first; what people did is no turn of a cause.
func TestTurnsOfCausesAreThoseOfAllProcesses(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		first, other := openIncident("a", "budget"), openIncident("b", "errors")
		first.Title = "60 %"
		change(t, s, "budget", []sentinel.Incident{first})
		change(t, s, "errors", []sentinel.Incident{other})
		happened := func(id string, at time.Time, what ...string) {
			t.Helper()
			err := s.UpdateGroup(t.Context(), "budget", nil, func(g sentinel.AlertGroup, _ []sentinel.IncidentRef) (sentinel.AlertGroup, sentinel.AlertEffects) {
				g.Rule = "budget"
				for k := range g.Incidents {
					g.Incidents[k].State, g.Incidents[k].Resolved = sentinel.IncidentResolved, at
				}
				e := sentinel.AlertEffects{}
				for _, w := range what {
					e.History = append(e.History, sentinel.IncidentChange{At: at, Incident: id, What: w, By: "ada"})
				}
				return g, e
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		happened("a", first.Opened.Add(time.Minute), "told", "acknowledged", "raised", "cleared", sentinel.CauseReturned, "cleared", "resolved")
		again := first
		again.Opened, again.Title = first.Opened.Add(time.Hour), "80 %"
		change(t, s, "budget", []sentinel.Incident{again})
		var got []string
		for before := int64(0); ; {
			page, err := s.Turns(t.Context(), before, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, turn := range page {
				got = append(got, fmt.Sprint(turn.Rule, " ", turn.Scope, " ", turn.Title, " ", turn.At.Sub(first.Opened), " ", turn.Ended, turn.Again))
				before = turn.Seq
			}
			if len(page) < 2 {
				break
			}
		}
		want := []string{"budget team/a 80 % 1h0m0s false false", "budget team/a 60 % 1m0s true false", "budget team/a 60 % 1m0s false true", "budget team/a 60 % 1m0s true false",
			"budget team/a 60 % 1m0s false false", "errors team/b t 0s false false", "budget team/a 60 % 0s false false"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("turns (-want +got):\n%s", diff)
		}
	})
}

func TestGroupsComeBackAsTheyWere(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		change(t, s, "budget", []sentinel.Incident{openIncident("a", "budget"), openIncident("b", "budget")})
		err := s.UpdateGroup(t.Context(), "budget", []string{"budget"}, func(g sentinel.AlertGroup, near []sentinel.IncidentRef) (sentinel.AlertGroup, sentinel.AlertEffects) {
			want := []sentinel.Incident{openIncident("a", "budget"), openIncident("b", "budget")}
			if diff := cmp.Diff(want, g.Incidents); diff != "" || len(near) != 2 {
				t.Errorf("%d near; incidents (-want +got):\n%s", len(near), diff)
			}
			g.Incidents[0].State, g.Incidents[0].Resolved = sentinel.IncidentResolved, time.Now().UTC()
			g.Due = time.Time{}
			return g, sentinel.AlertEffects{}
		})
		if err != nil {
			t.Fatal(err)
		}
		openOnes, err := s.Incidents(t.Context(), sentinel.IncidentQuery{Open: true, Limit: 10})
		if err != nil || len(openOnes) != 1 || openOnes[0].ID != "b" {
			t.Errorf("open: %+v, %v", openOnes, err)
		}
		if all, err := s.Incidents(t.Context(), sentinel.IncidentQuery{Limit: 10}); err != nil || len(all) != 2 {
			t.Errorf("all: %d, %v", len(all), err)
		}
		if h, err := s.History(t.Context(), "a", 10); err != nil || len(h) != 1 || h[0].What != "opened" {
			t.Errorf("history %+v, %v", h, err)
		}
		if due, err := s.DueGroups(t.Context(), time.Now(), 10); err != nil || len(due) != 0 {
			t.Errorf("due %v, %v", due, err)
		}
		if groups, err := s.OpenGroups(t.Context(), 10); err != nil || len(groups) != 1 {
			t.Errorf("open groups %v, %v", groups, err)
		}
	})
}

func TestChangesOfAGroupNeverOverlap(t *testing.T) {
	s := open(t, "postgres")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 10 {
				if err := s.UpdateGroup(t.Context(), "g", nil, func(g sentinel.AlertGroup, _ []sentinel.IncidentRef) (sentinel.AlertGroup, sentinel.AlertEffects) {
					g.Episode++
					return g, sentinel.AlertEffects{}
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	_ = s.UpdateGroup(t.Context(), "g", nil, func(g sentinel.AlertGroup, _ []sentinel.IncidentRef) (sentinel.AlertGroup, sentinel.AlertEffects) {
		if g.Episode != 80 {
			t.Errorf("80 changes left %d", g.Episode)
		}
		return g, sentinel.AlertEffects{}
	})
}

func TestOutboxKeepsOrderAndIsNotStuck(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		change(t, s, "a", nil, delivery("a1", "a", "chat", sentinel.DeliverMessage), delivery("a2", "a", "chat", sentinel.DeliverMessage), delivery("a3", "a", "mail", sentinel.DeliverMessage))
		change(t, s, "b", nil, delivery("b1", "b", "chat", sentinel.DeliverMessage))
		fence, ok, err := s.Lease(t.Context(), "one", time.Minute)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		claim := func() (ids []string, roots []string) {
			t.Helper()
			list, err := s.Claim(t.Context(), fence, time.Now(), 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range list {
				ids, roots = append(ids, d.ID), append(roots, d.Root)
			}
			return ids, roots
		}
		if ids, _ := claim(); len(ids) != 2 {
			t.Errorf("claimed %v: want one for each of the two channels", ids)
		}
		finish := func(r sentinel.DeliveryResult) {
			t.Helper()
			if err := s.Finish(t.Context(), fence, r); err != nil {
				t.Fatal(err)
			}
		}
		finish(sentinel.DeliveryResult{ID: "a3", Done: true})
		finish(sentinel.DeliveryResult{ID: "a1", Retry: time.Now().Add(time.Hour)})
		if ids, _ := claim(); !cmp.Equal(ids, []string{"b1"}) {
			t.Errorf("claimed %v while a1 waits: want b1, and never a2 before a1", ids)
		}
		finish(sentinel.DeliveryResult{ID: "b1", Dead: true})
		finish(sentinel.DeliveryResult{ID: "a1", Done: true, Ref: "root"})
		if ids, roots := claim(); !cmp.Equal(ids, []string{"a2"}) || roots[0] != "root" {
			t.Errorf("claimed %v with root %v, want a2 in the thread of a1", ids, roots)
		}
	})
}

func TestMessagesOfAGroupKeepTheirDistanceAndAPauseHoldsTheChannel(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		change(t, s, "a", nil, delivery("a1", "a", "chat", sentinel.DeliverMessage), delivery("a2", "a", "chat", sentinel.DeliverMessage), delivery("a3", "a", "mail", sentinel.DeliverMessage))
		change(t, s, "b", nil, delivery("b1", "b", "chat", sentinel.DeliverMessage), delivery("b2", "b", "chat", sentinel.DeliverEdit))
		fence, ok, err := s.Lease(t.Context(), "one", time.Minute)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		step := func(now time.Time, gap time.Duration, results map[string]sentinel.DeliveryResult, want ...string) {
			t.Helper()
			list, err := s.Claim(t.Context(), fence, now, gap)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, d := range list {
				ids = append(ids, d.ID)
				r, ok := results[d.ID]
				if !ok {
					r = sentinel.DeliveryResult{Done: true}
				}
				if r.ID = d.ID; s.Finish(t.Context(), fence, r) != nil {
					t.Fatal("not finished")
				}
			}
			if slices.Sort(ids); !slices.Equal(ids, want) {
				t.Errorf("claimed %v, want %v", ids, want)
			}
		}
		now := time.Now()
		pause := map[string]sentinel.DeliveryResult{"b1": {Retry: now.Add(time.Hour), Pause: true}}
		step(now, time.Hour, nil, "a1", "a3")
		step(now, time.Hour, pause, "b1") // a2 would come within the hour after a1
		step(now, 0, nil)                 // the channel wants an hour
		step(now.Add(2*time.Hour), time.Hour, nil, "b1")
		step(now.Add(2*time.Hour), time.Hour, nil, "b2") // an edit keeps no distance
		step(now.Add(2*time.Hour), time.Hour, nil)       // by the database's clock no hour has passed
		step(now, 0, nil, "a2")
	})
}

func TestNewEditReplacesOneThatWaits(t *testing.T) {
	s := open(t, "postgres")
	change(t, s, "a", nil, delivery("e1", "a", "chat", sentinel.DeliverEdit))
	change(t, s, "a", nil, delivery("e2", "a", "chat", sentinel.DeliverEdit))
	if n := count(t, s, `SELECT count(*) FROM alert_deliveries`); n != 1 {
		t.Errorf("%d edits wait, want the newest alone", n)
	}
}

func TestOneSenderAndAFenceForTheOneBefore(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		change(t, s, "a", nil, delivery("a1", "a", "chat", sentinel.DeliverMessage))
		old, ok, err := s.Lease(t.Context(), "one", time.Millisecond)
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		if again, ok, err := s.Lease(t.Context(), "one", time.Millisecond); !ok || err != nil || again != old {
			t.Fatalf("a renewal gave fence %d after %d, %v, %v", again, old, ok, err)
		}
		exec(t, s, `UPDATE alert_lease SET until = now() - interval '1 second'`)
		fence, ok, err := s.Lease(t.Context(), "two", time.Minute)
		if !ok || err != nil || fence <= old {
			t.Fatalf("the second holder: fence %d after %d, %v, %v", fence, old, ok, err)
		}
		if _, ok, err := s.Lease(t.Context(), "one", time.Minute); ok || err != nil {
			t.Errorf("two hold the lease: %v", err)
		}
		if _, err := s.Claim(t.Context(), old, time.Now(), 0); !errors.Is(err, sentinel.ErrFenced) {
			t.Errorf("the first holder claims: %v", err)
		}
		if err := s.Finish(t.Context(), old, sentinel.DeliveryResult{ID: "a1", Done: true}); !errors.Is(err, sentinel.ErrFenced) {
			t.Errorf("the first holder finishes: %v", err)
		}
	})
}

func TestCallbackIsSeenOnce(t *testing.T) {
	s := open(t, "postgres")
	for n, want := range []bool{true, false} {
		if got, err := s.FirstSeen(t.Context(), "m", time.Now().Add(time.Minute)); err != nil || got != want {
			t.Errorf("time %d: %v, %v", n, got, err)
		}
	}
}

func BenchmarkUpdateGroup(b *testing.B) {
	s := open(b, "postgres")
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		i := openIncident(fmt.Sprint(n), "g")
		i.State, i.Resolved = sentinel.IncidentResolved, i.Opened
		if err := s.UpdateGroup(b.Context(), "g", nil, func(g sentinel.AlertGroup, _ []sentinel.IncidentRef) (sentinel.AlertGroup, sentinel.AlertEffects) {
			g.Incidents = append(g.Incidents, i)
			return g, sentinel.AlertEffects{}
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// People often know only afterwards what an anomaly was: what they say then counts at its end, and of each incident what they said last.
func TestWhatIsSaidAfterTheEndCountsOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		now := time.Now().UTC().Truncate(time.Second)
		of := func(id string, opened, resolved time.Duration) sentinel.Incident {
			i := openIncident(id, "odd")
			i.Scope, i.Opened = "service/"+id+"/any", now.Add(-opened)
			if resolved > 0 {
				i.State, i.Resolved = sentinel.IncidentResolved, now.Add(-resolved)
			}
			return i
		}
		note := func(what string, want int) {
			t.Helper()
			if n, err := s.NoteLast(t.Context(), "odd", what, "ada"); err != nil || n != want {
				t.Errorf("%q was noted %d times, %v, want %d", what, n, err, want)
			}
		}
		note(sentinel.FeedbackTrue, 0) // of nothing
		change(t, s, "odd", []sentinel.Incident{of("old", 40*24*time.Hour, 39*24*time.Hour)})
		note(sentinel.FeedbackTrue, 0) // too long ago
		change(t, s, "odd", []sentinel.Incident{of("app", 5*time.Hour, 3*time.Hour), of("mail", 4*time.Hour, 2*time.Hour)})
		note(sentinel.FeedbackFalse, 2) // the last one, and the one that was open beside it
		note(sentinel.FeedbackFalse, 2) // again: counted once
		end := func(service string, hours int, verdict string) sentinel.Feedback {
			return sentinel.Feedback{At: now.Add(-time.Duration(hours) * time.Hour), Service: service, Verdict: verdict}
		}
		got, err := s.Feedback(t.Context(), now.Add(-4*time.Hour))
		slices.SortFunc(got, func(a, b sentinel.Feedback) int { return a.At.Compare(b.At) })
		if diff := cmp.Diff([]sentinel.Feedback{end("app", 3, sentinel.FeedbackFalse), end("mail", 2, sentinel.FeedbackFalse)}, got); err != nil || diff != "" {
			t.Errorf("feedback %v (-want +got):\n%s", err, diff)
		}
		// What was said then is from before the next incident of the same service.
		if _, err := s.db(t.Context()).Exec(t.Context(), `UPDATE incident_history SET at = at - interval '90 minutes' WHERE by = 'ada'`); err != nil {
			t.Fatal(err)
		}
		change(t, s, "odd", []sentinel.Incident{of("app", time.Hour, time.Minute)})
		note(sentinel.FeedbackPlanned, 1)
		note(sentinel.FeedbackTrue, 1) // somebody changed their mind
		got, err = s.Feedback(t.Context(), now.Add(-4*time.Hour))
		slices.SortFunc(got, func(a, b sentinel.Feedback) int { return a.At.Compare(b.At) }) // both of the first were said at once
		want := []sentinel.Feedback{end("app", 3, sentinel.FeedbackFalse), end("mail", 2, sentinel.FeedbackFalse), {At: now.Add(-time.Minute), Service: "app", Verdict: sentinel.FeedbackTrue}}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("after a change of mind %v (-want +got):\n%s", err, diff)
		}
		change(t, s, "odd", []sentinel.Incident{of("web", time.Second, 0)})
		note(sentinel.FeedbackFalse, 0) // one is open, and has its own history
	})
}
