package app

import (
	"fmt"
	"slices"
	"testing"
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
			[]string{"11-01 00:00 to 11-24 00:00 sums", "11-24 00:00 to 11-24 12:00 sums", "11-24 12:00 to 11-24 12:34 sums", "11-24 12:34 to 11-24 12:37 rows"}},
		"a month of New York, not by days": {store.UsageQuery{From: at("2026-11-01T04:00:00"), To: at("2026-11-24T12:37:00"), Zone: zone("America/New_York")},
			[]string{"11-01 04:00 to 11-02 00:00 sums", "11-02 00:00 to 11-24 00:00 sums", "11-24 00:00 to 11-24 12:00 sums", "11-24 12:00 to 11-24 12:34 sums", "11-24 12:34 to 11-24 12:37 rows"}},
		"by its days": {store.UsageQuery{From: at("2026-11-01T04:00:00"), To: at("2026-11-24T12:37:00"), Zone: zone("America/New_York"), By: []string{"day"}},
			[]string{"11-01 04:00 to 11-24 12:00 sums", "11-24 12:00 to 11-24 12:34 sums", "11-24 12:34 to 11-24 12:37 rows"}},
		"a month of Kolkata, not by days": {store.UsageQuery{From: at("2026-10-31T18:30:00"), To: at("2026-11-24T12:37:00"), Zone: zone("Asia/Kolkata")},
			[]string{"10-31 18:30 to 10-31 19:00 sums", "10-31 19:00 to 11-01 00:00 sums", "11-01 00:00 to 11-24 00:00 sums", "11-24 00:00 to 11-24 12:00 sums", "11-24 12:00 to 11-24 12:34 sums", "11-24 12:34 to 11-24 12:37 rows"}},
		"by its days, which begin within an hour": {store.UsageQuery{From: at("2026-10-31T18:30:00"), To: at("2026-11-24T12:37:00"), Zone: zone("Asia/Kolkata"), By: []string{"day"}},
			[]string{"10-31 18:30 to 10-31 19:00 sums", "10-31 19:00 to 11-24 12:00 sums", "11-24 12:00 to 11-24 12:34 sums", "11-24 12:34 to 11-24 12:37 rows"}},
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
