package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// ledger writes 6 calls: two services in turn, one of them refused, one estimated, the last
// an hour and a day later than the first.
func ledger(t *testing.T, s *Store) []sentinel.Entry {
	t.Helper()
	var rs []sentinel.Record
	var entries []sentinel.Entry
	for n := range 6 {
		e := entry(n, 0, sentinel.SourceMeter)
		switch n {
		case 1:
			e.Action, e.Reason, e.Status = sentinel.Throttle, sentinel.ReasonRate, 429
		case 2:
			e = entry(n, 0, sentinel.SourceReconciler)
		case 4:
			e.At = e.At.Add(time.Hour)
		case 5:
			e.At = e.At.AddDate(0, 0, 1)
		}
		entries, rs = append(entries, e), append(rs, ofEntry(e))
	}
	if err := s.Write(t.Context(), rs); err != nil {
		t.Fatal(err)
	}
	return entries
}

// sum does in Go what Usage does in SQL.
func sum(entries []sentinel.Entry, keys []string, pick func(sentinel.Entry) bool) UsageRow {
	r := UsageRow{Keys: keys}
	for _, e := range entries {
		if !pick(e) {
			continue
		}
		r.Calls++
		if e.Action.Refused() {
			r.Refused++
		}
		if e.Action == sentinel.Downgrade {
			r.Downgraded++
		}
		if e.Estimated() {
			r.Estimated++
		}
		r.InputTokens += e.Usage.InputTokenSum()
		r.CachedInputTokens += e.Usage[sentinel.CachedInputTokens]
		r.OutputTokens += e.Usage.OutputTokenSum()
		r.Cost += e.Cost
	}
	return r
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// The sums by hour serve days of every zone; of hours within which a day begins, those by minute.
func TestDaysOfAZoneAreSummedFromFineEnoughSums(t *testing.T) {
	from := time.Date(2026, 4, 3, 0, 0, 0, 0, time.UTC)
	for name, want := range map[string]struct {
		table  string
		broken []string
	}{
		"UTC": {"usage_1d", nil}, "America/New_York": {"usage_1h", nil}, "Asia/Kolkata": {"usage_1h", []string{"03 18", "04 18", "05 18"}},
		"Australia/Lord_Howe": {"usage_1h", []string{"05 13"}}, // from an offset of 11 hours to one of 10:30
	} {
		q := UsageQuery{From: from, To: from.AddDate(0, 0, 3), By: []string{"day"}, Rolled: true, Zone: zone(t, name)}
		if table, err := q.table(); err != nil || table.name != want.table {
			t.Errorf("days of %s come from %s, %v; want %s", name, table.name, err, want.table)
		}
		var broken []string
		for _, h := range q.brokenHours() {
			broken = append(broken, h.Format("02 15"))
		}
		if !slices.Equal(broken, want.broken) {
			t.Errorf("hours within which days of %s begin: %q, want %q", name, broken, want.broken)
		}
		if q.From = (time.Time{}); name == "Asia/Kolkata" {
			if table, err := q.table(); err != nil || table.name != "usage_1m" {
				t.Errorf("days of %s without a begin come from %s, %v", name, table.name, err)
			}
		}
	}
}

// Rows at each half hour of five days: sums by day are the same from the sums, from the entries and by Go's calendar, in zones whose days begin within an hour
// of UTC, and where clocks go forward at midnight.
func TestSumsByDayAreThoseOfTheEntriesInEveryZone(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		april := time.Date(2026, 4, 2, 0, 0, 0, 0, time.UTC)
		zones := map[string]time.Time{"UTC": april, "Asia/Kolkata": april, "Asia/Kathmandu": april, "Australia/Lord_Howe": april, "America/St_Johns": april, "America/New_York": april,
			"Africa/Cairo": april.AddDate(0, 0, 20)} // the 24th begins at 1:00
		var records []sentinel.Record
		for i := range 25 * 48 {
			e := sentinel.Entry{Call: sentinel.Call{At: april.Add(time.Duration(i)*30*time.Minute - time.Microsecond*time.Duration(i%2)), Caller: sentinel.Caller{Org: "acme", Team: "core", Service: "app"}}, Cost: sentinel.NanoUSD(i*i + 1), Status: 200}
			e.ID = sentinel.NewCallID(e.At)
			records = append(records, sentinel.Record{Entry: &e})
		}
		if err := s.Write(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		if _, err := s.RefreshUsage(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, from := range zones {
			q := UsageQuery{From: from.Add(time.Hour), To: from.AddDate(0, 0, 5), By: []string{"day", "team"}, Zone: zone(t, name)}
			var want []UsageRow
			for _, r := range records {
				day := r.Entry.At.In(q.Zone).Format(time.DateOnly)
				if r.Entry.At.Before(q.From) || !r.Entry.At.Before(q.To) {
					continue
				}
				if len(want) == 0 || want[len(want)-1].Keys[0] != day {
					want = append(want, UsageRow{Keys: []string{day, "core"}})
				}
				want[len(want)-1].Calls++
				want[len(want)-1].Cost += r.Entry.Cost
			}
			for _, q.Rolled = range []bool{false, true} {
				got, err := s.Usage(t.Context(), q)
				if diff := cmp.Diff(want, got); err != nil || diff != "" || len(got) < 5 {
					t.Errorf("days of %s, from the sums %v: error %v (-want +got)\n%s", name, q.Rolled, err, diff)
				}
			}
		}
	})
}

func TestUsageSumsByAnyDimension(t *testing.T) {
	berlin, auckland := zone(t, "Europe/Berlin"), zone(t, "Pacific/Auckland")
	onEach(t, func(t *testing.T, s *Store) {
		entries := ledger(t, s)
		all := func(sentinel.Entry) bool { return true }
		service := func(name string) func(sentinel.Entry) bool {
			return func(e sentinel.Entry) bool { return e.Caller.Service == name }
		}
		day := func(d int) func(sentinel.Entry) bool {
			return func(e sentinel.Entry) bool { return e.At.Day() == d }
		}
		hour := func(d, h int) func(sentinel.Entry) bool {
			return func(e sentinel.Entry) bool { return e.At.Day() == d && e.At.Hour() == h }
		}
		for name, tt := range map[string]struct {
			query UsageQuery
			want  []UsageRow
		}{
			"all": {UsageQuery{}, []UsageRow{sum(entries, []string{}, all)}},
			"by service, dearest first": {UsageQuery{By: []string{"service"}}, []UsageRow{
				sum(entries, []string{"summariser"}, service("summariser")), sum(entries, []string{"checkout"}, service("checkout"))}},
			"by day, in time": {UsageQuery{By: []string{"day"}}, []UsageRow{
				sum(entries, []string{"2026-11-23"}, day(23)), sum(entries, []string{"2026-11-24"}, day(24))}},
			"by day of a zone": {UsageQuery{By: []string{"day"}, Zone: berlin}, []UsageRow{
				sum(entries, []string{"2026-11-23"}, day(23)), sum(entries, []string{"2026-11-24"}, day(24))}},
			"by day where noon is tomorrow": {UsageQuery{By: []string{"month", "day"}, Zone: auckland}, []UsageRow{
				sum(entries, []string{"2026-11", "2026-11-24"}, day(23)), sum(entries, []string{"2026-11", "2026-11-25"}, day(24))}},
			"a zone that does not matter": {UsageQuery{By: []string{"minute"}, Zone: berlin, Filter: map[string]string{"hour": "2026-11-24T12:00Z"}}, []UsageRow{
				sum(entries, []string{"2026-11-24T12:00Z"}, day(24))}},
			"by minute": {UsageQuery{By: []string{"minute"}, Filter: map[string]string{"day": "2026-11-24"}}, []UsageRow{
				sum(entries, []string{"2026-11-24T12:00Z"}, day(24))}},
			"by team and hour": {UsageQuery{By: []string{"hour", "org"}}, []UsageRow{
				sum(entries, []string{"2026-11-23T12:00Z", "acme"}, hour(23, 12)),
				sum(entries, []string{"2026-11-23T13:00Z", "acme"}, hour(23, 13)),
				sum(entries, []string{"2026-11-24T12:00Z", "acme"}, hour(24, 12))}},
			"from is in, to is out": {UsageQuery{From: entries[0].At, To: entries[3].At}, []UsageRow{sum(entries[:3], []string{}, all)}},
			"a filter": {UsageQuery{By: []string{"action"}, Filter: map[string]string{"source": "meter", "service": "checkout"}}, []UsageRow{
				sum(entries, []string{"downgrade"}, func(e sentinel.Entry) bool {
					return e.Source == sentinel.SourceMeter && e.Caller.Service == "checkout"
				})}},
			"one of several values": {UsageQuery{By: []string{"service"}, Among: map[string][]string{"service": {"checkout", "none", "'"}, "org": {"acme"}}}, []UsageRow{
				sum(entries, []string{"checkout"}, service("checkout"))}},
			"one of no values":           {UsageQuery{By: []string{"service"}, Among: map[string][]string{"service": {}}}, nil},
			"a filter that is an attack": {UsageQuery{By: []string{"org"}, Filter: map[string]string{"org": "acme' OR '1'='1"}}, nil},
			"a limit": {UsageQuery{By: []string{"service"}, Limit: 1}, []UsageRow{
				sum(entries, []string{"summariser"}, service("summariser"))}},
			"nothing": {UsageQuery{To: noon.AddDate(-1, 0, 0)}, []UsageRow{{Keys: []string{}}}},
		} {
			got, err := s.Usage(t.Context(), tt.query)
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("%s: Usage(%+v) error %v, (-want +got)\n%s", name, tt.query, err, diff)
			}
		}
		for _, by := range Dimensions() {
			got, err := s.Usage(t.Context(), UsageQuery{By: []string{by}, Filter: map[string]string{by: "x"}})
			if err != nil || len(got) != 0 {
				t.Errorf("Usage by %s = %v, %v", by, got, err)
			}
		}
	})
}

func TestUsageTakesNamesFromAFixedList(t *testing.T) {
	for name, q := range map[string]UsageQuery{
		"unknown":          {By: []string{"hold"}},
		"sql":              {By: []string{"org; DROP TABLE entries"}},
		"twice":            {By: []string{"org", "org"}},
		"among":            {Among: map[string][]string{"1=1 OR org": {"x"}}},
		"filter":           {Filter: map[string]string{"1=1 OR org": "x"}},
		"case is not kept": {By: []string{"Org"}},
	} {
		if sql, _, err := q.build(); err == nil {
			t.Errorf("%s: %+v = %s, want an error", name, q, sql)
		}
	}
}

func TestEntriesAreFilteredNewestFirst(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		entries := ledger(t, s)
		for name, tt := range map[string]struct {
			query EntryQuery
			want  []int
		}{
			"all":     {EntryQuery{}, []int{5, 4, 3, 2, 1, 0}},
			"limit":   {EntryQuery{Limit: 2}, []int{5, 4}},
			"service": {EntryQuery{Filter: map[string]string{"service": "checkout"}}, []int{4, 2, 0}},
			"call":    {EntryQuery{CallID: entries[3].ID}, []int{3}},
			"page":    {EntryQuery{Before: EntryKey{entries[3].At, entries[3].ID, entries[3].Attempt}, Limit: 2}, []int{2, 1}},
			"range":   {EntryQuery{From: entries[1].At, To: entries[3].At}, []int{2, 1}},
		} {
			got, err := s.Entries(t.Context(), tt.query)
			var want []sentinel.Entry
			for _, n := range tt.want {
				want = append(want, entries[n])
			}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: Entries(%+v) error %v, (-want +got)\n%s", name, tt.query, err, diff)
			}
		}
	})
}

func ExampleUsageQuery() {
	q := UsageQuery{By: []string{"team", "day"}, Filter: map[string]string{"provider": "openai"}, Limit: 10}
	_, args, err := q.build()
	fmt.Println(args, err)
	// Output: [openai 10] <nil>
}

func TestEachEntryReadsThePeriodInOrder(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		entries := ledger(t, s)
		var got []sentinel.Entry
		err := s.EachEntry(t.Context(), entries[0].At, entries[5].At, func(e sentinel.Entry) error {
			got = append(got, e)
			return nil
		})
		if err != nil || len(got) != 5 {
			t.Fatalf("%d entries, %v; want 5", len(got), err)
		}
		for i := range got[1:] {
			if got[i+1].At.Before(got[i].At) {
				t.Errorf("entry %d is before the one before it", i+1)
			}
		}
		if diff := cmp.Diff(entries[0], got[0], cmpopts.EquateApproxTime(time.Microsecond)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if err := s.EachEntry(t.Context(), entries[5].At, entries[0].At, nil); err == nil {
			t.Error("a period that ends before it begins was read")
		}
	})
}

func TestKnownFindsEntriesAndIntentsByTheirIds(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		at := noon.Add(123456 * time.Microsecond)
		e, i := entry(1, 0, sentinel.SourceMeter), intent(2, "boot-1")
		e.At, i.At = at, at.Add(time.Hour)
		e.ID, i.ID = sentinel.CallIDOf(e.At, "a"), sentinel.CallIDOf(i.At, "b")
		if err := s.Write(t.Context(), []sentinel.Record{ofEntry(e), ofIntent(i)}); err != nil {
			t.Fatal(err)
		}
		strange := sentinel.CallIDOf(at, "c")
		known, err := s.Known(t.Context(), []sentinel.CallID{i.ID, strange, e.ID})
		if err != nil || len(known) != 2 || !known[e.ID] || !known[i.ID] || known[strange] {
			t.Errorf("Known() = %v, %v", known, err)
		}
		if known, err := s.Known(t.Context(), nil); err != nil || len(known) != 0 {
			t.Errorf("Known() of nothing = %v, %v", known, err)
		}
	})
}
