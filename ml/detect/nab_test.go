package detect_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/saas-sentinel/saas-sentinel/ml/trial"
)

// nabDir holds the Numenta Anomaly Benchmark, where somebody has put it beside the repository.
const nabDir = "../../../shared/data/nab"

// TestNAB holds the detector's scores on the files of the benchmark that are at hand, and on each half of them.
func TestNAB(t *testing.T) {
	files, err := trial.ReadNAB(nabDir)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the Numenta Anomaly Benchmark is not beside the repository")
	}
	if err != nil {
		t.Fatal(err)
	}
	var half [2][]trial.NABFile
	var halfScores [2][][]float64
	scores := trial.Detect(files)
	for i, f := range files {
		half[i%2], halfScores[i%2] = append(half[i%2], f), append(halfScores[i%2], scores[i])
	}
	for i, want := range []float64{70.1, 67, 80.4} {
		p := trial.NABProfiles[i]
		got := trial.NABScore(files, scores, p)
		t.Logf("%-14s %.1f on %d files; halves %.1f and %.1f", p.Name, got, len(files),
			trial.NABScore(half[0], halfScores[0], p), trial.NABScore(half[1], halfScores[1], p))
		if got < want {
			t.Errorf("%s: %.1f is below %.1f", p.Name, got, want)
		}
	}
}
