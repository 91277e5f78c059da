package trial

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ml/detect"
	"github.com/saas-sentinel/saas-sentinel/ml/series"
	"github.com/saas-sentinel/saas-sentinel/ml/synth"
)

// data is where somebody has put the benchmark's data, beside the repository.
const data = "../../../shared/data"

// How much the peers get to do: they take up to a thousand times as long.
const (
	madeForPeers  = 6    // series of each made set
	arimas        = 3    // clients for AutoARIMA, which takes ten seconds each
	abuseForPeers = 8    // series of each kind
	abuseSeed     = 2000 // the detector was made with seeds below 1000
)

var peerForecasters = []string{"MSTL", "AutoTheta", "AutoETS", "Prophet"}

// TestPeers measures detectors and forecasters beside those of statsforecast, Prophet and scikit-learn, on the same data and by the same judges; it writes
// the tables to the file that ML_BENCH names, and the plots beside it. ML_PEERS names the Python that has the peers.
func TestPeers(t *testing.T) {
	target, python := os.Getenv("ML_BENCH"), os.Getenv("ML_PEERS")
	if target == "" {
		t.Skip("make ml-bench measures")
	}
	folder := t.TempDir()
	cases := benchCases(t)
	files, err := ReadNAB(filepath.Join(data, "nab"))
	if err != nil {
		t.Fatal(err)
	}
	abuse := benchAbuse(t)
	writeCases(t, folder, cases)
	writeRows(t, folder, files, abuse)
	run := exec.Command(python, "peers.py", folder)
	run.Stderr = os.Stderr
	if err := run.Run(); err != nil {
		t.Fatalf("the peers: %v", err)
	}
	var out bytes.Buffer
	out.WriteString("# Machine learning beside its peers\n\nWritten by `make ml-bench`, on one machine and one core for each. All see the same rows and are judged by the same code;\n" +
		"peers run with their defaults. Times are CPU time, of peers without what is compiled at first use.\n")
	nabTable(t, &out, folder, files)
	abuseTable(t, &out, folder, abuse)
	scores := forecastTables(t, &out, folder, cases)
	speedTable(&out, files, abuse)
	if err := os.WriteFile(target, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	plots(t, filepath.Join(filepath.Dir(target), "..", "img"), files, cases, scores)
	fmt.Print(out.String())
}

// benchCases are the real clients with twelve days, and some of every made set.
func benchCases(t *testing.T) []Case {
	t.Helper()
	return append(Clients(benchRates(t)), Made(madeForPeers, 200)...)
}

func benchRates(t *testing.T) []series.Rates {
	t.Helper()
	file, err := os.Open(filepath.Join(data, "servegen_hourly", "requests_per_hour_by_client.csv"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the clients' rates are not beside the repository")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	rates, err := series.ReadRates(file)
	if err != nil {
		t.Fatal(err)
	}
	return rates
}

func benchAbuse(t *testing.T) (out []synth.Series) {
	t.Helper()
	rates := benchRates(t)
	for _, kind := range append([]synth.Kind{synth.Quiet}, synth.Abuses...) {
		able := slices.DeleteFunc(slices.Clone(rates), func(r series.Rates) bool { return !synth.Usable(r.Hourly, kind) })
		for i := range abuseForPeers {
			who := able[i*len(able)/abuseForPeers]
			s, err := synth.Make(who.Name, who.Hourly, kind, abuseSeed+uint64(i))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, s)
		}
	}
	return out
}

func key(i int) string { return strconv.Itoa(i) }

func writeCases(t *testing.T, folder string, cases []Case) {
	t.Helper()
	type asked struct {
		Key    string    `json:"key"`
		Y      []float64 `json:"y"`
		H      int       `json:"h"`
		Season int       `json:"season"`
		By     []string  `json:"by"`
	}
	var all []asked
	for i, c := range cases {
		by := peerForecasters
		if i < arimas {
			by = append(slices.Clone(by), "AutoARIMA")
		}
		all = append(all, asked{key(i), c.Train(), c.H, c.Season, by})
	}
	text, err := json.Marshal(all)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "cases.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func nabName(i int) string   { return fmt.Sprintf("nab%d.csv", i) }
func abuseName(i int) string { return fmt.Sprintf("abuse%d.csv", i) }

func writeRows(t *testing.T, folder string, files []NABFile, abuse []synth.Series) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(folder, "rows"), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name string, rows [][]float64) {
		var text bytes.Buffer
		for _, row := range rows {
			for i, v := range row {
				if i > 0 {
					text.WriteByte(',')
				}
				text.WriteString(strconv.FormatFloat(v, 'g', 8, 64))
			}
			text.WriteByte('\n')
		}
		if err := os.WriteFile(filepath.Join(folder, "rows", name), text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, f := range files {
		rows := make([][]float64, len(f.Frame.Times))
		for k, v := range f.Frame.Columns[0] {
			rows[k] = []float64{v}
		}
		write(nabName(i), rows)
	}
	for i, s := range abuse {
		write(abuseName(i), s.Rows)
	}
}

// peerScores reads what a peer's detector gave for a file.
func peerScores(t *testing.T, folder, peer, name string) []float64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, peer, name))
	if err != nil {
		t.Fatal(err)
	}
	var out []float64
	for line := range strings.FieldsSeq(string(text)) {
		v, err := strconv.ParseFloat(line, 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

func nabTable(t *testing.T, out *bytes.Buffer, folder string, files []NABFile) {
	_, _ = fmt.Fprintf(out, "\n## Numenta Anomaly Benchmark, %d of its files, one configuration\n\n| detector | standard | reward low FP | reward low FN |\n|---|---|---|---|\n", len(files))
	row := func(name string, scores [][]float64) {
		_, _ = fmt.Fprintf(out, "| %s ", name)
		for _, p := range NABProfiles {
			_, _ = fmt.Fprintf(out, "| %.1f ", NABScore(files, scores, p))
		}
		out.WriteString("|\n")
	}
	mine := Detect(files)
	row("sentinel", mine)
	for _, peer := range []string{"isolation forest", "random"} {
		var scores [][]float64
		for i := range files {
			scores = append(scores, peerScores(t, folder, peer, nabName(i)))
		}
		row(peer, scores)
	}
	_, _ = fmt.Fprintf(out, "\nHalf of the files each, by their order:\n\n| half | standard | reward low FP | reward low FN |\n|---|---|---|---|\n")
	for half := range 2 {
		var some []NABFile
		var scores [][]float64
		for i := half; i < len(files); i += 2 {
			some, scores = append(some, files[i]), append(scores, mine[i])
		}
		_, _ = fmt.Fprintf(out, "| %d | %.1f | %.1f | %.1f |\n", half+1, NABScore(some, scores, NABProfiles[0]), NABScore(some, scores, NABProfiles[1]), NABScore(some, scores, NABProfiles[2]))
	}
}

// ours is the product's detector as a judge.
type ours struct{ *detect.Detector }

func (o ours) Alert(at time.Time, row []float64) bool { return o.Step(at, row).Alert }

// scored alerts above the largest score of its first three days, once in two hours.
type scored struct {
	scores []float64
	n      int
	most   float64
	quiet  time.Time
}

func (s *scored) Alert(at time.Time, _ []float64) bool {
	v := s.scores[s.n]
	if s.n++; s.n <= 3*24*60 {
		s.most = max(s.most, v)
		return false
	}
	if v <= s.most || at.Before(s.quiet) {
		return false
	}
	s.quiet = at.Add(2 * time.Hour)
	return true
}

func abuseTable(t *testing.T, out *bytes.Buffer, folder string, abuse []synth.Series) {
	_, _ = fmt.Fprintf(out, "\n## Made abuse on the rates of real clients, %d series of each kind\n\nRecall, median delay, and false alerts a series and week. `sentinel ml evaluate` gives more of each kind.\n\n"+
		"| kind | sentinel | EWMA | isolation forest, raw |\n|---|---|---|---|\n", abuseForPeers)
	for from := 0; from < len(abuse); from += abuseForPeers {
		set := abuse[from : from+abuseForPeers]
		_, _ = fmt.Fprintf(out, "| %s ", set[0].Kind)
		next := from
		for _, fresh := range []func() synth.Judge{
			func() synth.Judge { return ours{detect.New(synth.Columns)} },
			func() synth.Judge { return &synth.EWMA{} },
			func() synth.Judge {
				next++
				return &scored{scores: peerScores(t, folder, "isolation forest", abuseName(next-1))}
			},
		} {
			r := synth.Measure(set[0].Kind, set, fresh)
			found := fmt.Sprintf("%.2f, %s, ", r.Recall(), r.MedianDelay)
			if set[0].Kind == synth.Quiet {
				found = ""
			}
			_, _ = fmt.Fprintf(out, "| %s%.2f ", found, r.FalsePerWeek())
		}
		out.WriteString("|\n")
	}
}

func speedTable(out *bytes.Buffer, files []NABFile, abuse []synth.Series) {
	rows := 0
	began := cpu()
	for _, s := range Detect(files) {
		rows += len(s)
	}
	plain := (cpu() - began) / time.Duration(max(1, rows))
	d := detect.New(synth.Columns)
	began = cpu()
	for i, row := range abuse[0].Rows {
		d.Step(abuse[0].Start.Add(time.Duration(i)*time.Minute), row)
	}
	service := (cpu() - began) / time.Duration(len(abuse[0].Rows))
	_, _ = fmt.Fprintf(out, "\n## Detector: microseconds a row\n\n| plain series | service |\n|---|---|\n| %.1f | %.1f |\n", float64(plain.Nanoseconds())/1000, float64(service.Nanoseconds())/1000)
}
