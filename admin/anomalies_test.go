package admin_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"

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
		return sentinel.Score{At: noon.Add(time.Duration(minute-300) * time.Minute), Service: service, Instance: instance, Team: "core", Score: score, Feature: "cost_usd", Share: 0.75, Actual: 12, Expected: 1.5, Impact: impact}
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
	var got []admin.Anomaly
	u.ask(t, "/anomalies", &got)
	why := "12 dollars a minute, where 1.5 was expected (8.0 times): 75 % of what was unusual"
	one := func(service string, from, to, minutes int, score float64, impact admin.Money, verdict string) admin.Anomaly {
		return admin.Anomaly{Service: service, Team: "core", From: noon.Add(time.Duration(from-300) * time.Minute), To: noon.Add(time.Duration(to-300) * time.Minute), Minutes: minutes,
			Score: score, Feature: "cost_usd", Actual: 12, Expected: 1.5, Share: 0.75, Impact: impact, Why: why, Verdict: verdict}
	}
	want := []admin.Anomaly{one("app", 34, 35, 1, 0.93, 2, ""), one("mail", 2, 3, 1, 0.97, 4, ""), one("app", 0, 18, 3, 0.99, 16, "false alarm")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("anomalies (-want +got):\n%s", diff)
	}
	u.ask(t, "/anomalies?service=mail", &got)
	if len(got) != 1 || got[0].Service != "mail" {
		t.Errorf("of mail alone: %+v", got)
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
