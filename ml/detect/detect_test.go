package detect

import (
	"bytes"
	"encoding/csv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saas-sentinel/saas-sentinel/ml/series"
)

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// wave is a day's wave with noise, five minutes a step.
func wave(n int, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]float64, n)
	for i := range out {
		out[i] = 100 + 40*math.Sin(2*math.Pi*float64(i)/288) + 4*r.NormFloat64()
	}
	return out
}

func points(columns []string, step time.Duration, rows [][]float64) []Point {
	d := New(columns)
	out := make([]Point, len(rows))
	for i, row := range rows {
		out[i] = d.Step(start.Add(time.Duration(i)*step), row)
	}
	return out
}

func plain(values []float64) [][]float64 {
	out := make([][]float64, len(values))
	for i, v := range values {
		out[i] = []float64{v}
	}
	return out
}

func alerts(ps []Point) (at []int) {
	for i, p := range ps {
		if p.Alert {
			at = append(at, i)
		}
	}
	return at
}

func TestSpikeIsOneAlert(t *testing.T) {
	values := wave(4000, 1)
	for i := 3000; i < 3012; i++ {
		values[i] += 400
	}
	got := alerts(points([]string{series.Value}, 5*time.Minute, plain(values)))
	if len(got) == 0 || got[0] != 3000 {
		t.Fatalf("alerts at %v, want the first at 3000", got)
	}
	if len(got) > 2 {
		t.Errorf("one event alerted %d times: %v", len(got), got)
	}
}

func TestQuietSeriesHasNoAlert(t *testing.T) {
	flat := make([]float64, 4000)
	for name, values := range map[string][]float64{"a constant": flat, "a wave": wave(4000, 2)} {
		if got := alerts(points([]string{series.Value}, 5*time.Minute, plain(values))); len(got) > 1 {
			t.Errorf("%s: alerts at %v", name, got)
		}
	}
}

// TestAnEventDoesNotHideTheNext: a level that steps up says so in every window for hours; a smaller event at another time of the day after is told all the same.
func TestAnEventDoesNotHideTheNext(t *testing.T) {
	for seed := range uint64(5) {
		values := wave(3000, 10+seed)
		for i := 1500; i < len(values); i++ {
			values[i] += 150
		}
		for i := 2000; i < 2003; i++ {
			values[i] += 90
		}
		got := alerts(points([]string{series.Value}, 5*time.Minute, plain(values)))
		if !slices.Contains(got, 1500) || !slices.ContainsFunc(got, func(i int) bool { return i >= 2000 && i < 2006 }) {
			t.Errorf("seed %d: alerts at %v, want them at 1500 and at 2000 or soon after", seed, got)
		}
	}
}

// TestWhatRecursIsLessNewsEachDay: the same spike at one time of day scores less from day to day.
func TestWhatRecursIsLessNewsEachDay(t *testing.T) {
	values := wave(288*9, 4)
	var at []int
	for i := 288 + 100; i < len(values); i += 288 {
		values[i], at = values[i]+300, append(at, i)
	}
	ps := points([]string{series.Value}, 5*time.Minute, plain(values))
	if first, third, last := ps[at[0]].Score, ps[at[2]].Score, ps[at[len(at)-1]].Score; first < Threshold || third >= first || last >= third || last >= 0.3 {
		t.Errorf("scores of the first, third and last day: %.2f, %.2f, %.2f", first, third, last)
	}
}

// TestRowsDependOnThePastAlone cuts a series anywhere: the rows before the cut keep their points.
func TestRowsDependOnThePastAlone(t *testing.T) {
	values := plain(wave(3000, 3))
	whole := points([]string{series.Value}, 5*time.Minute, values)
	for _, cut := range []int{1, 2, 20, 21, 22, 100, 577, 2999} {
		if diff := cmp.Diff(whole[:cut], points([]string{series.Value}, 5*time.Minute, values[:cut])); diff != "" {
			t.Errorf("cut at %d: %s", cut, diff)
		}
	}
}

// TestServiceRowsDependOnThePastAlone writes a service's file cut anywhere: what it says of the rows that are left does not change. Bursts and gaps in the
// numbers are within it, so that alerts, habits and limits are too.
func TestServiceRowsDependOnThePastAlone(t *testing.T) {
	const n = 4 * 1440
	rows := minutes(n, func(i int, r []float64) {
		switch {
		case i%1000 < 12:
			r[0], r[1], r[5] = r[0]*7, r[1]*30, 0.6
		case i%777 == 0:
			r[2] = math.NaN()
		}
	})
	write := func(n int) []string {
		f := &series.Frame{Names: series.Metrics, Columns: make([][]float64, len(series.Metrics))}
		for i, row := range rows[:n] {
			at := start.Add(time.Duration(i) * time.Minute)
			f.Times, f.Stamps = append(f.Times, at), append(f.Stamps, at.Format(time.RFC3339))
			for c, v := range row {
				f.Columns[c] = append(f.Columns[c], v)
			}
		}
		var out bytes.Buffer
		if _, err := WriteCSV(&out, f); err != nil {
			t.Fatal(err)
		}
		return strings.Split(out.String(), "\n")
	}
	whole := write(n)
	if !strings.Contains(strings.Join(whole, "\n"), ",1,") {
		t.Fatal("no alert in the whole file: the test would compare silence")
	}
	for _, cut := range []int{1, 2, 59, 60, 61, 1439, 1441, 2003, 3001, n - 1} {
		if diff := cmp.Diff(whole[:cut+1], write(cut)[:cut+1]); diff != "" {
			t.Errorf("cut after %d rows: %s", cut, diff)
		}
	}
}

// A burst that is too small by itself counts with what is too much for the hour, for some minutes.
func TestABurstAndTheHourAddUp(t *testing.T) {
	for name, c := range map[string]struct {
		burst, hour float64
		after       int // rows
		alert       bool
	}{
		"both at once":            {0.9, 0.8, 0, true},
		"the hour's mean follows": {0.9, 0.9, 10, true},
		"a burst alone":           {0.9, 0, 0, false},
		"the hour alone":          {0, 0.9, 0, false},
		"a burst of an hour ago":  {0.9, 0.9, 60, false},
	} {
		var w watch
		got := w.together(effect{size: c.burst}, effect{})
		for range c.after {
			got = w.together(effect{}, effect{})
		}
		if c.hour > 0 {
			got = w.together(effect{}, effect{size: c.hour})
		}
		if (got.size >= 1) != c.alert {
			t.Errorf("%s: size %.2f, want an alert: %v", name, got.size, c.alert)
		}
	}
}

// minutes makes rows of a steady service; change alters them from a minute on.
func minutes(n int, change func(i int, r []float64)) [][]float64 {
	r := rand.New(rand.NewPCG(5, 5))
	out := make([][]float64, n)
	for i := range out {
		calls := math.Round(40 + 10*math.Sin(2*math.Pi*float64(i)/1440) + 4*r.NormFloat64())
		out[i] = []float64{calls, calls * (500 + 20*r.NormFloat64()), calls * (100 + 5*r.NormFloat64()), calls * 0.001, 800 + 50*r.NormFloat64(), 0.01}
		change(i, out[i])
	}
	return out
}

func TestAbusesAreFoundAndNamed(t *testing.T) {
	const from = 6 * 1440
	for name, c := range map[string]struct {
		change  func(i int, r []float64)
		feature string
		within  int
	}{
		"a burst":         {func(_ int, r []float64) { r[0], r[1], r[2] = r[0]*6, r[1]*6, r[2]*6 }, "requests", 2},
		"stuffed prompts": {func(_ int, r []float64) { r[1] *= 10 }, "prompt_tokens_per_request", 3},
		"failing retries": {func(_ int, r []float64) { r[5] = 0.7 }, "error_rate", 3},
	} {
		rows := minutes(from+120, func(i int, r []float64) {
			if i >= from {
				c.change(i, r)
			}
		})
		ps := points(series.Metrics, time.Minute, rows)
		got := alerts(ps)
		if len(got) == 0 || got[0] < from || got[0] > from+c.within {
			t.Errorf("%s: alerts at %v, want the first in %d to %d", name, got, from, from+c.within)
			continue
		}
		if len(got) > 1 {
			t.Errorf("%s alerted %d times", name, len(got))
		}
		if p := ps[got[0]]; p.Feature != c.feature || p.Actual <= p.Expected {
			t.Errorf("%s: %+v, want feature %s above what was expected", name, p, c.feature)
		}
	}
}

// TestEventsAreExplained reads the explanation of a burst that costs ten times the usual.
func TestEventsAreExplained(t *testing.T) {
	const from = 6 * 1440
	d := New(series.Metrics)
	for i, r := range minutes(from+20, func(i int, r []float64) {
		if i >= from {
			for c := range 4 {
				r[c] *= 10
			}
		}
	}) {
		at := start.Add(time.Duration(i) * time.Minute)
		p := d.Step(at, r)
		if !p.Alert {
			continue
		}
		e := d.Explain(p)
		sum := 0.0
		for _, s := range e.Features {
			sum += s.Share
		}
		if e.Feature != "requests" || e.Features[0].Feature != e.Feature || sum < 0.95 || sum > 1.001 {
			t.Errorf("features %+v, want requests to lead and shares of 1 in all", e.Features)
		}
		if begun := start.Add(from * time.Minute); e.Start.Before(begun) || e.Start.After(e.Alert) || e.Alert.Sub(begun) > 3*time.Minute {
			t.Errorf("from %s, alerted at %s; it began at %s", e.Start, e.Alert, begun)
		}
		if usual := 40 * 0.001 * 60; e.StakeUSDPerHour < 6*usual || e.StakeUSDPerHour > 13*usual || e.ExtraCalls < 200 {
			t.Errorf("%.2f dollars an hour and %.0f calls at stake, want about 9 times %.2f and 360", e.StakeUSDPerHour, e.ExtraCalls, usual)
		}
		if !strings.Contains(e.Sentence, "calls a row") || !strings.Contains(e.Sentence, "an hour more than usual") {
			t.Errorf("sentence %q", e.Sentence)
		}
		return
	}
	t.Error("the burst did not alert")
}

func TestHabitsAreNoNews(t *testing.T) {
	rows := minutes(10*1440, func(i int, r []float64) {
		if at := i % 1440; at >= 180 && at < 195 {
			for c := range 4 {
				r[c] *= 5 + float64(i/1440) // grows by more than the record rule forgives
			}
		}
	})
	for _, at := range alerts(points(series.Metrics, time.Minute, rows)) {
		if at > 4*1440 {
			t.Errorf("the batch of day %d alerted", at/1440)
		}
	}
}

func TestWriteCSVKeepsTheRows(t *testing.T) {
	in := "timestamp,value\n2026-01-01 00:00:00,1\n2026-01-01 00:00:00,\n2026-01-01T00:05:00Z,3\n"
	f, err := series.Read(strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := WriteCSV(&out, f); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var stamps []string
	for _, r := range rows[1:] {
		stamps = append(stamps, r[0])
	}
	if diff := cmp.Diff(Header, rows[0]); diff != "" {
		t.Error(diff)
	}
	if want := []string{"2026-01-01 00:00:00", "2026-01-01 00:00:00", "2026-01-01T00:05:00Z"}; !slices.Equal(stamps, want) {
		t.Errorf("stamps %v, want %v", stamps, want)
	}
}

func TestPValuesAreCalibrated(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	values := make([]float64, 20_000)
	for i := range values {
		values[i] = r.NormFloat64()
	}
	low := 0
	for _, p := range points([]string{series.Value}, time.Minute, plain(values))[5000:] {
		if p.P <= 0 || p.P > 1 {
			t.Fatalf("p is %v", p.P)
		}
		if p.P < 0.01 {
			low++
		}
	}
	if share := float64(low) / 15_000; share < 0.003 || share > 0.03 {
		t.Errorf("p < 0.01 in a share of %.4f of pure noise", share)
	}
}

func TestWhatACopySeesTeachesNothing(t *testing.T) {
	rows := minutes(6*24*60, func(int, []float64) {})
	d, alone := New(series.Metrics), New(series.Metrics)
	for i, row := range rows {
		at := start.Add(time.Duration(i) * time.Minute)
		if i%500 == 250 {
			c, alerted := d.Copy(), false
			for k := range 30 {
				p := c.Step(at.Add(time.Duration(k)*time.Minute), []float64{9e3, 9e6, 9e6, 900, 9e4, 1})
				alerted = alerted || p.Alert
			}
			if i > learnRows && !alerted {
				t.Errorf("row %d: a copy does not know what its origin learnt", i)
			}
		}
		if got, want := d.Step(at, row), alone.Step(at, row); got != want {
			t.Fatalf("row %d: %+v, %+v without copies", i, got, want)
		}
	}
	if New([]string{series.Value}).Copy() != nil {
		t.Error("a plain series' detector was copied")
	}
}

// FuzzStep holds that no sequence of numbers gives anything but probabilities.
func FuzzStep(f *testing.F) {
	f.Add([]byte{1, 2, 3, 200, 0, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, columns := range [][]string{{series.Value}, series.Metrics} {
			d := New(columns)
			row := make([]float64, len(columns))
			for i := range 400 {
				for c := range row {
					if len(b) > 0 {
						row[c] = math.Exp(float64(b[(i*7+c)%len(b)])) - 1
						if b[(i+c)%len(b)] == 255 {
							row[c] = math.NaN()
						}
					}
				}
				p := d.Step(start.Add(time.Duration(i)*time.Hour), row)
				if !(p.Score >= 0 && p.Score <= 1) || !(p.P > 0 && p.P <= 1) || math.IsNaN(p.Share) {
					t.Fatalf("row %d: %+v", i, p)
				}
			}
		}
	})
}

func BenchmarkStep(b *testing.B) {
	for name, columns := range map[string][]string{"value": {series.Value}, "metrics": series.Metrics} {
		b.Run(name, func(b *testing.B) {
			d := New(columns)
			rows := minutes(4000, func(int, []float64) {})
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				d.Step(start.Add(time.Duration(i)*time.Minute), rows[i%4000][:len(columns)])
				i++
			}
		})
	}
}

// A burst of long prompts on the second day has a small p-value from its second minute on, and keeps it at the full hour, where it has become the record: a policy acts as long as it lasts.
// What comes before it, and is no event by its own limits, has none.
func TestAnEarlyBurstKeepsItsPValue(t *testing.T) {
	const from, to = 30*60 + 20, 31*60 + 40
	ps := points(series.Metrics, time.Minute, minutes(to, func(i int, r []float64) {
		if i >= from {
			r[0], r[1], r[3] = 3*r[0], 24*r[1], 24*r[3]
		}
	}))
	for i, p := range ps {
		switch {
		case i < learnRows-1 && p.P != 1:
			t.Fatalf("p is %v in row %d, before anything is known", p.P, i)
		case i < from && p.P < evidences*risk:
			t.Errorf("p is %v in row %d, before the burst", p.P, i)
		case i > from && p.P > 1e-4:
			t.Errorf("p is %v in minute %d of the burst", p.P, i-from+1)
		}
	}
}
