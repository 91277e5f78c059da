package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// TestRowsOfEveryEarlierSchemaComeThrough writes rows into every table of each earlier schema, migrates up, reads them with today's code, goes down
// to that schema and up again. Whatever both schemas have is the same, row by row and column by column.
func TestRowsOfEveryEarlierSchemaComeThrough(t *testing.T) {
	earlier := versionsOfSchema(t)
	earlier = earlier[:len(earlier)-1]
	for name := range servers {
		t.Run(name, func(t *testing.T) {
			s := connect(t, name)
			for _, version := range earlier {
				t.Run(strconv.FormatInt(version, 10), func(t *testing.T) { comesThrough(t, s, version) })
			}
		})
	}
}

func comesThrough(t *testing.T, s *Store, version int64) {
	upTo(t, s, version)
	fill(t, s, version)
	columns := tables(t, s)
	want := rowsOf(t, s, columns)
	for table, rows := range want {
		if len(rows) == 0 {
			t.Fatalf("schema %d has no rows in %s: add some to testdata/every-table.sql", version, table)
		}
	}
	for _, step := range []string{"up", "down", "up again"} {
		if step == "down" {
			if err := s.Down(t.Context(), version); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(columns, tables(t, s)); diff != "" {
				t.Errorf("schema %d after a step down is not what it was (-was +is)\n%s", version, diff)
			}
		} else if _, err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, rowsOf(t, s, columns)); diff != "" {
			t.Fatalf("from schema %d %s: (-written +there)\n%s", version, step, diff)
		}
		if step != "down" {
			readByToday(t, s, version)
		}
	}
}

// versionsOfSchema are those of the migrations, in their order.
func versionsOfSchema(t *testing.T) (versions []int64) {
	t.Helper()
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		digits, _, _ := strings.Cut(f.Name(), "_")
		version, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, version)
	}
	return versions
}

// upTo makes the schema of an earlier release by its own migrations, without a row.
func upTo(t *testing.T, s *Store, version int64) {
	t.Helper()
	if err := s.Down(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.installTimescale(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, done, err := s.provider()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if _, err := p.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
}

var since = regexp.MustCompile(`(?m)^-- since (\d+)\n`)

// fill writes the rows of testdata/every-table.sql that a schema has tables for.
func fill(t *testing.T, s *Store, version int64) {
	t.Helper()
	text, err := os.ReadFile("testdata/every-table.sql")
	if err != nil {
		t.Fatal(err)
	}
	marks, parts := since.FindAllStringSubmatch(string(text), -1), since.Split(string(text), -1)[1:]
	for i, part := range parts {
		if from, err := strconv.ParseInt(marks[i][1], 10, 64); err != nil || from > version {
			continue
		}
		if _, err := s.pool.Exec(context.Background(), part, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("since %s: %v", marks[i][1], err)
		}
	}
}

// tables are the columns of every table that is not made from others: sums and what they wait for are.
func tables(t *testing.T, s *Store) map[string][]string {
	t.Helper()
	rows, err := s.pool.Query(t.Context(), `SELECT relname, array_agg(attname::text ORDER BY attname)
		FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
		WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace AND relname <> 'goose_db_version' AND relname NOT LIKE 'usage%'
		GROUP BY relname`)
	if err != nil {
		t.Fatal(err)
	}
	found, name, columns := map[string][]string{}, "", []string(nil)
	if _, err := pgx.ForEachRow(rows, []any{&name, &columns}, func() error { found[name] = slices.Clone(columns); return nil }); err != nil {
		t.Fatal(err)
	}
	return found
}

// rowsOf are the rows of tables as text, by some of their columns.
func rowsOf(t *testing.T, s *Store, columns map[string][]string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for table, names := range columns {
		quoted := make([]string, len(names))
		for i, name := range names {
			quoted[i] = pgx.Identifier{name}.Sanitize()
		}
		rows, err := s.pool.Query(t.Context(), fmt.Sprintf(`SELECT to_jsonb(r)::text FROM (SELECT %s FROM %s) AS r ORDER BY 1`, strings.Join(quoted, ", "), pgx.Identifier{table}.Sanitize()))
		if err != nil {
			t.Fatal(err)
		}
		if found[table], err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
	}
	return found
}

// readByToday reads what an earlier schema wrote as this release does, as far as that schema had it.
func readByToday(t *testing.T, s *Store, version int64) {
	t.Helper()
	refresh(t, s)
	sameSums(t, s, fmt.Sprintf("from schema %d", version))
	ctx, cost := t.Context(), sentinel.NanoUSD(0)
	entries, err := s.Entries(ctx, EntryQuery{Limit: 1000})
	for _, e := range entries {
		cost += e.Cost
	}
	if want := sentinel.NanoUSD(120*123_456_789 + 1000*120*121/2); err != nil || len(entries) != 120 || cost != want {
		t.Errorf("Entries() = %d for %s, %v, want 120 for %s", len(entries), cost, err, want)
	}
	usage, err := s.Usage(ctx, UsageQuery{Rolled: true})
	if err != nil || len(usage) != 1 || usage[0].Cost != cost || usage[0].Calls != 120 {
		t.Errorf("Usage() = %+v, %v, want 120 calls for %s", usage, err, cost)
	}
	long := time.Now().Add(time.Hour)
	for name, tt := range map[string]struct {
		since int64
		read  func() (int, error)
		want  int
	}{
		"open calls": {1, func() (int, error) {
			list, err := s.Pending(ctx, PendingQuery{Instance: "boot-1", OwnBefore: long})
			return len(list), err
		}, 5},
		"incidents": {12, func() (int, error) {
			list, err := s.Incidents(ctx, sentinel.IncidentQuery{Open: true, Limit: 10})
			return len(list), err
		}, 1},
		"history":  {12, func() (int, error) { list, err := s.History(ctx, "budget/team core", 10); return len(list), err }, 2},
		"messages": {12, func() (int, error) { list, err := s.AlertMessages(ctx, 0, 10); return len(list), err }, 2},
		"audit": {13, func() (n int, err error) {
			for _, err := range s.Audit(ctx) {
				if err != nil {
					return 0, err
				}
				n++
			}
			return n, nil
		}, 2},
		"accounts": {41, func() (int, error) { list, err := s.Accounts(ctx); return len(list), err }, 2},
		"tokens":   {61, func() (int, error) { list, _, err := s.ServiceTokens(ctx); return len(list), err }, 1},
		"scores":   {85, func() (int, error) { list, err := s.UnusualScores(ctx, noon.AddDate(0, 0, -1)); return len(list), err }, 9},
		"models":   {86, func() (int, error) { list, err := s.Models(ctx); return len(list), err }, 1},
		"silences": {91, func() (int, error) {
			list, err := s.Silences(ctx, sentinel.Cursor{}, sentinel.MaxSilences)
			return len(list), err
		}, 1},
		"policies": {132, func() (int, error) {
			list, err := s.PolicyText(ctx, "beef")
			if errors.Is(err, sentinel.ErrNoPolicyVersion) {
				err = nil
			}
			return len(list), err
		}, 1},
		"changes":   {132, func() (int, error) { list, err := s.PolicyChanges(ctx, 0, 10); return len(list), err }, 2},
		"proposals": {141, func() (int, error) { list, err := s.Proposals(ctx, 0, 10); return len(list), err }, 2},
		"bodies":    {142, func() (int, error) { list, err := s.Bodies(ctx, BodyQuery{}); return len(list), err }, 3},
		"spools":    {145, func() (int, error) { list, err := s.Spools(ctx, "redis:7000"); return len(list), err }, 1},
	} {
		want := tt.want
		if tt.since > version {
			want = 0
		}
		if n, err := tt.read(); err != nil || n != want {
			t.Errorf("from schema %d this release reads %d %s, %v, want %d", version, n, name, err, want)
		}
	}
}
