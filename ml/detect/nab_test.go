package detect

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ml/series"
)

// nabDir holds the Numenta Anomaly Benchmark (MIT), where somebody has put it beside the repository.
const nabDir = "../../../shared/data/nab"

// nabRow is a row after the probation: its score, its position's weight, and its window or -1.
type nabRow struct {
	score, weight float64
	window        int
}

// sigmoid weighs a position by its distance from the end of a window, in widths (NAB v1.1, scaled sigmoid).
func sigmoid(x float64) float64 {
	if x > 3 {
		return -1
	}
	return 2/(1+math.Exp(5*x)) - 1
}

// nabRows runs a fresh detector over a file and weighs each row by the file's windows.
func nabRows(t *testing.T, path string, windows [][2]string, first int) []nabRow {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	f, err := series.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	n := len(f.Times)
	rows := make([]nabRow, n)
	for i, p := range score(f) {
		rows[i] = nabRow{score: p.Score, weight: -1, window: -1}
	}
	place := func(text string) int {
		at, err := time.Parse("2006-01-02 15:04:05.000000", text)
		if err != nil {
			t.Fatal(err)
		}
		return sort.Search(n, func(i int) bool { return !f.Times[i].Before(at) })
	}
	for k, w := range windows {
		from, to := place(w[0]), min(place(w[1]), n-1)
		width := float64(to-from) + 1
		for i := from; i <= to; i++ {
			rows[i].window, rows[i].weight = first+k, sigmoid(-(float64(to-i)+1)/width)/sigmoid(-1)
		}
		next := n
		if k+1 < len(windows) {
			next = place(windows[k+1][0])
		}
		for i := to + 1; i < next; i++ {
			rows[i].weight = sigmoid(float64(i-to) / (width - 1))
		}
	}
	return rows[min(int(0.15*float64(n)), 750):]
}

func score(f *series.Frame) []Point {
	d := New(f.Names)
	out := make([]Point, len(f.Times))
	for i := range out {
		out[i] = d.Step(f.Times[i], []float64{f.Columns[0][i]})
	}
	return out
}

// nabScore is the best score over all thresholds, 0 for silence and 100 for every window at its first row.
func nabScore(rows []nabRow, windows int, miss, falseAlert float64) float64 {
	slices.SortStableFunc(rows, func(a, b nabRow) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	gained := make([]float64, windows)
	for i := range gained {
		gained[i] = -miss
	}
	silent := -miss * float64(windows)
	total, best := silent, silent
	for i, r := range rows {
		if r.window < 0 {
			total += r.weight * falseAlert
		} else if r.weight > gained[r.window] {
			total += r.weight - gained[r.window]
			gained[r.window] = r.weight
		}
		if i+1 == len(rows) || rows[i+1].score != r.score {
			best = max(best, total)
		}
	}
	return 100 * (best - silent) / (float64(windows) - silent)
}

// TestNAB holds the detector's scores on the files of the benchmark that are at hand.
func TestNAB(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(nabDir, "labels", "combined_windows.json"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the Numenta Anomaly Benchmark is not beside the repository")
	}
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string][][2]string{}
	if err := json.Unmarshal(text, &labels); err != nil {
		t.Fatal(err)
	}
	var rows []nabRow
	files, windows := 0, 0
	for rel, w := range labels {
		path := filepath.Join(nabDir, "data", rel)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		rows = append(rows, nabRows(t, path, w, windows)...)
		windows += len(w)
		files++
	}
	for _, p := range []struct {
		name              string
		miss, alert, want float64
	}{{"standard", 1, 0.11, 60}, {"reward low FP", 1, 0.22, 55}, {"reward low FN", 2, 0.11, 65}} {
		got := nabScore(rows, windows, p.miss, p.alert)
		t.Logf("%-14s %.1f on %d files with %d windows", p.name, got, files, windows)
		if got < p.want {
			t.Errorf("%s: %.1f is below %.1f", p.name, got, p.want)
		}
	}
}
