package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clientRates writes the hourly rates of two clients with fourteen days, busy days and quiet nights.
func clientRates(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("client" + strings.Repeat(",calls", 14*24) + "\n")
	for client := range 2 {
		fmt.Fprintf(&text, "c%d", client)
		for hour := range 14 * 24 {
			fmt.Fprintf(&text, ",%.0f", 4000*(1.02+math.Sin(2*math.Pi*float64(hour)/24))+float64(100*(hour*7%5)))
		}
		text.WriteString("\n")
	}
	return written(t, filepath.Join(t.TempDir(), "rates.csv"), text.String())
}

// benchmarkFolder writes a benchmark of one file: a level with one window, in which it is another.
func benchmarkFolder(t *testing.T) string {
	t.Helper()
	dir, begin := t.TempDir(), time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	var text strings.Builder
	text.WriteString("timestamp,value\n")
	for i := range 1000 {
		v := 10 + 0.1*float64(i%7)
		if i == 900 {
			v = 80
		}
		fmt.Fprintf(&text, "%s,%g\n", begin.Add(time.Duration(i)*5*time.Minute).Format(time.DateTime), v)
	}
	written(t, filepath.Join(dir, "data", "made", "level.csv"), text.String())
	at := func(row int) string {
		return begin.Add(time.Duration(row) * 5 * time.Minute).Format("2006-01-02 15:04:05.000000")
	}
	written(t, filepath.Join(dir, "labels", "combined_windows.json"), fmt.Sprintf(`{"made/level.csv": [[%q, %q]], "made/elsewhere.csv": []}`, at(895), at(915)))
	return dir
}

func written(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// evaluated gives what evaluate prints.
func evaluated(args ...string) (string, error) {
	var out bytes.Buffer
	c := root()
	c.SetArgs(append([]string{"ml", "evaluate"}, args...))
	c.SetOut(&out)
	err := c.Execute()
	return out.String(), err
}

func TestEvaluatePrintsTheTables(t *testing.T) {
	rates, benchmark := clientRates(t), benchmarkFolder(t)
	tables := map[string][]string{
		"nab":      {"NAB profile", "1 file", "standard", "reward low FP", "reward low FN"},
		"abuse":    {"false alerts a week", "leaked key", "runaway", "month end"},
		"forecast": {"MASE", "80 % hold", "95 % of totals", "clients by the hour", "level shifts"},
		"speed":    {"microseconds a row", "service", "plain series"},
	}
	whole, err := evaluated("--rates", rates, "--nab", benchmark, "--series", "1")
	if err != nil {
		t.Fatal(err)
	}
	for name, words := range tables {
		one, err := evaluated("--rates", rates, "--nab", benchmark, "--series", "1", "--tables", name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, word := range words {
			if !strings.Contains(whole, word) || !strings.Contains(one, word) {
				t.Errorf("%q is missing in all tables, or in that of %s:\n%s\n%s", word, name, whole, one)
			}
		}
		for other, words := range tables {
			if other != name && strings.Contains(one, words[0]) {
				t.Errorf("the table %s has %q of %s:\n%s", name, words[0], other, one)
			}
		}
	}
	for _, line := range strings.Split(whole, "\n") { // the one window is found, wherever the threshold has to be
		if strings.HasPrefix(line, "standard") && (len(strings.Fields(line)) != 4 || strings.Fields(line)[1] < "50" || strings.Fields(line)[3] != "-") {
			t.Errorf("%q: want above 50 for a spike within the window, and nothing of the half without files", line)
		}
	}
	if without, err := evaluated("--rates", rates, "--series", "1"); err != nil || strings.Contains(without, "NAB") {
		t.Errorf("without the benchmark: %v\n%s", err, without)
	}
}

func TestEvaluateRefuses(t *testing.T) {
	rates := clientRates(t)
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	for want, args := range map[string][]string{
		`--tables: "peers" is none of nab, abuse, forecast, speed`: {"--tables", "nab,peers"},
		"--tables: name some of nab, abuse, forecast, speed":       {"--tables", ""},
		"--nab is wanted for the table nab":                        {"--tables", "nab"},
		"--nab: open " + nowhere:                                   {"--nab", nowhere},
		"has none of the files that its labels name":               {"--nab", filepath.Dir(filepath.Dir(written(t, filepath.Join(t.TempDir(), "labels", "combined_windows.json"), `{"a/b.csv": []}`)))},
		"--series: 0 is outside 1 to 1000":                         {"--series", "0", "--rates", nowhere}, // flags before files
		"--series: 1001 is outside":                                {"--series", "1001", "--rates", nowhere},
	} {
		if _, err := evaluated(append([]string{"--rates", rates}, args...)...); err == nil || !strings.Contains(err.Error(), want) || exitCode(err) != exitUsage {
			t.Errorf("%v: %v, want %q and exit code %d", args, err, want, exitUsage)
		}
	}
}
