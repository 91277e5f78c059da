package spool

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestInspectCountsWithoutTouching(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir, SegmentBytes: minSegmentBytes})
	add(t, s, 0, 40)
	b, err := s.Next(t.Context(), 5)
	if err != nil || s.Commit(b) != nil {
		t.Fatal(err)
	}
	var all, pending []int
	reports, err := Inspect(dir, func(r sentinel.Record, committed bool) error {
		if all = append(all, number(r)); !committed {
			pending = append(pending, number(r))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var sum SegmentReport
	for _, r := range reports {
		sum.Bytes += r.Bytes
		sum.Intents += r.Intents
		sum.Entries += r.Entries
		sum.Pending += r.Pending
		sum.TornBytes += r.TornBytes
	}
	st := s.Stats()
	if diff := cmp.Diff(SegmentReport{Bytes: st.Bytes, Intents: 20, Entries: 20, Pending: st.LagRecords}, sum); diff != "" || len(reports) != st.Segments {
		t.Errorf("Inspect() of %d segments, want %d (-want +got)\n%s", len(reports), st.Segments, diff)
	}
	if !slices.Equal(all, upTo(40)) || !slices.Equal(pending, upTo(40)[5:]) {
		t.Errorf("Inspect() gave %v, of which %v are pending", all, pending)
	}
	if got := drain(t, s); len(got) != 35 {
		t.Errorf("after Inspect the spool has %d records, want 35", len(got))
	}
}

func TestInspectReportsTornTailsAndUnknownRecords(t *testing.T) {
	dir := t.TempDir()
	data, _ := written(t, 3)
	strange, err := appendFrame(nil, record(9))
	if err != nil {
		t.Fatal(err)
	}
	strange[frameHead+1] = 77
	seal(strange)
	data = append(append(data, strange...), "torn"...)
	if err := os.WriteFile(filepath.Join(dir, firstSegment), data, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Inspect(dir, nil)
	want := []SegmentReport{{ID: 1, Bytes: int64(len(data)), Intents: 2, Entries: 1, Unreadable: 1, Pending: 4, TornBytes: 4}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Inspect() error %v, (-want +got)\n%s", err, diff)
	}
	if _, err := Inspect(filepath.Join(dir, "nowhere"), nil); err == nil {
		t.Error("Inspect() of a directory that is not there succeeds")
	}
}
