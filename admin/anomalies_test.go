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

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
	"github.com/saas-sentinel/saas-sentinel/ml/detect"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// unusual is a backend that knows scores, and a spend of a dollar an hour with ten dollars in the last.
type unusual struct {
	accounts
	scores []sentinel.Score
	said   []sentinel.Feedback
	hours  int
}

func (u unusual) Org() admin.Org { return admin.Org{Name: "acme", Zone: time.UTC} }
func (u unusual) UnusualScores(context.Context, time.Time) ([]sentinel.Score, error) {
	return append([]sentinel.Score{}, u.scores...), nil
}

func (u unusual) Feedback(context.Context, time.Time) ([]sentinel.Feedback, error) {
	return u.said, nil
}

func (u unusual) Usage(_ context.Context, q admin.UsageQuery) ([]admin.UsageRow, error) {
	var out []admin.UsageRow
	for i := u.hours; i > 0; i-- {
		at, cost := noon.Add(-time.Duration(i)*time.Hour), sentinel.USD
		if i == 1 {
			cost *= 10
		}
		if !at.Before(q.From) && at.Before(q.To) {
			out = append(out, admin.UsageRow{Keys: []string{at.Format("2006-01-02T15:04Z")}, Cost: cost})
		}
	}
	return out, nil
}

func (u unusual) ask(t *testing.T, path string, out any) {
	t.Helper()
	askOf(t, u, path, out)
}

// askOf reads what a backend's server answers a viewer.
func askOf(t *testing.T, b admin.Backend, path string, out any) {
	t.Helper()
	askAt(t, b, noon, path, out)
}

func askAt(t *testing.T, b admin.Backend, now time.Time, path string, out any) {
	t.Helper()
	w := ask(admin.New(admin.Options{Backend: b, Log: zerolog.Nop(), Now: func() time.Time { return now }}).Handler(), "GET", "/api/v1"+path, viewer, "")
	if w.Code != http.StatusOK {
		t.Fatalf("%s is answered %d %s", path, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
		t.Fatal(err)
	}
}

func TestUnusualMinutesBecomeAnomaliesWithTheirVerdict(t *testing.T) {
	score := func(service, instance string, minute int, score float64, impact sentinel.NanoUSD) sentinel.Score {
		return sentinel.Score{At: noon.Add(time.Duration(minute-300) * time.Minute), Service: service, Instance: instance, Team: "core", Score: score, Feature: "cost_usd_per_request", Share: 0.75, Actual: 12, Expected: 1.5, Impact: impact,
			Features: []string{"cost_usd_per_request", "latency_ms"}, Shares: []float64{0.75, 0.25}}
	}
	u := unusual{
		scores: []sentinel.Score{
			score("app", "b", 1, 0.95, 7), score("app", "a", 0, 0.91, 3), score("app", "a", 1, 0.99, 5), // two processes see minute 1
			score("app", "a", 17, 0.92, 1), // 15 minutes after the end of minute 1: the same anomaly
			score("app", "a", 34, 0.93, 2), // 16 minutes: the next
			score("mail", "a", 2, 0.97, 4),
		},
		said: []sentinel.Feedback{
			{At: noon.Add(-299 * time.Minute), Service: "app", Verdict: sentinel.FeedbackTrue},
			{At: noon.Add(-270 * time.Minute), Service: "app", Verdict: sentinel.FeedbackFalse}, // of the first, whose mind was changed
			{At: noon.Add(-298*time.Minute - time.Second), Service: "mail", Verdict: sentinel.FeedbackPlanned},
		},
	}
	var got admin.AnomalyPage
	u.ask(t, "/anomalies", &got)
	why := "dollars a call 12.0, where 1.50 was expected (8.0 times): 75 % of what was unusual; besides latency 25 %"
	one := func(service string, from, to, minutes int, score float64, impact admin.Money, verdict string) admin.Anomaly {
		return admin.Anomaly{Service: service, Team: "core", From: noon.Add(time.Duration(from-300) * time.Minute), To: noon.Add(time.Duration(to-300) * time.Minute), Minutes: minutes,
			Score: score, Feature: "cost_usd_per_request", Actual: 12, Expected: 1.5, Share: 0.75, Impact: impact, Why: why, Verdict: verdict,
			Features: []admin.Feature{{Feature: "cost_usd_per_request", Share: 0.75}, {Feature: "latency_ms", Share: 0.25}}}
	}
	want := []admin.Anomaly{one("app", 34, 35, 1, 0.93, 2, ""), one("mail", 2, 3, 1, 0.97, 4, ""), one("app", 0, 18, 3, 0.99, 16, "false alarm")}
	if diff := cmp.Diff(admin.AnomalyPage{Anomalies: want}, got); diff != "" {
		t.Errorf("anomalies (-want +got):\n%s", diff)
	}
	u.ask(t, "/anomalies?service=mail", &got)
	if len(got.Anomalies) != 1 || got.Anomalies[0].Service != "mail" {
		t.Errorf("of mail alone: %+v", got)
	}
}

// Whatever a detector names, a person reads it in words and with its unit; an earlier release's score has its leading feature alone.
func TestAnomaliesAreToldInWords(t *testing.T) {
	for i, feature := range detect.Features() {
		u := unusual{scores: []sentinel.Score{{At: noon.Add(-time.Hour), Service: "app", Score: 0.95, Feature: feature, Share: 0.5, Actual: 1234567, Expected: 0.000321,
			Features: []string{feature, detect.Features()[(i+1)%len(detect.Features())]}, Shares: []float64{0.5, 0.4}}}}
		for _, all := range []bool{true, false} {
			if !all {
				u.scores[0].Features, u.scores[0].Shares = nil, nil
			}
			var got admin.AnomalyPage
			u.ask(t, "/anomalies", &got)
			a := got.Anomalies[0]
			if !strings.HasPrefix(a.Why, detect.Noun(feature, "minute")+" ") || strings.ContainsAny(a.Why, "_") || strings.Contains(a.Why, "e+") || strings.Contains(a.Why, "e-") || strings.Contains(a.Why, "besides") != all {
				t.Errorf("%s is told as %q", feature, a.Why)
			}
			if len(a.Features) != map[bool]int{true: 2, false: 1}[all] || a.Features[0] != (admin.Feature{Feature: feature, Share: 0.5}) {
				t.Errorf("%s: features %+v", feature, a.Features)
			}
		}
	}
}

// Services of any name begin to be unusual in the same minute: pages hold each once, and what joined an earlier anomaly meanwhile loses no other.
func TestAnomaliesComeInPages(t *testing.T) {
	var u unusual
	services := []string{"app", "mail", strings.Repeat("n", 100), "\u202egnp.exe"}
	for hour := range 3 {
		for _, service := range services {
			u.scores = append(u.scores, sentinel.Score{At: noon.Add(time.Duration(hour-5) * time.Hour), Service: service, Score: 0.95, Feature: "cost_usd"})
		}
	}
	for limit := 1; limit <= 13; limit++ {
		var rows []string
		for next, pages := "", 0; pages == 0 || next != ""; pages++ {
			var got admin.AnomalyPage
			u.ask(t, fmt.Sprintf("/anomalies?limit=%d&cursor=%s", limit, next), &got)
			for _, a := range got.Anomalies {
				rows = append(rows, a.From.Format("15:04 ")+a.Service)
			}
			if next = got.Next; pages > 13 {
				t.Fatalf("pages of %d do not end", limit)
			}
		}
		if len(rows) != 12 || !slices.IsSortedFunc(rows, func(a, b string) int { return strings.Compare(b[:5], a[:5]) }) || len(slices.Compact(slices.Sorted(slices.Values(rows)))) != 12 {
			t.Errorf("pages of %d: %q", limit, rows)
		}
	}
	var got admin.AnomalyPage
	u.ask(t, "/anomalies?limit=4", &got)
	last := got.Anomalies[3]
	u.scores = slices.DeleteFunc(u.scores, func(s sentinel.Score) bool { return s.Service == last.Service && s.At.Equal(last.From) })
	u.ask(t, "/anomalies?limit=4&cursor="+got.Next, &got)
	if len(got.Anomalies) != 4 || !got.Anomalies[0].From.Before(last.From) {
		t.Errorf("after one that is gone come %+v", got.Anomalies)
	}
	h := admin.New(admin.Options{Backend: u, Log: zerolog.Nop(), Now: func() time.Time { return noon }}).Handler()
	if w := ask(h, "GET", "/api/v1/anomalies?cursor=mine", viewer, ""); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "cursor:") {
		t.Errorf("a cursor of somebody's own is answered %d %s", w.Code, w.Body)
	}
}

func TestExpectedSpendIsForecastFromTheHoursBefore(t *testing.T) {
	var got admin.ExpectedSpend
	unusual{hours: 240}.ask(t, "/anomalies/expected?service=app&hours=24", &got)
	if !got.Known || len(got.Hours) != 24 {
		t.Fatalf("nothing is expected after nine days of history: %+v", got)
	}
	last := got.Hours[23]
	if last.Actual != admin.Money(10*sentinel.USD) || last.Hi95 >= last.Actual || last.Expected < admin.Money(sentinel.USD/2) || last.Expected > admin.Money(2*sentinel.USD) {
		t.Errorf("ten dollars after a dollar an hour are shown as %+v", last)
	}
	got = admin.ExpectedSpend{}
	unusual{hours: 90}.ask(t, "/anomalies/expected?service=app&hours=24", &got)
	if got.Known || got.Reason == "" || len(got.Hours) != 24 || got.Hours[23].Actual != admin.Money(10*sentinel.USD) {
		t.Errorf("with 66 hours of history: %+v", got)
	}
}
