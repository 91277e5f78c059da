package trial

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ml/detect"
	"github.com/saas-sentinel/saas-sentinel/ml/series"
)

// NABFile is a file of the Numenta Anomaly Benchmark v1.1 (MIT) with the windows in which it is anomalous.
type NABFile struct {
	Name    string // category/file.csv
	Frame   *series.Frame
	Windows [][2]int // rows, both included
}

// ReadNAB reads the files of the benchmark that a directory holds, in the order of their names.
func ReadNAB(dir string) ([]NABFile, error) {
	text, err := os.ReadFile(filepath.Join(dir, "labels", "combined_windows.json"))
	if err != nil {
		return nil, err
	}
	labels := map[string][][2]string{}
	if err := json.Unmarshal(text, &labels); err != nil {
		return nil, fmt.Errorf("labels of the benchmark: %w", err)
	}
	var out []NABFile
	for name, windows := range labels {
		path := filepath.Join(dir, "data", name)
		file, err := os.Open(path)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		frame, err := series.Read(file)
		_ = file.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		f := NABFile{Name: name, Frame: frame}
		for _, w := range windows {
			from, err := f.place(w[0])
			if err != nil {
				return nil, err
			}
			to, err := f.place(w[1])
			if err != nil {
				return nil, err
			}
			f.Windows = append(f.Windows, [2]int{from, min(to, len(frame.Times)-1)})
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b NABFile) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// place is the first row that is not before a time of the labels.
func (f *NABFile) place(text string) (int, error) {
	at, err := time.Parse("2006-01-02 15:04:05.000000", text)
	if err != nil {
		return 0, fmt.Errorf("labels of %s: %w", f.Name, err)
	}
	return sort.Search(len(f.Frame.Times), func(i int) bool { return !f.Frame.Times[i].Before(at) }), nil
}

// Detect gives the scores of the package detect for the rows of each file.
func Detect(files []NABFile) (out [][]float64) {
	for _, f := range files {
		d := detect.New(f.Frame.Names)
		scores := make([]float64, len(f.Frame.Times))
		for k, v := range f.Frame.Columns[0] {
			scores[k] = d.Step(f.Frame.Times[k], []float64{v}).Score
		}
		out = append(out, scores)
	}
	return out
}

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

// weigh gives each row of a file its place among the windows, the first of which has the number first.
func (f *NABFile) weigh(scores []float64, first int) []nabRow {
	n := len(f.Frame.Times)
	rows := make([]nabRow, n)
	for i, s := range scores {
		rows[i] = nabRow{score: s, weight: -1, window: -1}
	}
	for k, w := range f.Windows {
		from, to := w[0], w[1]
		width := float64(to-from) + 1
		for i := from; i <= to; i++ {
			rows[i].window, rows[i].weight = first+k, sigmoid(-(float64(to-i)+1)/width)/sigmoid(-1)
		}
		next := n
		if k+1 < len(f.Windows) {
			next = f.Windows[k+1][0]
		}
		for i := to + 1; i < next; i++ {
			rows[i].weight = sigmoid(float64(i-to) / (width - 1))
		}
	}
	return rows[min(int(0.15*float64(n)), 750):]
}

// NABProfile weighs mistakes as the benchmark's profiles do.
type NABProfile struct {
	Name             string
	Miss, FalseAlert float64
}

// NABProfiles are the benchmark's three.
var NABProfiles = []NABProfile{{"standard", 1, 0.11}, {"reward low FP", 1, 0.22}, {"reward low FN", 2, 0.11}}

// NABScore is the score of a detector over files, scores[i] being those of the rows of files[i]: the best over all thresholds, one
// for all files; 0 for silence and 100 for every window at its first row.
func NABScore(files []NABFile, scores [][]float64, p NABProfile) float64 {
	var rows []nabRow
	windows := 0
	for i := range files {
		rows = append(rows, files[i].weigh(scores[i], windows)...)
		windows += len(files[i].Windows)
	}
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
		gained[i] = -p.Miss
	}
	silent := -p.Miss * float64(windows)
	total, best := silent, silent
	for i, r := range rows {
		if r.window < 0 {
			total += r.weight * p.FalseAlert
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
