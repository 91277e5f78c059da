package admin_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
)

// wide is a ledger of calls by service, model and day, which answers as the store does: the most expensive first or by time, and at most as many rows as it is asked for.
type wide struct {
	accounts
	calls []wideCall
}

type wideCall struct {
	keys map[string]string
	cost sentinel.NanoUSD
}

func (wide) Org() admin.Org       { return admin.Org{Name: "acme", Zone: time.UTC} }
func (wide) Dimensions() []string { return []string{"service", "model", "day"} }

func (w wide) Usage(_ context.Context, q admin.UsageQuery) ([]admin.UsageRow, error) {
	sums := map[string]*admin.UsageRow{}
	for _, c := range w.calls {
		fits := true
		for name, values := range q.Among {
			fits = fits && slices.Contains(values, c.keys[name])
		}
		if !fits {
			continue
		}
		keys := make([]string, len(q.By))
		for i, name := range q.By {
			keys[i] = c.keys[name]
		}
		key := strings.Join(keys, "|")
		if sums[key] == nil {
			sums[key] = &admin.UsageRow{Keys: keys}
		}
		sums[key].Add(admin.UsageRow{Calls: 1, Cost: c.cost, OutputTokens: int64(c.cost) % 7})
	}
	var out []admin.UsageRow
	for _, r := range sums {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(x, y admin.UsageRow) int {
		if !slices.Contains(q.By, "day") {
			return cmp.Or(cmp.Compare(y.Cost, x.Cost), slices.Compare(x.Keys, y.Keys))
		}
		return slices.Compare(x.Keys, y.Keys)
	})
	return out[:min(len(out), q.Limit)], nil
}

func ledgerOf(services, models, days int) wide {
	random := rand.New(rand.NewPCG(1, 2))
	var w wide
	for s := range services {
		for m := range models {
			for d := range days {
				if random.IntN(10) == 0 {
					continue // nobody calls every day
				}
				w.calls = append(w.calls, wideCall{map[string]string{"service": fmt.Sprintf("s%04d", s), "model": fmt.Sprintf("m%d", m), "day": time.Date(2026, 9, 1+d, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)},
					sentinel.NanoUSD(random.Int64N(1_000_000_000)) * sentinel.NanoUSD(1+s%13)})
			}
		}
	}
	return w
}

type folding struct {
	ledger wide
	by     []string
	top    int
}

// Whatever is folded, the rows and the others are the ledger, day by day and to the nano-dollar, and the rows are those of the groups that cost most.
func TestFoldedGroupsLoseNothing(t *testing.T) {
	for name, tt := range map[string]folding{
		"nothing to fold":            {ledgerOf(5, 1, 9), []string{"service"}, 100},
		"one more than asked":        {ledgerOf(6, 1, 9), []string{"service"}, 5},
		"by day":                     {ledgerOf(40, 1, 30), []string{"day", "service"}, 7},
		"the day comes last":         {ledgerOf(40, 1, 30), []string{"service", "day"}, 7},
		"pairs by day":               {ledgerOf(20, 3, 30), []string{"service", "day", "model"}, 11},
		"days alone":                 {ledgerOf(9, 2, 30), []string{"day"}, 3},
		"no dimension":               {ledgerOf(9, 2, 3), nil, 3},
		"more groups than an answer": {ledgerOf(11_000, 1, 1), []string{"service"}, 1000},
		"more rows than an answer":   {ledgerOf(200, 1, 90), []string{"day", "service"}, 1000},
		"a quarter of many services": {ledgerOf(1200, 1, 90), []string{"day", "service"}, 7},
		"pairs that were not chosen": {ledgerOf(300, 4, 60), []string{"day", "service", "model"}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			h := admin.New(admin.Options{Backend: tt.ledger, Now: func() time.Time { return time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC) }}).Handler()
			path := fmt.Sprintf("/api/v1/usage?from=2026-09-01T00:00:00Z&to=2026-12-01T00:00:00Z&top=%d", tt.top)
			for _, dimension := range tt.by {
				path += "&by=" + dimension
			}
			w := ask(h, "GET", path, viewer, "")
			var got admin.Usage
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
				t.Fatal(w.Code, w.Body.String(), err)
			}
			tt.check(t, got)
		})
	}
}

func (f folding) check(t *testing.T, got admin.Usage) {
	t.Helper()
	var ledger, rows admin.Money
	perDay, shown, groups := map[string]admin.Money{}, map[string]admin.Money{}, map[string]sentinel.NanoUSD{}
	at := slices.Index(f.by, "day")
	for _, c := range f.ledger.calls {
		ledger += admin.Money(c.cost)
		perDay[c.keys["day"]] += admin.Money(c.cost)
		groups[f.group(c.keys)] += c.cost
	}
	cost := maps.Clone(groups)
	kept := map[string]bool{}
	for _, r := range got.Rows {
		rows += r.Cost
		keys := map[string]string{}
		for i, name := range f.by {
			keys[name] = r.Keys[i]
		}
		kept[f.group(keys)] = true
		shown[keys["day"]] += r.Cost
		groups[f.group(keys)] -= sentinel.NanoUSD(r.Cost)
	}
	if got.Other != nil {
		for _, r := range got.Other.Rows {
			rows += r.Cost
			if len(r.Keys) > 0 {
				shown[r.Keys[0]] += r.Cost
			}
			if r.Cost < 0 || r.Calls < 1 {
				t.Errorf("others of %v: %d calls, %d", r.Keys, r.Calls, r.Cost)
			}
		}
	}
	if got.Total.Cost != ledger || rows != ledger || got.Total.Calls != int64(len(f.ledger.calls)) {
		t.Errorf("the total is %d, rows and others %d, the ledger has %d", got.Total.Cost, rows, ledger)
	}
	for day, cost := range perDay {
		if at >= 0 && shown[day] != cost {
			t.Errorf("rows and others of %s are %d, the ledger has %d", day, shown[day], cost)
		}
	}
	all, folded := 0, sentinel.NanoUSD(0)
	for key, left := range groups {
		all++
		if kept[key] && left != 0 {
			t.Errorf("%d of group %s is not in its rows", left, key)
		}
		if !kept[key] {
			folded = max(folded, left)
		}
	}
	if len(kept) > f.top && len(f.by) > 0 && !slices.Equal(f.by, []string{"day"}) || len(got.Rows) > 10_000 {
		t.Errorf("%d groups in %d rows, top is %d", len(kept), len(got.Rows), f.top)
	}
	if got.Other != nil && !got.Other.AtLeast && int(got.Other.Groups) != all-len(kept) || got.Other == nil && len(kept) != all {
		t.Errorf("%d of %d groups have rows, and the others are said to be %+v", len(kept), all, got.Other)
	}
	for key := range kept {
		if cost[key] < folded {
			t.Errorf("group %s has a row, and one that cost more has none", key)
		}
	}
}

func (f folding) group(keys map[string]string) string {
	var out []string
	for _, name := range f.by {
		if name != "day" {
			out = append(out, keys[name])
		}
	}
	return strings.Join(out, "|")
}
