package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// memory is a database of rows.
type memory struct {
	rows []sentinel.AuditRow
	err  error
}

func (m *memory) AppendAudit(ctx context.Context, link func(sentinel.AuditRow) []sentinel.AuditRow, change func(context.Context) error) error {
	if m.err != nil {
		return m.err
	}
	if err := change(ctx); err != nil {
		return err
	}
	var prev sentinel.AuditRow
	if n := len(m.rows); n > 0 {
		prev = m.rows[n-1]
	}
	m.rows = append(m.rows, link(prev)...)
	return nil
}

func all(rows []sentinel.AuditRow) iter.Seq2[sentinel.AuditRow, error] {
	return func(yield func(sentinel.AuditRow, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// chain is a log of ten changes, its checkpoints and both keys.
func chain(t *testing.T) (rows []sentinel.AuditRow, checkpoints, private, public []byte) {
	t.Helper()
	private, public, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "checkpoints")
	file, err := OpenCheckpoints(path, key)
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{}
	now := time.Date(2026, 11, 24, 2, 0, 0, 123_456_789, time.UTC)
	log := Log{Rows: m, Checkpoints: file, Now: func() time.Time { now = now.Add(time.Second); return now }, Lacking: func(err error) { t.Error(err) }}
	for n := range 10 {
		if err := log.Record(t.Context(), sentinel.AuditRow{Actor: "ops", Action: "policy.reload", Object: "policies.yaml", Before: fmt.Sprint(n), After: fmt.Sprint(n + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if checkpoints, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return m.rows, checkpoints, private, public
}

// rebuild makes a consistent chain of rows whose contents were changed, as someone with the database could.
func rebuild(rows []sentinel.AuditRow) {
	var prev sentinel.AuditRow
	for i := range rows {
		rows[i] = Link(prev, rows[i])
		prev = rows[i]
	}
}

func TestVerifyNamesTheFirstBadRow(t *testing.T) {
	intact, checkpoints, _, public := chain(t)
	key, err := PublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		tamper func(rows []sentinel.AuditRow) []sentinel.AuditRow
		want   int64 // 0 is intact
		alone  int64 // without checkpoints
	}{
		"intact": {func(rows []sentinel.AuditRow) []sentinel.AuditRow { return rows }, 0, 0},
		"a byte changed": {func(rows []sentinel.AuditRow) []sentinel.AuditRow {
			rows[3].After = "9"
			return rows
		}, 4, 4},
		"a byte moved between fields": {func(rows []sentinel.AuditRow) []sentinel.AuditRow {
			rows[3].Actor, rows[3].Action = rows[3].Actor+rows[3].Action[:1], rows[3].Action[1:]
			return rows
		}, 4, 4},
		"a time changed": {func(rows []sentinel.AuditRow) []sentinel.AuditRow {
			rows[6].At = rows[6].At.Add(time.Microsecond)
			return rows
		}, 7, 7},
		"a hash changed": {func(rows []sentinel.AuditRow) []sentinel.AuditRow { rows[5].Hash[0] ^= 1; return rows }, 6, 6},
		"a row deleted":  {func(rows []sentinel.AuditRow) []sentinel.AuditRow { return slices.Delete(rows, 4, 5) }, 5, 5},
		"the first gone": {func(rows []sentinel.AuditRow) []sentinel.AuditRow { return rows[1:] }, 1, 1},
		"contents traded": {func(rows []sentinel.AuditRow) []sentinel.AuditRow {
			rows[2].After, rows[3].After = rows[3].After, rows[2].After
			return rows
		}, 3, 3},
		"rows traded": {func(rows []sentinel.AuditRow) []sentinel.AuditRow {
			rows[2], rows[3] = rows[3], rows[2]
			rows[2].Seq, rows[3].Seq = 3, 4
			return rows
		}, 3, 3},
		"a row doubled": {func(rows []sentinel.AuditRow) []sentinel.AuditRow { return slices.Insert(rows, 5, rows[4]) }, 6, 6},
		"the tail cut":  {func(rows []sentinel.AuditRow) []sentinel.AuditRow { return rows[:7] }, 8, 0},
		"all gone":      {func([]sentinel.AuditRow) []sentinel.AuditRow { return nil }, 1, 0},
		"a chain built anew": {func(rows []sentinel.AuditRow) []sentinel.AuditRow {
			rows[4].After = "forged"
			rebuild(rows)
			return rows
		}, 5, 0},
		"a row taken out and the chain built anew": {func(rows []sentinel.AuditRow) []sentinel.AuditRow {
			rows = slices.Delete(rows, 4, 5)
			rebuild(rows)
			return rows
		}, 5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			rows := tt.tamper(slices.Clone(intact))
			named := func(report Report, err error, want int64) {
				t.Helper()
				var f *Fault
				errors.As(err, &f)
				switch {
				case want == 0 && (err != nil || report.Rows != int64(len(rows))):
					t.Errorf("Verify() = %+v, %v, want %d intact rows", report, err, len(rows))
				case want > 0 && (f == nil || f.Seq != want):
					t.Errorf("Verify() = %v, want a fault of row %d", err, want)
				}
			}
			report, err := Verify(all(rows), bytes.NewReader(checkpoints), key)
			named(report, err, tt.want)
			report, err = Verify(all(rows), nil, nil)
			named(report, err, tt.alone)
		})
	}
}

func TestForgedCheckpointsAreRefused(t *testing.T) {
	rows, checkpoints, _, public := chain(t)
	_, other, _, _ := chain(t)
	key, err := PublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"another key":    other,
		"a changed hash": bytes.Replace(checkpoints, []byte(`"seq":4`), []byte(`"seq":5`), 1),
		"no JSON":        append([]byte("x\n"), checkpoints...),
		"a long line":    append(bytes.Repeat([]byte("x"), 2*maxCheckpointLine), '\n'),
	} {
		if _, err := Verify(all(rows), bytes.NewReader(file), key); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
	torn := checkpoints[:len(checkpoints)-20] // a crash while the last was written
	if report, err := Verify(all(rows), bytes.NewReader(torn), key); err != nil || report.Checkpoints != 9 {
		t.Errorf("a torn last checkpoint: %+v, %v", report, err)
	}
}

func TestAChangeThatIsNotRecordedSaysSo(t *testing.T) {
	log := Log{Rows: &memory{err: errors.New("database is down")}, Now: time.Now}
	if err := log.Record(t.Context(), sentinel.AuditRow{Actor: "ops", Action: "policy.reload"}); err == nil {
		t.Error("Record() without a database succeeds")
	}
	for _, text := range []string{"", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if _, err := PrivateKey([]byte(text)); err == nil {
			t.Errorf("PrivateKey(%q) is not refused", text)
		}
		if _, err := PublicKey([]byte(text)); err == nil {
			t.Errorf("PublicKey(%q) is not refused", text)
		}
	}
}

func TestAChangeElsewhereIsRecordedBeforeAndAfter(t *testing.T) {
	broken := errors.New("redis: connection refused")
	row := sentinel.AuditRow{Actor: "ops", Action: "limit.override", Object: "team/a", After: "$30.00"}
	for name, tt := range map[string]struct {
		before, during, after error // of the chain, of the change, of the chain once more
		ran                   bool
		want                  []string
	}{
		"done":                     {nil, nil, nil, true, []string{"limit.override $30.00", "limit.override.done "}},
		"failed":                   {nil, broken, nil, true, []string{"limit.override $30.00", "limit.override.failed " + broken.Error()}},
		"the chain takes nothing":  {errors.New("read only"), nil, nil, false, nil},
		"the chain goes meanwhile": {nil, nil, errors.New("gone"), true, []string{"limit.override $30.00"}},
	} {
		t.Run(name, func(t *testing.T) {
			m, ran, lacking := &memory{err: tt.before}, false, 0
			log := Log{Rows: m, Now: time.Now, Lacking: func(error) { lacking++ }}
			ctx, cancel := context.WithCancel(t.Context())
			err := log.Around(ctx, row, func(context.Context) error {
				ran, m.err = true, tt.after
				cancel() // who asked is gone: the outcome is written all the same
				return tt.during
			})
			cancel()
			if ran != tt.ran || tt.during != nil && !errors.Is(err, tt.during) || (err == nil) != (tt.before == nil && tt.during == nil) || (lacking == 1) != (tt.after != nil) {
				t.Errorf("Around() = %v, the change ran: %v, told of what is lacking %d times", err, ran, lacking)
			}
			var got []string
			for _, r := range m.rows {
				got = append(got, r.Action+" "+r.After)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("the chain has %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRowsThatBelongTogetherHaveOneCheckpoint(t *testing.T) {
	rows, _, private, _ := chain(t)
	key, err := PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "checkpoints")
	file, err := OpenCheckpoints(path, key)
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{rows: rows}
	log := Log{Rows: m, Checkpoints: file, Now: time.Now, Lacking: func(err error) { t.Error(err) }}
	if err := errors.Join(log.Record(t.Context(), sentinel.AuditRow{Action: "verdict.deny"}, sentinel.AuditRow{Action: "verdict.deny"}), file.Close()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if report, err := Verify(all(m.rows), bytes.NewReader(text), log.PublicKey()); err != nil || report.Rows != 12 || report.Checkpoints != 1 {
		t.Errorf("two rows at once: %+v, %v", report, err)
	}
}
