package trial

import (
	"encoding/csv"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ml/series"
)

// realSets are the series beside the repository, cut so that every end is held back from what is learnt.
func realSets(t *testing.T) []Case {
	t.Helper()
	if _, err := os.Stat(data); errors.Is(err, fs.ErrNotExist) {
		t.Skip("the data are not beside the repository")
	}
	return append(append(clientSets(t), benchmarkSets(t)...), traceSets(t)...)
}

// cut takes the case whose held-back steps begin at from, where there is a scale and nothing is mostly 0.
func cut(cases []Case, c Case, y []float64, back, from int) []Case {
	if from < back || from+c.H > len(y) {
		return cases
	}
	c.Values = y[from-back : from+c.H]
	if scale, ok := c.scale(); !ok || c.Set != valuesByHour && c.Set != valuesByRow && scale < 1 {
		return cases
	}
	return append(cases, c)
}

func clientSets(t *testing.T) (out []Case) {
	t.Helper()
	for _, set := range []struct {
		name    string
		back, h int
		froms   []int
	}{
		{"clients from twelve days", 288, 48, []int{288}},
		{"clients from eight days", 192, 48, []int{192, 240}},
		{"clients from three days", 72, 24, []int{72, 144, 216, 288}},
	} {
		for _, c := range benchRates(t) {
			for _, from := range set.froms {
				out = cut(out, Case{Set: set.name, Name: c.Name, H: set.h, Season: 24, Season2: 168}, c.Hourly, set.back, from)
			}
		}
	}
	return out
}

// The benchmark's files are metrics: means by the hour, and rows of five minutes.
const (
	valuesByHour = "NAB by the hour"
	valuesByRow  = "NAB by five minutes"
)

func benchmarkSets(t *testing.T) (out []Case) {
	t.Helper()
	files, err := ReadNAB(filepath.Join(data, "nab"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []Case
	for _, f := range files {
		y := byHour(f.Frame)
		for from := 192; from+48 <= len(y); from += 48 {
			out = cut(out, Case{Set: valuesByHour, Name: f.Name, H: 48, Season: 24, Season2: 168}, y, 192, from)
		}
		for from := 1500; from+96 <= len(f.Frame.Times); from += 800 {
			rows = cut(rows, Case{Set: valuesByRow, Name: f.Name, H: 96, Season: 288}, f.Frame.Columns[0], 1500, from)
		}
	}
	return append(out, rows...)
}

// byHour averages a frame's rows; an hour without one is that of a day before.
func byHour(f *series.Frame) (out []float64) {
	sums, counts := map[int]float64{}, map[int]float64{}
	last := 0
	for i, at := range f.Times {
		last = int(at.Sub(f.Times[0].Truncate(time.Hour)) / time.Hour)
		sums[last] += f.Columns[0][i]
		counts[last]++
	}
	for h := range last {
		switch {
		case counts[h] > 0:
			out = append(out, sums[h]/counts[h])
		case h >= 24:
			out = append(out, out[h-24])
		default:
			out = append(out, sums[0]/counts[0])
		}
	}
	return out
}

// traceSets are calls and tokens of the two hours of traces, by ten seconds.
func traceSets(t *testing.T) (out []Case) {
	t.Helper()
	for _, name := range []string{"code", "conv"} {
		file, err := os.Open(filepath.Join(data, "azure_llm_2023", "AzureLLMInferenceTrace_"+name+".csv"))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(file).ReadAll()
		_ = file.Close()
		if err != nil {
			t.Fatal(err)
		}
		var counts [3][]float64
		var begin time.Time
		for _, row := range rows[1:] {
			at, err := time.Parse("2006-01-02 15:04:05.9999999", row[0])
			if err != nil {
				t.Fatal(err)
			}
			if begin.IsZero() {
				begin = at
			}
			slot := int(at.Sub(begin) / (10 * time.Second))
			for k := range counts {
				for len(counts[k]) <= slot {
					counts[k] = append(counts[k], 0)
				}
			}
			counts[0][slot]++
			for k := 1; k < 3; k++ {
				v, err := strconv.ParseFloat(row[k], 64)
				if err != nil {
					t.Fatal(err)
				}
				counts[k][slot] += v
			}
		}
		for k, y := range counts {
			for from := 120; from+30 <= len(y); from += 30 {
				out = cut(out, Case{Set: "Azure by ten seconds", Name: name + strconv.Itoa(k), H: 30, Season: 1}, y, 120, from)
			}
		}
	}
	return out
}

// TestForecastsOfRealSeries holds that no real set is forecast worse than by its last season, and that over the sets intervals hold about what they say.
// Each of them by itself is off by more: all clients have their calm and their stormy days together.
func TestForecastsOfRealSeries(t *testing.T) {
	scores := Judge(realSets(t), oursByCPU)
	var in80, in95, total80, total95 float64
	for _, s := range scores {
		t.Logf("%-26s %4d series: MASE %.3f naive %.3f; 80 %% %.3f, 95 %% %.3f; totals %.3f, %.3f; %.1f ms", s.Set, s.Series, s.MASE, s.Naive, s.In80, s.In95, s.InTotal80, s.InTotal95, milliseconds(s.Took))
		if s.MASE > s.Naive || s.Refused > 0 {
			t.Errorf("%s: MASE %.3f, the seasonal naive's is %.3f; %d refused", s.Set, s.MASE, s.Naive, s.Refused)
		}
		n := float64(len(scores))
		in80, in95, total80, total95 = in80+s.In80/n, in95+s.In95/n, total80+s.InTotal80/n, total95+s.InTotal95/n
	}
	t.Logf("over the sets: 80 %% %.3f, 95 %% %.3f; totals %.3f, %.3f", in80, in95, total80, total95)
	if math.Abs(in80-0.8) > 0.04 || math.Abs(in95-0.95) > 0.06 || math.Abs(total80-0.8) > 0.04 || math.Abs(total95-0.95) > 0.06 {
		t.Errorf("over the sets: 80 %% %.3f, 95 %% %.3f; totals %.3f, %.3f", in80, in95, total80, total95)
	}
}
