package forecast

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ml/series"
)

// days is a daily wave by the hour with noise.
func days(n int, noise float64) []float64 {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]float64, n*24)
	for i := range out {
		out[i] = 100 + 60*math.Sin(2*math.Pi*float64(i%24)/24) + noise*r.NormFloat64()
	}
	return out
}

func run(t *testing.T, y []float64, o Options) Forecast {
	t.Helper()
	f, err := Run(y, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.Mean {
		order := []float64{f.Lo95[i], f.Lo80[i], f.Mean[i], f.Hi80[i], f.Hi95[i]}
		for k := 1; k < len(order); k++ {
			if !(order[k-1] <= order[k]) {
				t.Fatalf("step %d: bounds out of order: %v", i, order)
			}
		}
		if totals := []float64{f.TotalLo95[i], f.TotalLo80[i], f.Total[i], f.TotalHi80[i], f.TotalHi95[i]}; !slices.IsSorted(totals) {
			t.Fatalf("step %d: bounds of totals out of order: %v", i, totals)
		}
	}
	return f
}

func TestKnownSeriesGoOn(t *testing.T) {
	for name, c := range map[string]struct {
		y    []float64
		m    int
		want func(i int) float64
		near float64
	}{
		"a wave":     {days(12, 0), 24, func(i int) float64 { return 100 + 60*math.Sin(2*math.Pi*float64(i%24)/24) }, 1e-6},
		"a constant": {repeat([]float64{7}, 50), 1, func(int) float64 { return 7 }, 1e-9},
		"nothing":    {make([]float64, 50), 24, func(int) float64 { return 0 }, 1e-9},
		"one season": {days(1, 0), 24, func(i int) float64 { return 100 + 60*math.Sin(2*math.Pi*float64(i%24)/24) }, 60},
	} {
		f := run(t, c.y, Options{H: 48, Season: c.m})
		for i, v := range f.Mean {
			if math.Abs(v-c.want(i)) > c.near {
				t.Errorf("%s: step %d is %.3f, want %.3f", name, i, v, c.want(i))
				break
			}
		}
	}
}

func TestIntervalsHoldOnNoise(t *testing.T) {
	y := days(40, 10)
	var in80, in95, inTotal, n float64
	for cut := 12 * 24; cut+48 <= len(y); cut += 24 {
		f := run(t, y[cut-12*24:cut], Options{H: 48, Season: 24})
		sum := 0.0
		for i, v := range y[cut : cut+48] {
			sum += v
			n++
			if v >= f.Lo80[i] && v <= f.Hi80[i] {
				in80++
			}
			if v >= f.Lo95[i] && v <= f.Hi95[i] {
				in95++
			}
			if sum >= f.TotalLo80[i] && sum <= f.TotalHi80[i] {
				inTotal++
			}
		}
	}
	if s := in80 / n; s < 0.72 || s > 0.92 {
		t.Errorf("80 %% intervals hold %.3f", s)
	}
	if s := in95 / n; s < 0.9 {
		t.Errorf("95 %% intervals hold %.3f", s)
	}
	if s := inTotal / n; s < 0.6 {
		t.Errorf("80 %% intervals of totals hold %.3f", s)
	}
}

func TestRunRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		y    []float64
		o    Options
		want string
	}{
		"seven values": {make([]float64, 7), Options{H: 1, Season: 1}, "too short"},
		"no steps":     {make([]float64, 70), Options{Season: 1}, "within 1"},
		"huge values":  {append(make([]float64, 70), 1e200), Options{H: 1, Season: 1}, "value 71 is 1e+200, beyond"},
		"a NaN":        {append(make([]float64, 70), math.NaN()), Options{H: 1, Season: 1}, "value 71 is not finite"},
	} {
		if _, err := Run(c.y, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func frame(t *testing.T, text string) *series.Frame {
	t.Helper()
	f, err := series.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRegulariseRepairs(t *testing.T) {
	var text strings.Builder
	text.WriteString("timestamp,value\n")
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 48 {
		if i == 30 {
			continue
		}
		fmt.Fprintf(&text, "%s,%d\n", start.Add(time.Duration(i)*time.Hour).Format(time.RFC3339), i)
		if i == 40 {
			fmt.Fprintf(&text, "%s,%d\n", start.Add(time.Duration(i)*time.Hour).Format(time.RFC3339), 400)
		}
	}
	r, err := Regularise(frame(t, text.String()), 0, 24)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Values) != 48 || r.Filled != 1 || r.Repeated != 1 || r.Values[30] != 6 || r.Values[40] != 400 {
		t.Errorf("%d values, %d filled, %d repeated, [30] = %v, [40] = %v", len(r.Values), r.Filled, r.Repeated, r.Values[30], r.Values[40])
	}
	f := run(t, r.Values, Options{H: 3, Season: 24})
	var out bytes.Buffer
	if err := WriteCSV(&out, r, f); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(rows) != 4 || rows[1][0] != "2026-01-03T00:00:00Z" || len(rows[1]) != len(Header) {
		t.Errorf("%v %v", err, rows)
	}
}

func TestRegulariseRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"one row":     {"timestamp,value\n2026-01-01T00:00:00Z,1\n", "too short"},
		"no number":   {"timestamp,value\n2026-01-01T00:00:00Z,\n2026-01-01T01:00:00Z,nan\n", "no number"},
		"mostly gaps": {"timestamp,value\n2026-01-01T00:00:00Z,1\n2026-01-01T01:00:00Z,1\n2026-01-01T02:00:00Z,1\n2026-01-03T02:00:00Z,1\n", "have no value"},
	} {
		if _, err := Regularise(frame(t, c.text), 0, 24); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// ratesFile has the hourly counts of real clients, where somebody has put it beside the repository.
const ratesFile = "../../../shared/data/servegen_hourly/requests_per_hour_by_client.csv"

// TestClients holds accuracy and coverage on real clients, 48 hours ahead: of steps from twelve days, of totals from eight, ten and twelve days, as all clients
// have their calm days together.
func TestClients(t *testing.T) {
	file, err := os.Open(ratesFile)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the hourly rates are not beside the repository")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	clients, err := series.ReadRates(file)
	if err != nil {
		t.Fatal(err)
	}
	const train, h, season = 288, 48, 24
	var ours, naive, in80, in95, inTotal, n, totals float64
	for _, c := range clients {
		y := c.Hourly
		zeros, scale := 0, 0.0
		for i := season; i < min(train, len(y)); i++ {
			scale += math.Abs(y[i]-y[i-season]) / (train - season)
			if y[i] == 0 {
				zeros++
			}
		}
		if len(y) < train+h || scale < 1 || zeros > (train-season)*9/10 { // nothing to scale errors by
			continue
		}
		for _, end := range []int{192, 240, train} {
			f := run(t, y[:end], Options{H: h, Season: season, Season2: 7 * season})
			totals++
			sum := 0.0
			for i, v := range y[end : end+h] {
				if sum += v; sum >= f.TotalLo80[i] && sum <= f.TotalHi80[i] {
					inTotal += 1.0 / h
				}
			}
		}
		f := run(t, y[:train], Options{H: h, Season: season, Season2: 7 * season})
		n++
		for i, v := range y[train : train+h] {
			ours += math.Abs(v-f.Mean[i]) / h / scale
			naive += math.Abs(v-y[train-season+i%season]) / h / scale
			if v >= f.Lo80[i] && v <= f.Hi80[i] {
				in80 += 1.0 / h
			}
			if v >= f.Lo95[i] && v <= f.Hi95[i] {
				in95 += 1.0 / h
			}
		}
	}
	inTotal *= n / totals
	t.Logf("%v clients: MASE %.3f, seasonal naive %.3f; 80 %% hold %.3f, 95 %% %.3f, totals %.3f", n, ours/n, naive/n, in80/n, in95/n, inTotal/n)
	if ours/n > 1 || ours > naive {
		t.Errorf("MASE %.3f, want at most 1 and at most the seasonal naive's %.3f", ours/n, naive/n)
	}
	for name, c := range map[string]struct{ got, from, to float64 }{
		// The goals are 0.77 to 0.83 and 0.93 to 0.97; the share that 101 clients show is off by 0.02 at times.
		"80 %": {in80 / n, 0.75, 0.85}, "95 %": {in95 / n, 0.93, 0.97}, "80 % of totals": {inTotal / n, 0.75, 0.85},
	} {
		if c.got < c.from || c.got > c.to {
			t.Errorf("%s intervals hold %.3f, want %.2f to %.2f", name, c.got, c.from, c.to)
		}
	}
}

// Rows every five minutes are not the hour's: a step above theirs would forecast a twelfth of the spend.
func TestRegulariseRefusesWhatItCannotKnow(t *testing.T) {
	const text = "timestamp,value\n2026-01-01T00:00:00Z,1\n2026-01-01T00:05:00Z,1\n2026-01-01T00:10:00Z,nan\n"
	for name, c := range map[string]struct {
		step   time.Duration
		season int
		want   string
	}{
		"a coarser step":    {time.Hour, 24, "is above the rows' distance of 5m0s"},
		"a negative season": {0, -1, "season of -1"},
		"a negative step":   {-time.Hour, 24, "a step of -1h0m0s"},
	} {
		if _, err := Regularise(frame(t, text), c.step, c.season); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func FuzzRun(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 0, 255}, 3, 5)
	f.Fuzz(func(t *testing.T, b []byte, season, h int) {
		y := make([]float64, min(len(b), 300))
		for i := range y {
			y[i] = math.Exp(float64(b[i])/8) - 1
		}
		got, err := Run(y, Options{H: min(h, 500), Season: min(season, 500), Season2: min(7*season, 500)})
		if err != nil {
			return
		}
		for i, v := range got.Mean {
			if math.IsNaN(v) || math.IsInf(v, 0) || math.IsNaN(got.TotalHi80[i]) {
				t.Fatalf("step %d: %v, total %v", i, v, got.TotalHi80[i])
			}
		}
	})
}

func BenchmarkRun(b *testing.B) {
	for name, c := range map[string]struct{ days, h int }{"two days from twelve": {12, 48}, "a month from five weeks": {35, 744}} {
		y := days(c.days, 10)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Run(y, Options{H: c.h, Season: 24, Season2: 168}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
