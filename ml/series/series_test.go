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
	notes := []string{"1 gap wider than 1.5 steps of 5m0s", "1 row with the time of the row before", "1 cell without a number within ±1e+30, taken as missing"}
	if diff := cmp.Diff(notes, f.Report.Notes()); diff != "" {
		t.Error(diff)
	}
}

// What other programs write is read: quotes, spaces about cells, carriage returns, mixed times, and lines without an end.
func TestReadTakesWhatOtherProgramsWrite(t *testing.T) {
	want, err := Read(strings.NewReader("timestamp,value\n2026-01-01T00:00:00Z,1\n2026-01-01T01:00:00Z,2\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]string{
		"quotes":           "\"timestamp\",\"value\"\n\"2026-01-01T00:00:00Z\",\"1\"\n\"2026-01-01T01:00:00Z\",\"2\"\n",
		"spaces":           " timestamp , Value \n 2026-01-01T00:00:00Z , 1 \n 2026-01-01T01:00:00Z , 2 \n",
		"carriage returns": "\ufefftimestamp,value\r\n2026-01-01T00:00:00Z,1\r\n2026-01-01T01:00:00Z,2\r\n",
		"mixed times":      "timestamp,value\n2026-01-01 00:00:00,1\n2026-01-01T03:00:00+02:00,2\n",
		"no last line end": "timestamp,value\n2026-01-01T00:00:00Z,1\n\n2026-01-01T01:00:00Z,2",
		"more cells":       "timestamp,value,note\n2026-01-01T00:00:00Z,1,a,b\n2026-01-01T01:00:00Z,2,c\n",
	} {
		got, err := Read(strings.NewReader(in))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff([]any{want.Times, want.Names, want.Columns, want.Report}, []any{got.Times, got.Names, got.Columns, got.Report}); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A column says that it is constant where two numbers show it, and that it is bare where none does.
func TestReadReportsColumnsThatSayNothing(t *testing.T) {
	for in, want := range map[string]string{
		"timestamp,value\n2026-01-01T00:00:00Z,1\n":                              "",
		"timestamp,value\n2026-01-01T00:00:00Z,1\n2026-01-01T01:00:00Z,1\n":      "column value never changes",
		"timestamp,value\n2026-01-01T00:00:00Z,nan\n2026-01-01T01:00:00Z,1e31\n": "2 cells without a number within ±1e+30, taken as missing; column value holds no number",
	} {
		f, err := Read(strings.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(f.Report.Notes(), "; "); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
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
		"nothing":               {"", "the file is empty: want a header line"},
		"no rows":               {"timestamp,value\n", "no rows: give at least one"},
		"no time":               {"time,value\n1,2\n", `"time,value" has no column timestamp: name the columns as in timestamp,value`},
		"no values":             {"timestamp,x\n2026-01-01T00:00:00Z,2\n", "neither value nor"},
		"semicolons":            {"timestamp;value\n2026-01-01T00:00:00Z;2\n", "no column timestamp: part cells with commas"},
		"tabs":                  {"timestamp\tvalue\n2026-01-01T00:00:00Z\t2\n", "no column timestamp: part cells with commas"},
		"UTF-16":                {"\xff\xfet\x00i\x00m\x00e\x00,\x00v\x00\n\x00", "no column timestamp: save the file as UTF-8"},
		"carriage returns":      {"timestamp,value\r2026-01-01T00:00:00Z,2\r", "end lines with line feeds"},
		"one endless line":      {strings.Repeat("x", 1<<20), `xxx"… has no column timestamp`},
		"a name twice":          {"timestamp,value,value\n", `names "value" twice: rename one`},
		"a bad time":            {"timestamp,value\n1.5.2026,2\n", `line 2: time "1.5.2026" is neither RFC 3339 nor YYYY-MM-DD HH:MM:SS: write it as`},
		"a bad number":          {"timestamp,value\n2026-01-01T00:00:00Z,two\n", `line 2: column value: "two" is not a number: write it as`},
		"time going back":       {"timestamp,value\n2026-01-02T00:00:00Z,1\n2026-01-01T00:00:00Z,1\n", "line 3: time 2026-01-01T00:00:00Z is before the row above it (2026-01-02T00:00:00Z): sort"},
		"a year misspelt":       {"timestamp,value\n0226-01-02T00:00:00Z,1\n2026-01-01T00:00:00Z,1\n", "line 3: time 2026-01-01T00:00:00Z is more than 292 years after the first row's (0226-01-02T00:00:00Z)"},
		"a row too short":       {"timestamp,value\n2026-01-02T00:00:00Z\n", "line 2: 1 cell, the header needs 2: add"},
		"a quote too many":      {"timestamp,value\n\"2026,1\n", "line 2: a quote stands alone"},
		"a quote not closed":    {"timestamp,value\n2026-01-02T00:00:00Z,1\n2026-01-02T01:00:00Z,\"1\n2026-01-02T02:00:00Z,1\n", "line 3: a quote stands alone"},
		"a quote in the header": {"timestamp,va\"lue\n", "line 1: a quote stands alone"},
	} {
		if _, err := Read(strings.NewReader(c.in)); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
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
	if f.Report.Outside != 2 || f.Report.Missing != 2 || !math.IsNaN(f.Columns[0][0]) || !math.IsNaN(f.Columns[1][1]) || f.Columns[1][2] != 1 || !strings.Contains(notes, "2 of them below 0") {
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
