package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
)

// hours writes a series of so many hours with the given value.
func hours(t *testing.T, n int, value float64) string {
	t.Helper()
	text := "timestamp,value\n"
	for i := range n {
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Hour)
		text += fmt.Sprintf("%s,%g\n", at.Format(time.RFC3339), value*float64(10+i%24))
	}
	path := filepath.Join(t.TempDir(), "in.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func ml(args ...string) (stderr string, err error) {
	var told bytes.Buffer
	c := mlCommand()
	c.SetArgs(args)
	c.SetOut(&bytes.Buffer{})
	c.SetErr(&told)
	err = c.Execute()
	return told.String(), err
}

// An output that is no file stays what it is: a pipe gets the rows.
func TestAnOutputThatIsAPipeStaysOne(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "out")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	if told, err := ml("forecast", "--input", hours(t, 96, 1), "--h", "3", "--output", pipe); err != nil {
		t.Fatal(err, told)
	}
	if info, err := os.Stat(pipe); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		t.Fatalf("the pipe was replaced: %v, %v", info.Mode(), err)
	}
	head := make([]byte, 14)
	if _, err := reader.Read(head); err != nil || string(head) != "timestamp,mean" {
		t.Errorf("read %q, %v", head, err)
	}
}

func TestForecastSaysWhenABudgetIsUsedUp(t *testing.T) {
	for name, c := range map[string]struct {
		hours        int
		value        float64
		budget, want string
	}{
		"in the second day": {120, 1, "600", "even odds 2026-01-07T0"},
		"later":             {120, 1, "1e6", "even odds after the forecast's end"},
		"two days of past":  {48, 1, "600", "three days of history are needed"},
		"no spend":          {120, 0, "600", "nothing was spent yet"},
	} {
		told, err := ml("forecast", "--input", hours(t, c.hours, c.value), "--h", "48", "--budget", c.budget)
		if err != nil || !strings.Contains(told, c.want) {
			t.Errorf("%s: %s, %v, want %q", name, told, err, c.want)
		}
	}
	if _, err := ml("forecast", "--input", hours(t, 120, 1), "--h", "48", "--budget", "-1"); err == nil || !strings.Contains(err.Error(), "above 0") {
		t.Errorf("a negative budget: %v", err)
	}
}

// A row of a whole day is a date, whatever zone the days of finer rows begin in.
func TestDailyRowsAreDatesInAnyZone(t *testing.T) {
	var text strings.Builder
	text.WriteString("timestamp,value\n")
	for day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); day.Month() < time.September; day = day.AddDate(0, 0, 1) {
		value := 100 + day.Day()%3
		if day.AddDate(0, 0, 1).Day() == 1 {
			value *= 2
		}
		fmt.Fprintf(&text, "%s,%d\n", day.Format(time.RFC3339), value)
	}
	file := filepath.Join(t.TempDir(), "days.csv")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	told, err := ml("forecast", "--input", file, "--h", "7", "--timezone", "America/New_York")
	if err != nil || !strings.Contains(told, "on the last day of a month") {
		t.Errorf("%s, %v; want the last day of a month", told, err)
	}
}

func TestAnInputIsNeverOverwritten(t *testing.T) {
	in := hours(t, 96, 1)
	before, err := os.ReadFile(in)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.csv")
	if err := os.Symlink(in, link); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ input, output, want string }{
		"the same file":       {in, in, "is the input"},
		"a link to it":        {in, link, "is the input"},
		"the same directory":  {filepath.Dir(in), filepath.Dir(in) + "/.", "is the input"},
		"a directory for one": {in, t.TempDir(), "name a file in it"},
	} {
		if _, err := ml("detect", "--input", c.input, "--output", c.output); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if after, err := os.ReadFile(in); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the input is now %q, %v", after, err)
	}
}

// Of a directory, files that cannot be read are told at the end, and the others have their output.
func TestADirectoryGivesADirectory(t *testing.T) {
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	text, err := os.ReadFile(hours(t, 96, 1))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"a.csv": "timestamp,value\n", "b/good.csv": string(text), "c.csv": "no,header\n1,2\n", "d.txt": "not read"} {
		path := filepath.Join(in, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for verb, args := range map[string][]string{"detect": nil, "forecast": {"--h", "3"}} {
		_, err := ml(append([]string{verb, "--input", in, "--output", out}, args...)...)
		if err == nil || !strings.Contains(err.Error(), "no output for 2 of 3 files") || !strings.Contains(err.Error(), "no rows") || !strings.Contains(err.Error(), "no column timestamp") {
			t.Errorf("%s: %v", verb, err)
		}
		if rows, err := os.ReadFile(filepath.Join(out, "b", "good.csv")); err != nil || strings.Count(string(rows), "\n") < 4 {
			t.Errorf("%s: %q, %v", verb, rows, err)
		}
	}
}

// burst writes a service's minutes of two days, with a burst on the second.
func burst(t *testing.T, path string) {
	t.Helper()
	text := "timestamp,requests,cost_usd\n"
	for i := range 2 * 24 * 60 {
		calls := 20 + i%7
		if i >= 2500 && i < 2520 {
			calls *= 30
		}
		text += fmt.Sprintf("%s,%d,%g\n", time.Date(2026, 1, 5, 0, i, 0, 0, time.UTC).Format(time.RFC3339), calls, 0.01*float64(calls))
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A file that cannot be read keeps nothing back of what the others have to say.
func TestEventsOfADirectoryAreWrittenBesideABadFile(t *testing.T) {
	in, out, events := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "events.json")
	burst(t, filepath.Join(in, "good.csv"))
	if err := os.WriteFile(filepath.Join(in, "bad.csv"), []byte("no,header\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	told, err := ml("detect", "--input", in, "--output", out, "--events", events)
	if err == nil || !strings.Contains(err.Error(), "no output for 1 of 2 files") {
		t.Errorf("%v, want the bad file told", err)
	}
	text, err := os.ReadFile(events)
	if err != nil || !strings.Contains(string(text), "good.csv") || !strings.Contains(told, "2880 rows, 1 alert\n") {
		t.Errorf("the events are %q, %v, and told was %q; want those of the good file", text, err, told)
	}
}

func TestEventsOverwriteNothing(t *testing.T) {
	in, out := hours(t, 96, 1), filepath.Join(t.TempDir(), "out.csv")
	before, err := os.ReadFile(in)
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"the input":             {"--input", in, "--output", out, "--events", in},
		"the output to come":    {"--input", in, "--output", out, "--events", filepath.Dir(out) + "/./out.csv"},
		"an input of many":      {"--input", filepath.Dir(in), "--output", t.TempDir(), "--events", in},
		"standard output's row": {"--input", in, "--events", "-"},
	} {
		if _, err := ml(append([]string{"detect"}, args...)...); err == nil || !strings.Contains(err.Error(), "would overwrite") {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	if after, err := os.ReadFile(in); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the input is now %q, %v", after, err)
	}
}

func TestForecastRefusesStepsOutOfBounds(t *testing.T) {
	for want, args := range map[string][]string{
		"--h: 0 is outside 1 to 100000":      {"--h", "0"},
		"--h: 100001 is outside":             {"--h", "100001"},
		"--m: -1 is outside 0":               {"--h", "3", "--m", "-1"},
		"--m2: -24 is outside 0":             {"--h", "3", "--m2", "-24"},
		"--freq: -1h0m0s is below 0":         {"--h", "3", "--freq", "-1h"},
		"take the rows' distance, 1h0m0s":    {"--h", "3", "--freq", "1m"},
		"above the rows' distance of 1h0m0s": {"--h", "3", "--freq", "3h"},
	} {
		if _, err := ml(append([]string{"forecast", "--input", hours(t, 96, 1)}, args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}

// Scripts read what was trained by the names that every other answer has; a service that was not judged has a reason and no figures.
func TestTrainedModelsAsJSON(t *testing.T) {
	at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	if err := printJSON(&out, trainedJSON([]app.Trained{
		{Model: sentinel.Model{Service: "app", LearnsFrom: at, JudgedFrom: at, JudgedUntil: at, Version: 4, Features: []string{"requests"}, FalseAlerts: 1, Bursts: 3, Found: 2, Trained: at}, Kept: true},
		{Model: sentinel.Model{Service: "young"}, Reason: "too short"},
	})); err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	when := "2026-03-02T00:00:00Z"
	want := []any{
		map[string]any{"service": "app", "model": map[string]any{"learns_from": when, "judged_from": when, "judged_until": when, "version": 4.0, "features": []any{"requests"},
			"false_alerts": 1.0, "bursts": 3.0, "found": 2.0, "trained": when, "kept": true}},
		map[string]any{"service": "young", "reason": "too short", "model": nil},
	}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
