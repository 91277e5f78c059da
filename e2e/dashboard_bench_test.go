package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// visited is what visits.mjs tells of one visit. Times are milliseconds since it began.
type visited struct {
	Rest, Requests, Deep, Took int
	Slowest                    string
	Sent, Script               int64 // bytes of JavaScript: over the line, and as stored
	Paths                      []string
}

// filled are the sums of a ledger. Of kinds of calls a quarter has some each hour; those of the last two days are known by the minute.
type filled struct {
	days, kinds, calls int // calls in an hour of a kind
}

// fill writes the sums by SQL: those by day and of the last days' hours are sums of the finer ones, as in a ledger that grew.
func (f filled) fill(t testing.TB, db *pgx.Conn) (calls int64) {
	t.Helper()
	var units, sums []string
	for u := range domain.Unit(domain.UnitCount) {
		units, sums = append(units, u.String()), append(sums, "sum("+u.String()+")::bigint")
	}
	const kind = `'acme', 'team-' || k % 20, 'service-' || k % 100, 'provider-' || k % 10, 'chat.completions', 'model-' || k / 50, '', CASE WHEN k % 50 = 7 THEN 'downgrade' ELSE 'allow' END, ''`
	const columns = `bucket, org, team, service, provider, endpoint, model, tier, action, tags`
	into := `(` + columns + `, calls, estimated, cost_nusd, ` + strings.Join(units, ", ") + `)`
	figures := func(n string) string {
		return n + `, ` + n + ` / 20, ` + n + ` * (1000003 + k * 7919::bigint)` + strings.Repeat(`, `+n+` * 10`, len(units))
	}
	again := func(from, to, width string) string {
		return `INSERT INTO ` + to + ` ` + into + ` SELECT date_trunc('` + width + `', bucket, 'UTC') AS b, org, team, service, provider, endpoint, model, tier, action, tags, sum(calls), sum(estimated), sum(cost_nusd), ` +
			strings.Join(sums, ", ") + ` FROM ` + from + ` GROUP BY b, org, team, service, provider, endpoint, model, tier, action, tags`
	}
	hour := time.Now().UTC().Truncate(time.Hour)
	edge := hour.Add(-48 * time.Hour)
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{`INSERT INTO usage_1m ` + into + ` SELECT $1::timestamptz + m * INTERVAL '1 minute', ` + kind + `, ` + figures(fmt.Sprintf("(1 + %d / 60 * 5)", f.calls)) +
			fmt.Sprintf(` FROM generate_series(0, $2::int) m, generate_series(0, %d) k WHERE k %% 20 = m %% 20`, f.kinds-1), []any{edge, int(time.Since(edge).Minutes()) - 5}},
		{again("usage_1m", "usage_1h", "hour"), nil},
		{`INSERT INTO usage_1h ` + into + ` SELECT $1::timestamptz + h * INTERVAL '1 hour', ` + kind + `, ` + figures(fmt.Sprint(f.calls)) +
			fmt.Sprintf(` FROM generate_series(0, $2::int) h, generate_series(0, %d) k WHERE k %% 4 = h %% 4`, f.kinds-1), []any{edge.AddDate(0, 0, -f.days), f.days*24 - 1}},
		{again("usage_1h", "usage_1d", "day"), nil},
	} {
		if _, err := db.Exec(t.Context(), step.sql, step.args...); err != nil {
			t.Fatalf("%s: %v", step.sql, err)
		}
	}
	for _, table := range []string{"usage_1m", "usage_1h", "usage_1d", "entries"} {
		if _, err := db.Exec(t.Context(), "VACUUM ANALYZE "+table); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.QueryRow(t.Context(), `SELECT sum(calls)::bigint FROM usage_1d`).Scan(&calls); err != nil {
		t.Fatal(err)
	}
	return calls
}

// single are calls of the last hours, so that pages of single calls have some.
func single(n int) []domain.Record {
	rng, now := rand.New(rand.NewPCG(1, 1)), time.Now().UTC()
	out := make([]domain.Record, n)
	for i := range out {
		out[i] = ledgerEntry(rng, i)
		e := out[i].Entry
		e.At = now.Add(-time.Duration(i+100) * time.Second)
		e.ID = domain.NewCallID(e.At)
	}
	return out
}

var visitedPages = []string{"/", "/usage", "/usage?period=quarter&by=service", "/usage?period=week&by=model&filter=team:team-3", "/calls", "/limits", "/policy", "/anomalies", "/alerts", "/providers", "/audit", "/connect", "/settings"}

// With DASHBOARD_BENCH, the file for the figures, the sums hold 100 million calls; without it a short ledger, of which counts alone are judged.
func TestPagesAskLittleOfALargeLedger(t *testing.T) {
	chromium := needBrowser(t)
	report := os.Getenv("DASHBOARD_BENCH")
	size, rows := filled{days: 3, kinds: 200, calls: 60}, 300
	if report != "" {
		size, rows = filled{days: 90, kinds: 2000, calls: 95}, 20_000
	}
	g := open(t, mockapi.DefaultConfig(), "{budget: [{usd: 900000000/month, warn_at: [80%]}, {usd: 90000000/day}]}", "timezone: America/New_York\n")
	g.signedUp()
	st, err := store.Open(t.Context(), store.Options{DSN: domain.NewSecret(g.dsn), MaxConns: 2})
	g.must(err)
	defer st.Close()
	db, err := pgx.Connect(t.Context(), g.dsn)
	g.must(err)
	defer func() { _ = db.Close(t.Context()) }()
	calls := size.fill(t, db)
	g.must(st.Write(t.Context(), single(rows)))
	_, err = st.RefreshUsage(t.Context())
	g.must(err)
	pages, err := json.Marshal(visitedPages)
	g.must(err)
	var saw []struct {
		Path          string
		First, Second visited
	}
	g.browse(chromium, "visits.mjs", &saw, "NAME=ada", "PASSWORD="+password, "PAGES="+string(pages))
	var table strings.Builder
	fmt.Fprintf(&table, "# The dashboard\n\nWritten by `make dashboard-bench`, one run, everything on one machine, on real PostgreSQL: %.1f million calls in the ledger's sums, of %d kinds in %d days, in an organisation of New York.\n"+
		"At rest is when nothing is on its way and no skeleton is shown, since the visit's begin; the second visit has the scripts in the browser's cache, and asks for all figures again.\n\n"+
		"| page | at rest, first visit | second visit | goal | requests | one after the other | slowest | JavaScript sent, first visit |\n|---|---|---|---|---|---|---|---|\n", float64(calls)/1e6, size.kinds, size.days)
	for _, p := range saw {
		mark := ""
		if p.Second.Rest >= 1000 {
			mark = " (**not reached**)"
		}
		fmt.Fprintf(&table, "| `%s` | %d ms | %d ms | < 1 s%s | %d | %d | `%s` %d ms | %d KB |\n", p.Path, p.First.Rest, p.Second.Rest, mark, p.Second.Requests, p.Second.Deep, strings.TrimPrefix(p.Second.Slowest, "/api/v1"), p.Second.Took, p.First.Sent/1000)
		if p.Second.Requests > 14 || p.Second.Requests == 0 {
			t.Errorf("%s makes %d requests, want 1 to 14: %q", p.Path, p.Second.Requests, p.Second.Paths)
		}
		if sorted := slices.Sorted(slices.Values(p.Second.Paths)); len(slices.Compact(slices.Clone(sorted))) < len(sorted)-4 {
			t.Errorf("%s asks again and again: %q", p.Path, p.Second.Paths)
		}
		if p.First.Sent > 250_000 {
			t.Errorf("%s loads %d bytes of JavaScript on its first visit, want at most 250,000", p.Path, p.First.Sent)
		}
		if p.Second.Sent > 20_000 { // what is not cached is headers
			t.Errorf("%s loads %d bytes of JavaScript on its second visit", p.Path, p.Second.Sent)
		}
	}
	t.Logf("\n%s", table.String())
	if report != "" {
		g.must(os.WriteFile(report, []byte(table.String()), 0o644))
	}
}
