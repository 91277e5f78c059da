package trial

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ml/forecast"
)

// peerForecast is one of a peer's forecasts.
type peerForecast struct {
	Mean, Lo80, Hi80, Lo95, Hi95 []float64
	Seconds                      float64
	Fault                        string
}

// peer makes a forecaster of what a peer has written.
func peer(cases []Case, got map[string]peerForecast) Forecaster {
	at := map[*float64]int{} // cases are told apart by where their values are
	for i, c := range cases {
		at[&c.Values[0]] = i
	}
	return func(c Case) (forecast.Forecast, time.Duration, error) {
		f, ok := got[key(at[&c.Values[0]])]
		if !ok || f.Fault != "" {
			return forecast.Forecast{}, 0, errors.New(f.Fault)
		}
		return forecast.Forecast{Mean: f.Mean, Lo80: f.Lo80, Hi80: f.Hi80, Lo95: f.Lo95, Hi95: f.Hi95}, time.Duration(f.Seconds * float64(time.Second)), nil
	}
}

func forecastTables(t *testing.T, out *bytes.Buffer, folder string, cases []Case) map[string][]Score {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "forecasts.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]map[string]peerForecast
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	scores := map[string][]Score{"sentinel": Judge(cases, oursByCPU)}
	for _, name := range append([]string{"AutoARIMA"}, peerForecasters...) {
		chosen := cases
		if name == "AutoARIMA" {
			chosen = cases[:arimas]
		}
		scores[name] = Judge(chosen, peer(cases, got[name]))
	}
	mine := scores["sentinel"]
	_, _ = fmt.Fprintf(out, "\n## Forecasts: MASE\n\n%d clients 48 hours ahead from twelve days, and %d of each made set.\n\n| set | sentinel | seasonal naive | %s |\n|---|---|---|%s\n",
		mine[0].Series, madeForPeers, strings.Join(peerForecasters, " | "), strings.Repeat("---|", len(peerForecasters)))
	for i, s := range mine {
		_, _ = fmt.Fprintf(out, "| %s | %.3f | %.3f ", s.Set, s.MASE, s.Naive)
		for _, name := range peerForecasters {
			_, _ = fmt.Fprintf(out, "| %s ", told(scores[name][i], scores[name][i].MASE))
		}
		out.WriteString("|\n")
	}
	_, _ = fmt.Fprintf(out, "\n## Forecasts: shares that 80 %% and 95 %% intervals hold\n\n| set | sentinel | its totals | %s |\n|---|---|---|%s\n", strings.Join(peerForecasters, " | "), strings.Repeat("---|", len(peerForecasters)))
	for i, s := range mine {
		_, _ = fmt.Fprintf(out, "| %s | %.3f, %.3f | %.3f, %.3f ", s.Set, s.In80, s.In95, s.InTotal80, s.InTotal95)
		for _, name := range peerForecasters {
			if p := scores[name][i]; p.Series == 0 {
				out.WriteString("| - ")
			} else {
				_, _ = fmt.Fprintf(out, "| %.3f, %.3f ", p.In80, p.In95)
			}
		}
		out.WriteString("|\n")
	}
	_, _ = fmt.Fprintf(out, "\n## Forecasts: milliseconds a series\n\n| set | sentinel | %s | AutoARIMA, %d series |\n|---|---|%s---|\n", strings.Join(peerForecasters, " | "), arimas, strings.Repeat("---|", len(peerForecasters)))
	for i, s := range mine {
		_, _ = fmt.Fprintf(out, "| %s | %.1f ", s.Set, milliseconds(s.Took))
		for _, name := range peerForecasters {
			_, _ = fmt.Fprintf(out, "| %.0f ", milliseconds(scores[name][i].Took))
		}
		if i == 0 {
			_, _ = fmt.Fprintf(out, "| %.0f |\n", milliseconds(scores["AutoARIMA"][0].Took))
		} else {
			out.WriteString("| |\n")
		}
	}
	return scores
}

// cpu is the time that this process has had a core for, as the peers' times are: other work on the machine is no part of it.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func oursByCPU(c Case) (forecast.Forecast, time.Duration, error) {
	began := cpu()
	f, _, err := Ours(c)
	return f, cpu() - began, err
}

// told marks a figure of fewer series than there are.
func told(s Score, v float64) string {
	if s.Series == 0 {
		return "-"
	}
	if s.Refused > 0 {
		return fmt.Sprintf("%.3f (%d refused)", v, s.Refused)
	}
	return fmt.Sprintf("%.3f", v)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
