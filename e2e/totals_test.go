package e2e

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// bill is what was booked. Its sums are made here, from the rows and the calendar of the time package.
type bill struct {
	rows []domain.Entry
	zone *time.Location
	now  time.Time
}

// totalZones put their clocks forward and back in different weeks, one of them by half an hour, one of them in the other half of the year. Who looks is elsewhere.
var totalZones = []struct{ org, browser string }{{"America/New_York", "Asia/Kolkata"}, {"Europe/Berlin", "America/New_York"}, {"Australia/Lord_Howe", "Europe/Berlin"}}

// clockChanges are the last two changes of a zone's clocks that are at least five days old.
func clockChanges(t *testing.T, zone *time.Location, now time.Time) (list []time.Time) {
	t.Helper()
	for at := now.AddDate(0, 0, -5); len(list) < 2; {
		change, _ := at.In(zone).ZoneBounds()
		if change.IsZero() || now.Sub(change) > 500*24*time.Hour {
			t.Fatalf("%s has no two changes of its clocks within 500 days", zone)
		}
		list, at = append(list, change), change.Add(-time.Second)
	}
	return list
}

// crookedRows lie where days could be cut wrongly: around each change of the clocks, and at each local midnight about it, of this day, and of this month.
func crookedRows(t *testing.T, now time.Time) []domain.Entry {
	t.Helper()
	var moments, borders []time.Time
	for _, names := range totalZones {
		zone, err := time.LoadLocation(names.org)
		if err != nil {
			t.Fatal(err)
		}
		midnight := func(day time.Time, after int) time.Time {
			return time.Date(day.Year(), day.Month(), day.Day()+after, 0, 0, 0, 0, zone)
		}
		local := now.In(zone)
		first := time.Date(local.Year(), local.Month(), 1, 0, 0, 0, 0, zone)
		begins := []time.Time{midnight(local, 0), midnight(local, -1), midnight(local, -3), first, first.AddDate(0, -1, 0), first.AddDate(0, -2, 0)}
		for _, change := range clockChanges(t, zone, now) {
			for d := -3 * time.Hour; d <= 3*time.Hour; d += 11 * time.Minute {
				moments = append(moments, change.Add(d))
			}
			for day := -1; day <= 2; day++ {
				begins = append(begins, midnight(change.In(zone), day))
			}
		}
		for _, b := range begins {
			moments = append(moments, b.Add(-time.Microsecond), b, b.Add(time.Second))
		}
		borders = append(borders, time.Date(local.Year(), local.Month(), local.Day()-1, local.Hour(), local.Minute(), 0, 0, zone), time.Date(local.Year(), local.Month()-1, local.Day(), local.Hour(), local.Minute(), 0, 0, zone))
	}
	for back := 20 * time.Minute; back < 15*24*time.Hour; back += back/9 + time.Minute {
		moments = append(moments, now.Add(-back))
	}
	for _, span := range []time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour, 90 * 24 * time.Hour, 180 * 24 * time.Hour} {
		borders = append(borders, now.Add(-span))
	}
	callers := []domain.Caller{{Org: "acme", Team: "core", Service: "app"}, {Org: "acme", Team: "growth", Service: "mailer"}, {Org: "acme", Team: "research", Service: "notebook"}}
	var out []domain.Entry
	for i, at := range moments {
		moves := slices.ContainsFunc(borders, func(b time.Time) bool { return at.After(b.Add(-2*time.Minute)) && at.Before(b.Add(40*time.Minute)) }) // "until now" passes it while the test runs
		if moves || at.After(now) {
			continue
		}
		cost := domain.NanoUSD(i%7*1_000_000_007 + i%11*123_456_789 + i*314_159 + 1)
		e := domain.Entry{Call: domain.Call{ID: domain.NewCallID(at), At: at.UTC(), Caller: callers[i%3], Provider: "openai", Endpoint: "chat.completions", Model: []string{"gpt-5", "gpt-5-mini", "o4-mini", "gpt-4.1"}[i%4]},
			Asked: "gpt-5", Action: domain.Allow, Status: 200, Cost: cost, Source: domain.SourceMeter, Duration: time.Second, FirstByte: time.Second / 2}
		e.Usage[domain.InputTokens], e.Usage[domain.OutputTokens], e.Usage[domain.Requests] = int64(1000+i), int64(100+i), 1
		out = append(out, e)
	}
	return out
}

// sum adds what lies in [from, to) and fits.
func (b bill) sum(from, to time.Time, fits ...func(domain.Entry) bool) (cost domain.NanoUSD) {
	for _, e := range b.rows {
		if !e.At.Before(from) && e.At.Before(to) && !slices.ContainsFunc(fits, func(f func(domain.Entry) bool) bool { return !f(e) }) {
			cost += e.Cost
		}
	}
	return cost
}

// keyed adds what lies in [from, to) by keys of the rows.
func (b bill) keyed(from, to time.Time, keys ...func(domain.Entry) string) map[string]domain.NanoUSD {
	out := map[string]domain.NanoUSD{}
	for _, e := range b.rows {
		if !e.At.Before(from) && e.At.Before(to) {
			var parts []string
			for _, k := range keys {
				parts = append(parts, k(e))
			}
			out[strings.Join(parts, ",")] += e.Cost
		}
	}
	return out
}

func (b bill) day(e domain.Entry) string { return e.At.In(b.zone).Format(time.DateOnly) }

func (b bill) begin(days int) time.Time {
	local := b.now.In(b.zone)
	return time.Date(local.Year(), local.Month(), local.Day()+days, 0, 0, 0, 0, b.zone)
}

func (b bill) month(months int) time.Time {
	local := b.now.In(b.zone)
	return time.Date(local.Year(), local.Month()+time.Month(months), 1, 0, 0, 0, 0, b.zone)
}

// shows tells whether a text is an amount of dollars, rounded half up to the cent or finer.
func shows(text string, n domain.NanoUSD) bool {
	whole, part, _ := strings.Cut(strings.ReplaceAll(strings.TrimPrefix(text, "$"), ",", ""), ".")
	if !strings.HasPrefix(text, "$") || len(part) < 2 || len(part) > 9 {
		return false
	}
	unit := int64(math.Pow10(9 - len(part)))
	got, err := strconv.ParseInt(whole+part, 10, 64)
	return err == nil && got == (int64(n)+unit/2)/unit
}

// place is a view of the usage page, with what it is about.
type place struct {
	path, by string
	from, to time.Time
}

func (b bill) key(by string) func(domain.Entry) string {
	return map[string]func(domain.Entry) string{
		"day": b.day, "month": func(e domain.Entry) string { return e.At.In(b.zone).Format("2006-01") }, "team": func(e domain.Entry) string { return e.Caller.Team },
		"service": func(e domain.Entry) string { return e.Caller.Service }, "model": func(e domain.Entry) string { return e.Model },
	}[by]
}

func (b bill) places(changes []time.Time) (list []place) {
	for _, c := range changes {
		local := c.In(b.zone)
		at := func(days int) time.Time {
			return time.Date(local.Year(), local.Month(), local.Day()+days, 0, 0, 0, 0, b.zone)
		}
		for _, by := range []string{"day", "team", "model"} {
			path := fmt.Sprintf("/usage?from=%s&to=%s&by=%s", at(-2).Format(time.DateOnly), at(2).Format(time.DateOnly), by)
			list = append(list, place{path, by, at(-2), at(3)})
		}
	}
	soon := b.now.Add(time.Hour)
	return append(list, place{"/usage", "team", b.month(0), soon}, place{"/usage?period=last&by=day", "day", b.month(-1), b.month(0)}, place{"/usage?period=quarter&by=month", "month", b.now.Add(-90 * 24 * time.Hour), soon},
		place{"/usage?period=week&by=service", "service", b.now.Add(-7 * 24 * time.Hour), soon}, place{"/usage?period=day&by=model", "model", b.now.Add(-24 * time.Hour), soon})
}

// seenTotals is what totals.mjs prints.
type seenTotals struct {
	Errors  []string
	Tiles   map[string][]string
	Budgets []string
	Today   string
	Movers  [][]string
	Month   []string
	Usage   map[string]struct {
		Total      string
		Rows, Took [][]string
		Bars       []string
		CSV        string
	}
	Calls  map[string][][]string
	Limits [][]string
}

func TestTotalsOfEveryPageAreTheLedgersInThreeZones(t *testing.T) {
	chromium := needBrowser(t)
	const team = "{budget: [{usd: 100000/day}, {usd: 1000000/month, mode: soft}]}"
	const rules = "budget: [{usd: 200000/day}, {usd: 3000000/month}]\ntimezone: "
	g := open(t, mockapi.DefaultConfig(), team, rules+totalZones[0].org+"\n")
	ada := g.signedUp()
	st, err := store.Open(t.Context(), store.Options{DSN: domain.NewSecret(g.dsn), MaxConns: 2})
	g.must(err)
	defer st.Close()
	rows := crookedRows(t, time.Now().UTC())
	var records []domain.Record
	for i := range rows {
		records = append(records, domain.Record{Entry: &rows[i]})
	}
	g.must(st.Write(t.Context(), records))
	_, err = st.RefreshUsage(t.Context())
	g.must(err)
	counters := redis.NewClient(&redis.Options{Addr: g.redis})
	defer func() { _ = counters.Close() }()
	for _, names := range totalZones {
		t.Run(names.org, func(t *testing.T) {
			zone, err := time.LoadLocation(names.org)
			g.must(err)
			g.stop() // with empty counters: the limits' windows begin elsewhere now, and are counted from the ledger
			g.write("policies.yaml", g.policyOf(team, rules+names.org+"\n"))
			g.must(counters.FlushAll(t.Context()).Err())
			g.start()
			var session struct{ Zone string }
			ada.want(200, "GET", "/session", "", &session)
			if session.Zone != names.org {
				t.Fatalf("the organisation's zone is %s", session.Zone)
			}
			b := bill{rows, zone, time.Now()}
			if local := b.now.In(zone); local.Hour() == 23 && local.Minute() > 55 {
				t.Skip("the day ends while this test runs")
			}
			b.judge(t, g, chromium, names.browser)
		})
	}
}

// judge compares what a browser shows with the rows.
func (b bill) judge(t *testing.T, g *gateway, chromium, viewer string) {
	t.Helper()
	changes := clockChanges(t, b.zone, b.now)
	places := b.places(changes)
	var usage, calls []string
	for _, p := range places {
		usage = append(usage, p.path)
		if p.by == "day" && strings.Contains(p.path, "from=") {
			calls = append(calls, strings.Replace(strings.TrimSuffix(p.path, "&by=day"), "usage", "calls", 1))
		}
	}
	list := func(v []string) string { text, _ := json.Marshal(v); return string(text) }
	var saw seenTotals
	g.browse(chromium, "totals.mjs", &saw, "NAME=ada", "PASSWORD="+password, "ZONE="+viewer, "USAGE="+list(usage), "CALLS="+list(calls))
	for _, e := range saw.Errors {
		t.Errorf("the browser's console has an error: %s", e)
	}
	b.judgeOverview(t, saw)
	for _, p := range places {
		b.judgeUsage(t, saw, p)
	}
	elsewhere, err := time.LoadLocation(viewer)
	g.must(err)
	for i, path := range calls {
		local := changes[i].In(b.zone)
		b.judgeCalls(t, saw.Calls[path], path, time.Date(local.Year(), local.Month(), local.Day()-2, 0, 0, 0, 0, b.zone), time.Date(local.Year(), local.Month(), local.Day()+3, 0, 0, 0, 0, b.zone), elsewhere)
	}
	b.judgeLimits(t, saw)
}

func ofCore(e domain.Entry) bool { return e.Caller.Team == "core" }

func (b bill) judgeOverview(t *testing.T, saw seenTotals) {
	t.Helper()
	soon, local := b.now.Add(time.Hour), b.now.In(b.zone)
	yesterday := time.Date(local.Year(), local.Month(), local.Day()-1, local.Hour(), local.Minute(), 0, 0, b.zone)
	lastMonth := time.Date(local.Year(), local.Month()-1, local.Day(), local.Hour(), local.Minute(), 0, 0, b.zone)
	month, today := b.sum(b.month(0), soon), b.sum(b.begin(0), soon)
	for label, want := range map[string]struct {
		now, before domain.NanoUSD
	}{
		"This month": {month, b.sum(b.month(-1), earliest(b.month(0), lastMonth))}, "Today": {today, b.sum(b.begin(-1), earliest(b.begin(0), yesterday))},
	} {
		tile := saw.Tiles[label]
		if len(tile) != 2 || !shows(tile[0], want.now) || !strings.HasPrefix(tile[1], percent(want.now, want.before)) {
			t.Errorf("the tile %s shows %q, want %s and before it %s (%s)", label, tile, want.now, want.before, percent(want.now, want.before))
		}
	}
	if tile := saw.Tiles["Calls in the last hour"]; len(tile) != 2 || !shows(strings.TrimSuffix(tile[1], " in that hour"), b.sum(b.now.Add(-time.Hour), soon)) {
		t.Errorf("the last hour's tile shows %q, want %s", tile, b.sum(b.now.Add(-time.Hour), soon))
	}
	if _, amount, _ := strings.Cut(saw.Today, "\n"); !shows(strings.Fields(amount)[0], b.sum(b.now.Add(-24*time.Hour), soon)) {
		t.Errorf("the last 24 hours are %q, want %s", saw.Today, b.sum(b.now.Add(-24*time.Hour), soon))
	}
	movers := b.keyed(b.now.Add(-7*24*time.Hour), soon, b.key("service"), b.key("model"))
	either := b.keyed(b.now.Add(-14*24*time.Hour), soon, b.key("service"), b.key("model")) // what fell to nothing is one as well
	if len(saw.Movers) != min(8, len(either)) {
		t.Errorf("%d movers of %d are shown", len(saw.Movers), len(either))
	}
	for _, r := range saw.Movers {
		if want := movers[r[0]+","+r[1]]; !shows(r[2], want) {
			t.Errorf("the mover %q should be %s", r, want)
		}
	}
	if len(saw.Month) < local.Day() {
		t.Errorf("the month's chart has %d days at the %d.: %q", len(saw.Month), local.Day(), saw.Month)
	}
	for i, text := range saw.Month[:min(len(saw.Month), local.Day())] {
		until := time.Date(local.Year(), local.Month(), i+2, 0, 0, 0, 0, b.zone)
		lines := strings.Split(text, "\n")
		if want := b.sum(b.month(0), earliest(until, soon)); len(lines) < 3 || lines[1] != "Spent so far" || !shows(lines[2], want) {
			t.Errorf("the month's chart has %q for its day %d, want %s", text, i+1, want)
		}
	}
	for _, text := range saw.Budgets {
		b.judgeUse(t, text, strings.SplitN(text, "\n", 3)[1])
	}
	if len(saw.Budgets) != 4 {
		t.Errorf("the overview has %d budgets, want 4: %q", len(saw.Budgets), saw.Budgets)
	}
}

// judgeUse finds whose use a text tells.
func (b bill) judgeUse(t *testing.T, text, used string) {
	t.Helper()
	from := b.begin(0)
	if strings.Contains(text, "month") {
		from = b.month(0)
	}
	var fits []func(domain.Entry) bool
	if strings.Contains(text, "core") {
		fits = append(fits, ofCore)
	}
	used, _, _ = strings.Cut(used, " of ")
	if want := b.sum(from, b.now, fits...); !shows(used, want) {
		t.Errorf("the use of a limit is %q, want %s: %q", used, want, text)
	}
}

func (b bill) judgeLimits(t *testing.T, saw seenTotals) {
	t.Helper()
	if len(saw.Limits) != 4 {
		t.Errorf("%d limits are shown, want 4: %q", len(saw.Limits), saw.Limits)
	}
	for _, r := range saw.Limits {
		b.judgeUse(t, r[0], r[2])
	}
}

func (b bill) judgeUsage(t *testing.T, saw seenTotals, p place) {
	t.Helper()
	got := saw.Usage[p.path]
	total := b.sum(p.from, p.to)
	if _, amounts, _ := strings.Cut(got.Total, "\n"); len(strings.Fields(amounts)) == 0 || !shows(strings.Fields(amounts)[0], total) {
		t.Errorf("%s has the total %q, want %s", p.path, got.Total, total)
	}
	want := b.keyed(p.from, p.to, b.key(p.by))
	shown := map[string]string{}
	for _, r := range got.Rows {
		shown[r[0]] = r[1]
	}
	for k, sum := range want {
		if !shows(shown[k], sum) {
			t.Errorf("%s has %q for %s, want %s", p.path, shown[k], k, sum)
		}
	}
	if len(shown) != len(want) {
		t.Errorf("%s has rows for %v, want %v", p.path, slices.Sorted(maps.Keys(shown)), slices.Sorted(maps.Keys(want)))
	}
	n := 0
	for _, e := range b.rows {
		if !e.At.Before(p.from) && e.At.Before(p.to) {
			n++
		}
	}
	if last := got.Took[len(got.Took)-1]; last[0] != "all" || last[1] != strconv.Itoa(n) {
		t.Errorf("%s tells how long %q took, want %d calls", p.path, last, n)
	}
	if len(got.Bars) > 0 {
		b.judgeBars(t, p, got.Bars)
	}
	if p.path == "/usage?period=day&by=model" { // a file of hours
		return
	}
	b.judgeFile(t, p, got.CSV)
}

// judgeBars reads the chart's tooltips: a day, and then names and amounts.
func (b bill) judgeBars(t *testing.T, p place, bars []string) {
	t.Helper()
	days := 0
	for at := p.from; at.Before(p.to); days++ {
		next := time.Date(at.Year(), at.Month(), at.Day()+1, 0, 0, 0, 0, b.zone)
		if days >= len(bars) {
			break
		}
		lines := strings.Split(bars[days], "\n")
		if lines[0] != at.Format("Jan 2") {
			t.Errorf("%s: the bar %d is %q, want %s", p.path, days, bars[days], at.Format("Jan 2"))
		}
		want := map[string]domain.NanoUSD{"none": b.sum(at, next)}
		if p.by != "day" {
			want = b.keyed(at, next, b.key(p.by))
		}
		for i := 1; i+1 < len(lines); i += 2 {
			if !shows(lines[i+1], want[lines[i]]) {
				t.Errorf("%s: the bar of %s has %s for %s, want %s", p.path, lines[0], lines[i+1], lines[i], want[lines[i]])
			}
			delete(want, lines[i])
		}
		for k, v := range want {
			if v != 0 {
				t.Errorf("%s: the bar of %s misses %s of %s: %q", p.path, lines[0], v, k, bars[days])
			}
		}
		at = next
	}
	if days != 5 || len(bars) != 5 {
		t.Errorf("%s has %d bars, want 5: %q", p.path, len(bars), bars)
	}
}

// judgeFile reads the exported file, which has exact amounts.
func (b bill) judgeFile(t *testing.T, p place, text string) {
	t.Helper()
	lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(lines) == 0 {
		t.Errorf("%s: %v: %q", p.path, err, text)
		return
	}
	keys := []func(domain.Entry) string{b.day}
	if p.by != "day" && p.by != "month" {
		keys = append(keys, b.key(p.by))
	}
	want := b.keyed(p.from, p.to, keys...)
	for _, l := range lines[1:] {
		key := strings.Join(l[:len(keys)], ",")
		if sum, ok := want[key]; !ok || !shows("$"+l[len(l)-1], sum) {
			t.Errorf("the file of %s has %s for %s, want %s", p.path, l[len(l)-1], key, sum)
		}
	}
	if len(lines)-1 != len(want) {
		t.Errorf("the file of %s has %d rows, want %d", p.path, len(lines)-1, len(want))
	}
}

// judgeCalls compares single calls, newest first, at the viewer's clock.
func (b bill) judgeCalls(t *testing.T, shown [][]string, path string, from, to time.Time, viewer *time.Location) {
	t.Helper()
	var want []domain.Entry
	for _, e := range b.rows {
		if !e.At.Before(from) && e.At.Before(to) {
			want = append(want, e)
		}
	}
	sum := domain.NanoUSD(0)
	for _, r := range shown {
		when := strings.ReplaceAll(r[0], "\u202f", " ")
		i := slices.IndexFunc(want, func(e domain.Entry) bool {
			return e.At.In(viewer).Format("Jan 2, 2006, 3:04:05 PM") == when && strings.HasPrefix(r[1], e.Caller.Service) && shows(r[7], e.Cost)
		})
		if i < 0 {
			t.Errorf("%s shows %q, which was not booked", path, r)
			continue
		}
		sum += want[i].Cost
		want = slices.Delete(want, i, i+1)
	}
	if len(want) > 0 || sum != b.sum(from, to) || len(shown) == 0 {
		t.Errorf("%s: %d calls are shown, %d are missing: %s of %s", path, len(shown), len(want), sum, b.sum(from, to))
	}
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// percent is a change in tenths of a percent, cut.
func percent(now, before domain.NanoUSD) string {
	if before == 0 {
		return "nothing"
	}
	tenths := int64(now-before) * 1000 / int64(before)
	sign := "+"
	if tenths < 0 {
		sign, tenths = "−", -tenths
	}
	return fmt.Sprintf("%s%d.%d", sign, tenths/10, tenths%10)
}
