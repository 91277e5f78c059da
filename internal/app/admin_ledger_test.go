package app

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/saas-sentinel/saas-sentinel/store"
)

// A question's parts follow each other without gap, and only its ends need the finer sums.
func TestQuestionsAreAskedOfTheCoarsestSums(t *testing.T) {
	zone := func(name string) *time.Location {
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	at := func(text string) time.Time {
		v, err := time.Parse("2006-01-02T15:04:05", text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	const now = "2026-11-24T12:34:56"
	for name, tt := range map[string]struct {
		q    store.UsageQuery
		want []string
	}{
		"a month of UTC": {store.UsageQuery{From: at("2026-11-01T00:00:00"), To: at("2026-11-24T12:37:00")},
			[]string{"11-01 00:00 to 11-23 00:00 sums", "11-23 00:00 to 11-24 00:00 sums", "11-24 00:00 to 11-24 09:00 sums", "11-24 09:00 to 11-24 12:00 sums", "11-24 12:00 to 11-24 12:34 sums", "11-24 12:34 to 11-24 12:37 rows"}},
		"a month of New York, not by days": {store.UsageQuery{From: at("2026-11-01T04:00:00"), To: at("2026-11-24T12:37:00"), Zone: zone("America/New_York")},
			[]string{"11-01 04:00 to 11-02 00:00 sums", "11-02 00:00 to 11-23 00:00 sums", "11-23 00:00 to 11-24 00:00 sums", "11-24 00:00 to 11-24 09:00 sums", "11-24 09:00 to 11-24 12:00 sums", "11-24 12:00 to 11-24 12:34 sums", "11-24 12:34 to 11-24 12:37 rows"}},
		"by its days": {store.UsageQuery{From: at("2026-11-01T04:00:00"), To: at("2026-11-24T12:37:00"), Zone: zone("America/New_York"), By: []string{"day"}},
			[]string{"11-01 04:00 to 11-23 00:00 sums", "11-23 00:00 to 11-24 09:00 sums", "11-24 09:00 to 11-24 12:00 sums", "11-24 12:00 to 11-24 12:34 sums", "11-24 12:34 to 11-24 12:37 rows"}},
		"a month of Kolkata, not by days": {store.UsageQuery{From: at("2026-10-31T18:30:00"), To: at("2026-11-24T12:37:00"), Zone: zone("Asia/Kolkata")},
			[]string{"10-31 18:30 to 10-31 19:00 sums", "10-31 19:00 to 11-01 00:00 sums", "11-01 00:00 to 11-23 00:00 sums", "11-23 00:00 to 11-24 00:00 sums", "11-24 00:00 to 11-24 09:00 sums", "11-24 09:00 to 11-24 12:00 sums", "11-24 12:00 to 11-24 12:34 sums", "11-24 12:34 to 11-24 12:37 rows"}},
		"by its days, which begin within an hour": {store.UsageQuery{From: at("2026-10-31T18:30:00"), To: at("2026-11-24T12:37:00"), Zone: zone("Asia/Kolkata"), By: []string{"day"}},
			[]string{"10-31 18:30 to 10-31 19:00 sums", "10-31 19:00 to 11-23 00:00 sums", "11-23 00:00 to 11-24 09:00 sums", "11-24 09:00 to 11-24 12:00 sums", "11-24 12:00 to 11-24 12:34 sums", "11-24 12:34 to 11-24 12:37 rows"}},
		"within an hour":   {store.UsageQuery{From: at("2026-11-24T12:05:00"), To: at("2026-11-24T12:20:00")}, []string{"11-24 12:05 to 11-24 12:20 sums"}},
		"within a day":     {store.UsageQuery{From: at("2026-11-23T10:05:00"), To: at("2026-11-23T12:20:00")}, []string{"11-23 10:05 to 11-23 11:00 sums", "11-23 11:00 to 11-23 12:00 sums", "11-23 12:00 to 11-23 12:20 sums"}},
		"the last minutes": {store.UsageQuery{From: at("2026-11-24T12:34:00"), To: at("2026-11-24T12:36:00")}, []string{"11-24 12:34 to 11-24 12:36 rows"}},
		"still to come":    {store.UsageQuery{From: at("2026-11-25T00:00:00"), To: at("2026-11-26T00:00:00")}, []string{"11-25 00:00 to 11-26 00:00 rows"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range split(tt.q, at(now)) {
				from := map[bool]string{true: "sums", false: "rows"}[p.Rolled]
				got = append(got, fmt.Sprintf("%s to %s %s", p.From.Format("01-02 15:04"), p.To.Format("01-02 15:04"), from))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// What is over for long is asked once: then it is kept for a minute, and for a quarter of an hour while a new answer is on its way.
func TestSumsOfThePastAreAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pastSums
		asked, wait := 0, time.Duration(0)
		ask := func(context.Context, store.UsageQuery) ([]store.UsageRow, error) {
			asked++
			n := asked
			time.Sleep(wait)
			return []store.UsageRow{{Calls: int64(n)}}, nil
		}
		today := time.Now().UTC().Truncate(24 * time.Hour)
		old := store.UsageQuery{From: today.AddDate(0, 0, -30), To: today.AddDate(0, 0, -3), Rolled: true}
		want := func(what string, q store.UsageQuery, answer int64, times int) {
			t.Helper()
			rows, err := p.usage(t.Context(), q, ask)
			synctest.Wait()
			if err != nil || rows[0].Calls != answer || asked != times {
				t.Errorf("%s: answer %d after %d questions, error %v; want answer %d after %d", what, rows[0].Calls, asked, err, answer, times)
			}
		}
		want("the first", old, 1, 1)
		want("again", old, 1, 1)
		team := old
		team.Filter = map[string]string{"team": "core"}
		want("of a team", team, 2, 2)
		young := old
		young.To = today
		want("until now", young, 3, 3)
		want("until now, again", young, 4, 4)
		hours := store.UsageQuery{From: today.Add(-6 * time.Hour), To: today.Add(-3 * time.Hour), Rolled: true}
		want("hours that are over", hours, 5, 5)
		want("hours that are over, again", hours, 5, 5)
		short := hours
		short.From = today.Add(-4 * time.Hour)
		want("one hour", short, 6, 6)
		want("one hour, again", short, 7, 7)
		time.Sleep(2 * time.Minute)
		want("after two minutes", old, 1, 8)
		want("when the new one is there", old, 8, 8)
		time.Sleep(time.Hour)
		want("after an hour", old, 9, 9)
		wait = time.Second
		time.Sleep(time.Hour)
		var both sync.WaitGroup
		for range 10 {
			both.Go(func() { _, _ = p.usage(t.Context(), old, ask) })
		}
		both.Wait()
		if asked != 10 {
			t.Errorf("ten at once asked %d times", asked-9)
		}
		wait = 0
		for n := range 3 * pastRows / 10_000 {
			p.keep(fmt.Sprint(n), make([]store.UsageRow, 10_000), time.Now())
		}
		if p.rows > pastRows || len(p.kept) != pastRows/10_001 {
			t.Errorf("%d rows of %d answers are kept", p.rows, len(p.kept))
		}
	})
}
