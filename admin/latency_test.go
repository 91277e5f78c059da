package admin_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
)

// rows is a ledger of single entries, the newest first.
type rows struct {
	accounts
	list []sentinel.Entry
}

func (rows) Org() admin.Org { return admin.Org{Name: "acme", Zone: time.UTC} }

func (rows) Dimensions() []string { return []string{"team", "model"} }

func (r rows) Entries(_ context.Context, q admin.EntryQuery) ([]sentinel.Entry, error) {
	return r.list[:min(len(r.list), q.Limit)], nil
}

func TestLatencyIsOfCallsThatWentOut(t *testing.T) {
	var list []sentinel.Entry
	for i := range 100 { // 1 to 100 ms
		e := sentinel.Entry{Status: 200, PriceVersion: "openai/gpt-5@2026-11-23", Duration: time.Duration(i+1) * time.Millisecond, FirstByte: time.Duration(i+1) * time.Millisecond / 2}
		e.Model = "gpt-5"
		switch i {
		case 0:
			e.Status, e.FirstByte = 0, 0
		case 1, 2:
			e.Status = 503
		case 3:
			e.Status = 429
		case 4:
			e.PriceVersion = sentinel.VersionFlat
		}
		list = append(list, e)
	}
	slices.Reverse(list)
	refused := sentinel.Entry{Action: sentinel.Deny, Status: 429, Duration: time.Hour}
	refused.Model = "gpt-5-mini"
	list = append(list, refused, refused)
	get := func(list []sentinel.Entry, query string) (out admin.Latency, code int) {
		h := admin.New(admin.Options{Backend: rows{list: list}, Log: zerolog.Nop(), Now: func() time.Time { return noon }}).Handler()
		w := ask(h, "GET", "/api/v1/usage/latency?from=2026-11-01T00:00:00Z"+query, viewer, "")
		if w.Code == http.StatusOK {
			if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
				t.Fatal(err)
			}
		}
		return out, w.Code
	}
	got, _ := get(list, "")
	want := admin.Took{Key: "gpt-5", Calls: 100, Limited: 1, Failed: 3, Priced: 0.99, FirstByte: admin.Spread{P50: 25.5, P95: 48, P99: 50}, Duration: admin.Spread{P50: 50, P95: 95, P99: 99}}
	if len(got.Rows) != 2 {
		t.Fatalf("rows %+v, want two models", got.Rows)
	}
	same := func(a, b admin.Took) bool {
		return a.Key == b.Key && a.Calls == b.Calls && a.Refused == b.Refused && a.Limited == b.Limited && a.Failed == b.Failed && a.Priced == b.Priced && a.FirstByte == b.FirstByte && a.Duration == b.Duration
	}
	if !same(got.Rows[0], want) || !same(got.Rows[1], admin.Took{Key: "gpt-5-mini", Calls: 2, Refused: 2, Priced: 1}) {
		t.Errorf("rows %+v, want %+v", got.Rows, want)
	}
	want.Key, want.Calls, want.Refused = "", 102, 2
	if !same(got.Total, want) || got.Calls != 102 || !got.Since.Equal(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("total %+v of %d since %s, want %+v", got.Total, got.Calls, got.Since, want)
	}
	many := slices.Repeat(list[:1], 10_001)
	many[9_999].At = noon.Add(-time.Hour)
	if got, _ := get(many, "&by=team"); got.Calls != 10_000 || !got.Since.Equal(noon.Add(-time.Hour)) {
		t.Errorf("%d calls since %s, want the newest 10,000", got.Calls, got.Since)
	}
	if _, code := get(nil, "&by=tier"); code != http.StatusUnprocessableEntity {
		t.Errorf("by=tier is answered %d", code)
	}
}
