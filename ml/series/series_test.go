package series

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	f, err := Read(strings.NewReader("\ufefftimestamp,extra,value\n2026-01-01 00:00:00,x,1\n2026-01-01T00:05:00Z,y,2.5\n2026-01-01T00:05:00Z,y,nan\n2026-01-01 00:10:00,,3\n2026-01-01 01:10:00,,4\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []float64{1, 2.5, math.NaN(), 3, 4}
	for i, v := range f.Columns[0] {
		if v != want[i] && !(math.IsNaN(v) && math.IsNaN(want[i])) {
			t.Errorf("row %d: %v, want %v", i, v, want[i])
		}
	}
	if diff := cmp.Diff(Report{Step: 5 * time.Minute, Gaps: 1, Duplicates: 1, Missing: 1}, f.Report); diff != "" {
		t.Error(diff)
	}
	if n := len(f.Report.Notes()); n != 3 {
		t.Errorf("%d notes, want 3", n)
	}
}

func TestReadMetricsInAnyOrder(t *testing.T) {
	f, err := Read(strings.NewReader("cost_usd,timestamp,requests\n0.5,2026-01-01T00:00:00Z,7\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"requests", "cost_usd"}, f.Names); diff != "" {
		t.Error(diff)
	}
	if got, ok := f.Column("cost_usd"); !ok || got[0] != 0.5 {
		t.Errorf("cost_usd is %v", got)
	}
}

func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"nothing":          {"", "empty"},
		"no rows":          {"timestamp,value\n", "no rows"},
		"no time":          {"time,value\n1,2\n", "no column timestamp"},
		"no values":        {"timestamp,x\n2026-01-01T00:00:00Z,2\n", "neither value nor"},
		"a name twice":     {"timestamp,value,value\n", "twice"},
		"a bad time":       {"timestamp,value\n1.5.2026,2\n", `line 2: time "1.5.2026"`},
		"a bad number":     {"timestamp,value\n2026-01-01T00:00:00Z,two\n", `line 2: column value: "two"`},
		"time going back":  {"timestamp,value\n2026-01-02T00:00:00Z,1\n2026-01-01T00:00:00Z,1\n", "line 3: time 2026-01-01T00:00:00Z is before"},
		"a row too short":  {"timestamp,value\n2026-01-02T00:00:00Z\n", "line 2: 1 cells"},
		"a quote too many": {"timestamp,value\n\"2026,1\n", "line 2"},
	} {
		if _, err := Read(strings.NewReader(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// What no service can have is missing, and reported.
func TestReadReportsWhatCannotBe(t *testing.T) {
	f, err := Read(strings.NewReader("timestamp,requests,error_rate\n2026-01-01T00:00:00Z,-1,0.5\n2026-01-01T00:01:00Z,3,7\n2026-01-01T00:02:00Z,4,1\n"))
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(f.Report.Notes(), "; ")
	if f.Report.Outside != 2 || f.Report.Missing != 2 || !math.IsNaN(f.Columns[0][0]) || !math.IsNaN(f.Columns[1][1]) || f.Columns[1][2] != 1 || !strings.Contains(notes, "2 of them are below 0") {
		t.Errorf("%+v %v: %s", f.Report, f.Columns, notes)
	}
	if f, err := Read(strings.NewReader("timestamp,value\n2026-01-01T00:00:00Z,-1\n")); err != nil || f.Columns[0][0] != -1 || f.Report.Outside != 0 {
		t.Errorf("a plain value may be below 0: %v %v", f, err)
	}
}

func TestNumbersThatNothingHasAreMissing(t *testing.T) {
	for cell, kept := range map[string]bool{"1e30": true, "-1e30": true, "1.1e30": false, "-1e308": false, "1e400": false, "-1e400": false, "+infinity": false} {
		f, err := Read(strings.NewReader("timestamp,value\n2026-01-01T00:00:00Z," + cell + "\n"))
		if err != nil || math.IsNaN(f.Columns[0][0]) == kept || f.Report.Missing == 0 != kept {
			t.Errorf("%s: %+v, %v, want it kept: %t", cell, f, err, kept)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("timestamp,value\n2026-01-01T00:00:00Z,2\n")
	f.Fuzz(func(t *testing.T, in string) {
		got, err := Read(strings.NewReader(in))
		if err != nil {
			return
		}
		for _, c := range got.Columns {
			if len(c) != len(got.Times) || len(got.Stamps) != len(got.Times) {
				t.Fatal("columns of different lengths")
			}
			for _, v := range c {
				if math.Abs(v) > mostValue {
					t.Fatal("a value that sums do not hold")
				}
			}
		}
	})
}
