package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/pgtest"
	"github.com/saas-sentinel/saas-sentinel/spool"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// ledgerEntry is the n-th call of a company: two dozen services, a handful of models, usage as real calls have it.
func ledgerEntry(rng *rand.Rand, n int) domain.Record {
	at := time.Now().UTC().Truncate(24 * time.Hour).Add(time.Duration(n) * 50 * time.Millisecond)
	e := domain.Entry{Call: domain.Call{ID: domain.NewCallID(at), At: at, Provider: "openai", Endpoint: "chat.completions", Stream: n%3 == 0},
		Action: domain.Allow, Status: 200, PriceVersion: "2026-11-01", PolicyVersion: "3f786850e387550f", Source: domain.SourceMeter}
	service := rng.IntN(24)
	e.Caller = domain.Caller{Org: "acme", Team: fmt.Sprintf("team-%d", service%6), Service: fmt.Sprintf("service-%d", service)}
	e.Model = []string{"gpt-5", "gpt-5-mini", "gpt-5-nano"}[rng.IntN(3)]
	e.Asked = e.Model
	e.Usage = domain.Usage{domain.Requests: 1, domain.InputTokens: 200 + rng.Int64N(4000), domain.OutputTokens: 50 + rng.Int64N(900)}
	e.Cost = domain.NanoUSD(e.Usage[domain.InputTokens]*250 + e.Usage[domain.OutputTokens]*2000)
	e.FirstByte = time.Duration(200+rng.IntN(600)) * time.Millisecond
	e.Duration = e.FirstByte + time.Duration(rng.IntN(9000))*time.Millisecond
	return domain.Record{Entry: &e}
}

func ledgerEntries(n int) []domain.Record {
	rng := rand.New(rand.NewPCG(1, 1))
	rs := make([]domain.Record, n)
	for i := range rs {
		rs[i] = ledgerEntry(rng, i)
	}
	return rs
}

// BenchmarkLedger measures the ledger's parts in one run and writes the table to BENCH_LEDGER where that is set. It takes its own
// time: run it with -benchtime 1x.
func BenchmarkLedger(b *testing.B) {
	tools := needTools(b)
	var out strings.Builder
	out.WriteString("# The ledger\n\nWritten by `make bench-ledger`, one run, everything on one machine. Compare within the table only:\nthe disk that the spool waits for is the first to judge by, in the line of the bare fsync.\n\n" +
		"| what | figure | goal |\n|---|---|---|\n")
	row := func(what, goal string, ok bool, format string, args ...any) {
		mark := ""
		if !ok {
			mark = " (**not reached**)"
		}
		fmt.Fprintf(&out, "| %s | %s | %s%s |\n", what, fmt.Sprintf(format, args...), goal, mark)
	}
	for b.Loop() {
		for _, writers := range []int{1, 16, 64} {
			rate, p50, p99 := groupCommit(b, writers)
			goal, ok := "", true
			if writers == 16 {
				goal, ok = "≥ 20,000/s, p99 ≤ 3 ms", rate >= 20_000 && p99 <= 3*time.Millisecond
			}
			row(fmt.Sprintf("spool, `sync`, %d writers", writers), goal, ok, "%.0f records/s, p50 %s, p99 %s", rate, p50.Round(time.Microsecond), p99.Round(time.Microsecond))
		}
		floor := bareSync(b)
		row("one bare write and fsync of 4 KiB on the same disk", "", true, "p50 %s, p99 %s", floor[len(floor)/2].Round(time.Microsecond), floor[len(floor)*99/100].Round(time.Microsecond))
		row("a million calls in the spool, an intent and an entry each", "", true, "%d MB", spoolBytes(b))
		postgresRows(b, tools, row)
		timescaleRows(b, tools, row)
	}
	b.Log("\n" + out.String())
	if file := os.Getenv("BENCH_LEDGER"); file != "" {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// groupCommit appends from so many goroutines for two seconds.
func groupCommit(b *testing.B, writers int) (rate float64, p50, p99 time.Duration) {
	s, err := spool.Open(spool.Options{Dir: filepath.Join(b.TempDir(), "spool"), Mode: spool.Sync})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	rs := ledgerEntries(1000)
	waits := make([][]time.Duration, writers)
	const span = 2 * time.Second
	begin := time.Now()
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := w; time.Since(begin) < span; n++ {
				at := time.Now()
				if err := s.Append(context.Background(), rs[n%len(rs)]); err != nil {
					b.Error(err)
					return
				}
				waits[w] = append(waits[w], time.Since(at))
			}
		})
	}
	all.Wait()
	elapsed := time.Since(begin)
	sorted := slices.Sorted(slices.Values(slices.Concat(waits...)))
	return float64(len(sorted)) / elapsed.Seconds(), sorted[len(sorted)/2], sorted[len(sorted)*99/100]
}

// spoolBytes is what a call takes on the gateway's disk until the database has it, in bytes.
func spoolBytes(b *testing.B) int64 {
	s, err := spool.Open(spool.Options{Dir: filepath.Join(b.TempDir(), "spool"), Mode: spool.Buffered})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	const calls = 1000
	for _, r := range ledgerEntries(calls) {
		e := r.Entry
		intent := domain.Intent{Call: e.Call, Asked: e.Asked, Bound: e.Usage, BoundCost: e.Cost, PriceVersion: e.PriceVersion, PolicyVersion: e.PolicyVersion,
			Hold: domain.Hold(strings.Repeat("h", 120)), Instance: "0197a3c0-0000-7000-8000-000000000001"}
		for _, r := range []domain.Record{{Intent: &intent}, r} {
			if err := s.Append(b.Context(), r); err != nil {
				b.Fatal(err)
			}
		}
	}
	return s.Stats().LagBytes / calls
}

// bareSync is what the disk gives to a program that does nothing else.
func bareSync(b *testing.B) []time.Duration {
	f, err := os.Create(filepath.Join(b.TempDir(), "bare"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	block := make([]byte, 4096)
	var waits []time.Duration
	for range 500 {
		at := time.Now()
		if _, err := f.Write(block); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		waits = append(waits, time.Since(at))
	}
	slices.Sort(waits)
	return waits
}

type addRow func(what, goal string, ok bool, format string, args ...any)

func openBench(b *testing.B, dsn string, conns int32) (*store.Store, *pgx.Conn) {
	b.Helper()
	st, err := store.Open(b.Context(), store.Options{DSN: domain.NewSecret(dsn), MaxConns: conns, SimpleProtocolBatchRows: map[bool]int{true: 100, false: 500}[conns == 1]})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := st.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	if conns == 1 {
		return st, nil
	}
	db, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	return st, db
}

// postgresRows compares the store with a bare COPY of the same rows into the same table, in turns, and times questions.
func postgresRows(b *testing.B, tools string, row addRow) {
	dir := b.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	dsn, stop, err := pgtest.Start(filepath.Join(dir, "pg"), tools)
	if err != nil {
		b.Fatal(err)
	}
	defer stop()
	st, db := openBench(b, dsn, 4)
	defer st.Close()
	ctx := b.Context()
	defer func() { _ = db.Close(ctx) }()
	const rows = 40_000
	rs := ledgerEntries(rows)
	var written, copied []time.Duration
	var image bytes.Buffer
	for range 3 {
		at := time.Now()
		for part := range slices.Chunk(rs, 2000) { // as the gateway drains
			if err := st.Write(ctx, part); err != nil {
				b.Fatal(err)
			}
		}
		written = append(written, time.Since(at))
		image.Reset()
		if _, err := db.PgConn().CopyTo(ctx, &image, `COPY (SELECT * FROM entries) TO STDOUT (FORMAT binary)`); err != nil {
			b.Fatal(err)
		}
		clear := func() {
			if _, err := db.Exec(ctx, `TRUNCATE entries`); err != nil {
				b.Fatal(err)
			}
		}
		clear()
		at = time.Now()
		if _, err := db.PgConn().CopyFrom(ctx, bytes.NewReader(image.Bytes()), `COPY entries FROM STDIN (FORMAT binary)`); err != nil {
			b.Fatal(err)
		}
		copied = append(copied, time.Since(at))
		clear()
	}
	w, c := slices.Min(written), slices.Min(copied)
	ratio := c.Seconds() / w.Seconds()
	row("store, 2,000 records a write, PostgreSQL", "", true, "%.0f rows/s", rows/w.Seconds())
	row("bare binary `COPY` of the same 40,000 rows in one statement", "", true, "%.0f rows/s", rows/c.Seconds())
	row("store beside `COPY`", "≥ 0.5", ratio >= 0.5, "%.2f", ratio)
	questions(b, st, db, row)
}

// questions fill the sums of a month with what 100 million calls of 2,000 kinds leave there.
func questions(b *testing.B, st *store.Store, db *pgx.Conn, row addRow) {
	ctx := b.Context()
	month := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	var units []string
	for u := range domain.Unit(domain.UnitCount) {
		units = append(units, u.String())
	}
	fill := `INSERT INTO usage_1d (bucket, org, team, service, provider, endpoint, model, tier, action, tags, calls, estimated, cost_nusd, ` + strings.Join(units, ", ") + `)
		SELECT $1::timestamptz + d * INTERVAL '1 day', 'acme', 'team-' || k % 20, 'service-' || k % 100, 'provider-' || k % 10, 'endpoint', 'model-' || k, '', 'allow', '',
		1666, 3, 1000000 + k` + strings.Repeat(", k", len(units)) + ` FROM generate_series(0, 29) d, generate_series(0, 1999) k`
	if _, err := db.Exec(ctx, fill, month); err != nil {
		b.Fatal(err)
	}
	if err := st.Write(ctx, ledgerEntries(20_000)); err != nil {
		b.Fatal(err)
	}
	if _, err := db.Exec(ctx, `ANALYZE`); err != nil {
		b.Fatal(err)
	}
	var heap int64 // of the partitions that hold the rows, indexes included
	if err := db.QueryRow(ctx, `SELECT sum(pg_total_relation_size(inhrelid))::bigint FROM pg_inherits WHERE inhparent = 'entries'::regclass`).Scan(&heap); err != nil {
		b.Fatal(err)
	}
	row("a million entries on PostgreSQL, indexes included", "", true, "%d MB", heap/20_000)
	end := month.AddDate(0, 1, 0)
	ask := func(what string, do func() error) {
		var waits []time.Duration
		for range 20 {
			at := time.Now()
			if err := do(); err != nil {
				b.Fatal(err)
			}
			waits = append(waits, time.Since(at))
		}
		slices.Sort(waits)
		worst := waits[len(waits)-1]
		row(what, "< 300 ms", worst < 300*time.Millisecond, "median of 20 %s, slowest %s", waits[len(waits)/2].Round(100*time.Microsecond), worst.Round(100*time.Microsecond))
	}
	usage := func(q store.UsageQuery) func() error {
		q.From, q.To, q.Rolled = month, end, true
		return func() error { _, err := st.Usage(ctx, q); return err }
	}
	ask("overview of a month of 100 million calls in 60,000 daily sums", usage(store.UsageQuery{By: []string{"day"}}))
	ask("its top 10 by team and model", usage(store.UsageQuery{By: []string{"team", "model"}, Limit: 10}))
	ask("its top 10 by service and provider of a team", usage(store.UsageQuery{By: []string{"service", "provider"}, Filter: map[string]string{"team": "team-3"}, Limit: 10}))
	ask("100 single calls of a service, of 20,000", func() error {
		_, err := st.Entries(ctx, store.EntryQuery{Filter: map[string]string{"service": "service-7"}, Limit: 100})
		return err
	})
}

// timescaleRows compress a day of entries with the real extension's code.
func timescaleRows(b *testing.B, tools string, row addRow) {
	dsn, stop, err := pgtest.StartTimescale(filepath.Join(b.TempDir(), "ts"), tools)
	if err != nil {
		b.Fatal(err)
	}
	defer stop()
	st, _ := openBench(b, dsn, 1)
	const rows = 20_000
	err = st.Write(b.Context(), ledgerEntries(rows))
	st.Close()
	if err != nil {
		b.Fatal(err)
	}
	db, err := pgx.Connect(b.Context(), dsn) // PGlite serves one connection at a time
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close(b.Context()) }()
	var before, after int64
	if _, err := db.Exec(b.Context(), `SELECT compress_chunk(c) FROM show_chunks('entries') c`); err != nil {
		b.Fatal(err)
	}
	err = db.QueryRow(b.Context(), `SELECT before_compression_total_bytes, after_compression_total_bytes FROM hypertable_compression_stats('entries')`).Scan(&before, &after)
	if err != nil {
		b.Fatal(err)
	}
	row("a million entries on TimescaleDB before compression, after it", "", true, "%d MB, %d MB", before/rows, after/rows)
	row("an entry on TimescaleDB before compression, indexes included", "", true, "%d bytes", before/rows)
	row("an entry on TimescaleDB after compression, indexes included", "≤ 150 bytes", after <= 150*rows, "%d bytes", after/rows)
}
