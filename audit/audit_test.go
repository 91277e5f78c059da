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

func (m *memory) AppendAudit(_ context.Context, link func(sentinel.AuditRow) sentinel.AuditRow) (sentinel.AuditRow, error) {
	if m.err != nil {
		return sentinel.AuditRow{}, m.err
	}
	var prev sentinel.AuditRow
	if n := len(m.rows); n > 0 {
		prev = m.rows[n-1]
	}
	m.rows = append(m.rows, link(prev))
	return m.rows[len(m.rows)-1], nil
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
	log := Log{Rows: m, Checkpoints: file, Now: func() time.Time { now = now.Add(time.Second); return now }, Unsigned: func(err error) { t.Error(err) }}
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
