package admin_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/saas-sentinel/saas-sentinel/admin"
)

// timed is a ledger that has summed how long its calls took.
type timed struct {
	accounts
	list []admin.LatencyRow
}

func (timed) Org() admin.Org { return admin.Org{Name: "acme", Zone: time.UTC} }

func (timed) Dimensions() []string { return []string{"team", "model"} }

func (r timed) Latency(context.Context, admin.LatencyQuery) ([]admin.LatencyRow, error) {
	return r.list, nil
}

func TestLatencyTellsSinceWhenCallsAreCounted(t *testing.T) {
	oldest, ms := noon.Add(-time.Hour), time.Millisecond
	get := func(all int64, query string) (out admin.Latency, code int) {
		ledger := timed{list: []admin.LatencyRow{
			{Key: "gpt-5", Calls: 100, Limited: 1, Failed: 3, Unpriced: 1, Oldest: oldest, FirstByte: [3]time.Duration{25500 * time.Microsecond, 48 * ms, 50 * ms}, Duration: [3]time.Duration{50 * ms, 95 * ms, 99 * ms}},
			{Key: "gpt-5-mini", Calls: 2, Refused: 2, Oldest: oldest},
			{All: true, Calls: all, Refused: 2, Unpriced: 1, Oldest: oldest},
		}}
		h := admin.New(admin.Options{Backend: ledger, Log: zerolog.Nop(), Now: func() time.Time { return noon }}).Handler()
		w := ask(h, "GET", "/api/v1/usage/latency?from=2026-11-01T00:00:00Z"+query, viewer, "")
		if w.Code == http.StatusOK {
			if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
				t.Fatal(err)
			}
		}
		return out, w.Code
	}
	got, _ := get(102, "")
	want := admin.Latency{Calls: 102, Since: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Total: admin.Took{Calls: 102, Refused: 2, Priced: 0.99}, Rows: []admin.Took{
		{Key: "gpt-5", Calls: 100, Limited: 1, Failed: 3, Priced: 0.99, FirstByte: admin.Spread{P50: 25.5, P95: 48, P99: 50}, Duration: admin.Spread{P50: 50, P95: 95, P99: 99}},
		{Key: "gpt-5-mini", Calls: 2, Refused: 2, Priced: 1},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("latency (-want +got)\n%s", diff)
	}
	if got, _ := get(10_000, "&by=team"); !got.Since.Equal(oldest) {
		t.Errorf("%d calls are counted since %s, want since the oldest of them", got.Calls, got.Since)
	}
	if _, code := get(0, "&by=tier"); code != http.StatusUnprocessableEntity {
		t.Errorf("by=tier is answered %d", code)
	}
}

func (timed) LatencyTrend(_ context.Context, from, to time.Time, span time.Duration) ([]admin.LatencySpan, error) {
	return []admin.LatencySpan{{At: from, Calls: int64(to.Sub(from) / span), FirstByte: [3]time.Duration{time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond}}}, nil
}

func TestATrendIsCutInWholeMinutes(t *testing.T) {
	h := admin.New(admin.Options{Backend: timed{}, Log: zerolog.Nop(), Now: func() time.Time { return noon }}).Handler()
	for query, want := range map[string]struct{ seconds, spans int64 }{
		"from=2026-11-23T12:00:00Z&to=2026-11-24T12:00:00Z": {1800, 48}, "from=2026-11-24T11:00:00Z&to=2026-11-24T12:00:00Z": {120, 30}, "from=2026-11-24T11:59:00Z&to=2026-11-24T12:00:00Z": {60, 1},
	} {
		w := ask(h, "GET", "/api/v1/usage/latency/trend?"+query, viewer, "")
		var got admin.Trend
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Seconds != want.seconds || got.Spans[0].Calls != want.spans || got.Spans[0].FirstByte.P95 != 2 {
			t.Errorf("%s: %v %s", query, err, w.Body)
		}
	}
}
