package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/ml/detect"
	"github.com/saas-sentinel/saas-sentinel/ml/series"
	"github.com/saas-sentinel/saas-sentinel/ml/synth"
	"github.com/saas-sentinel/saas-sentinel/ml/trial"
)

// evaluation is what tables are made of.
type evaluation struct {
	rates     []series.Rates  // of all clients
	benchmark []trial.NABFile // nil without the benchmark
	count     int             // series of each kind
	seed      uint64
}

// evaluations are the tables in the order in which they are printed.
var evaluations = []struct {
	name  string
	print func(evaluation, io.Writer) error
}{
	{"nab", evaluation.nab},
	{"abuse", evaluation.abuse},
	{"forecast", evaluation.forecast},
	{"speed", evaluation.speed},
}

func mlEvaluateCommand() *cobra.Command {
	var names []string
	for _, e := range evaluations {
		names = append(names, e.name)
	}
	c := &cobra.Command{
		Use: "evaluate", Short: "Measure the detector and the forecasts on labelled and held-back data", Args: none,
		Long: "Evaluate prints four tables:\n" +
			"- nab: the scores of the detector on the Numenta Anomaly Benchmark, where --nab says where its files are;\n" +
			"- abuse: series of a service, minute by minute, on hourly rates of real clients, with one abuse or one legitimate surprise each, and\n" +
			"  how the detector and a plain EWMA alarm did on them;\n" +
			"- forecast: errors of forecasts of the clients' last 48 hours from twelve days, and of made series of fifteen kinds, in units of the mean\n" +
			"  seasonal change (MASE) beside those of repeating the last season, and how much their intervals hold;\n" +
			"- speed: wall time for a row and for a forecast.\n\n" +
			"Rates are CSV: a header, then a line for each client with its name and hourly counts. The abuse is made of clients with at least 192\n" +
			"hours, a call a minute, and calls in half of their hours; off-hours use needs a quiet night.",
		Example: "  sentinel ml evaluate --rates requests_per_hour_by_client.csv --nab NAB\n" +
			"  sentinel ml evaluate --rates requests_per_hour_by_client.csv --series 40 --seed 2000 --tables abuse",
	}
	path := c.Flags().String("rates", "", "CSV of hourly rates")
	nab := c.Flags().String("nab", "", "folder of the Numenta Anomaly Benchmark, with its folders data and labels")
	tables := c.Flags().StringSlice("tables", names, "which tables to print")
	count := c.Flags().Int("series", 40, "series of each kind")
	seed := c.Flags().Uint64("seed", 1000, "of the first series; the detector was made with seeds below 1000")
	_ = c.MarkFlagRequired("rates")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *count < 1 || *count > 1000 {
			return refused(fmt.Errorf("--series: %d is outside 1 to 1000", *count))
		}
		if len(*tables) == 0 {
			return refused(fmt.Errorf("--tables: name some of %s", strings.Join(names, ", ")))
		}
		for _, name := range *tables {
			if !slices.Contains(names, name) {
				return refused(fmt.Errorf("--tables: %q is none of %s", name, strings.Join(names, ", ")))
			}
		}
		if c.Flags().Changed("tables") && *nab == "" && slices.Contains(*tables, "nab") {
			return refused(errors.New("--nab is wanted for the table nab: name the folder of the benchmark"))
		}
		e, err := readEvaluation(*path, *nab)
		if err != nil {
			return refused(err)
		}
		e.count, e.seed = *count, *seed
		return e.print(c.OutOrStdout(), *tables)
	}
	return c
}

// readEvaluation reads the clients' rates, and the benchmark unless its folder is empty.
func readEvaluation(rates, nab string) (e evaluation, err error) {
	file, err := os.Open(rates)
	if err != nil {
		return e, fmt.Errorf("--rates: %w", err)
	}
	defer func() { _ = file.Close() }()
	if e.rates, err = series.ReadRates(file); err != nil {
		return e, fmt.Errorf("%s: %w", rates, err)
	}
	if !slices.ContainsFunc(e.rates, func(c series.Rates) bool { return synth.Usable(c.Hourly, synth.Quiet) }) {
		return e, fmt.Errorf("%s: no client has 192 hours, a call a minute, and calls in half of its hours", rates)
	}
	if nab == "" {
		return e, nil
	}
	if e.benchmark, err = trial.ReadNAB(nab); err != nil {
		return e, fmt.Errorf("--nab: %w", err)
	}
	if len(e.benchmark) == 0 {
		return e, fmt.Errorf("--nab: %s has none of the files that its labels name: put them into %s/data", nab, nab)
	}
	return e, nil
}

// print writes the tables one below the other, each as soon as it is known.
func (e evaluation) print(w io.Writer, tables []string) error {
	between := ""
	for _, t := range evaluations {
		if !slices.Contains(tables, t.name) || t.name == "nab" && e.benchmark == nil {
			continue
		}
		if _, err := io.WriteString(w, between); err != nil {
			return err
		}
		between = "\n"
		out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		if err := t.print(e, out); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// nab is the benchmark's table: of all of its files, and of every second one, each with the threshold that suits it best.
func (e evaluation) nab(out io.Writer) error {
	scores := trial.Detect(e.benchmark)
	var files [2][]trial.NABFile
	var halves [2][][]float64
	for i := range e.benchmark {
		files[i%2], halves[i%2] = append(files[i%2], e.benchmark[i]), append(halves[i%2], scores[i])
	}
	_, _ = fmt.Fprintf(out, "NAB profile\t%s\tthe 1st, 3rd, …\tthe 2nd, 4th, …\n", series.Count(len(e.benchmark), "file"))
	for _, p := range trial.NABProfiles {
		_, _ = fmt.Fprintf(out, "%s\t%.1f", p.Name, trial.NABScore(e.benchmark, scores, p))
		for k := range halves {
			if windows(files[k]) == 0 {
				_, _ = fmt.Fprint(out, "\t-")
				continue
			}
			_, _ = fmt.Fprintf(out, "\t%.1f", trial.NABScore(files[k], halves[k], p))
		}
		_, _ = fmt.Fprintln(out)
	}
	return nil
}

func windows(files []trial.NABFile) (n int) {
	for _, f := range files {
		n += len(f.Windows)
	}
	return n
}

// detector is the product's as a judge.
type detector struct{ *detect.Detector }

func (d detector) Alert(at time.Time, row []float64) bool { return d.Step(at, row).Alert }

// made gives the series of a kind, none where no client fits.
func (e evaluation) made(kind synth.Kind) ([]synth.Series, error) {
	able := slices.DeleteFunc(slices.Clone(e.rates), func(c series.Rates) bool { return !synth.Usable(c.Hourly, kind) })
	if len(able) == 0 {
		return nil, nil
	}
	set := make([]synth.Series, e.count)
	for i := range set {
		who := able[i*len(able)/e.count]
		var err error
		if set[i], err = synth.Make(who.Name, who.Hourly, kind, e.seed+uint64(i)); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// abuse is the table of what is found of each kind, and of false alerts.
func (e evaluation) abuse(out io.Writer) error {
	_, _ = fmt.Fprintln(out, "kind\trecall\tmedian delay\tfalse alerts a week\tEWMA recall\tEWMA delay\tEWMA false alerts a week")
	for _, kind := range append(append([]synth.Kind{}, synth.Abuses...), synth.Legitimate...) {
		set, err := e.made(kind)
		if err != nil {
			return err
		}
		if len(set) == 0 {
			_, _ = fmt.Fprintf(out, "%s\tno client fits\n", kind)
			continue
		}
		ours := synth.Measure(kind, set, func() synth.Judge { return detector{detect.New(synth.Columns)} })
		plain := synth.Measure(kind, set, func() synth.Judge { return &synth.EWMA{} })
		recall := func(r synth.Result) string {
			if r.Found == 0 && ours.Found == 0 {
				return "-"
			}
			return fmt.Sprintf("%.2f", r.Recall())
		}
		_, _ = fmt.Fprintf(out, "%s\t%s\t%s\t%.2f\t%s\t%s\t%.2f\n", kind, recall(ours), ours.MedianDelay, ours.FalsePerWeek(),
			recall(plain), plain.MedianDelay, plain.FalsePerWeek())
	}
	return nil
}

// forecast is the table of errors and of what intervals hold.
func (e evaluation) forecast(out io.Writer) error {
	_, _ = fmt.Fprintln(out, "forecasts of\tseries\tMASE\tseasonal naive\t80 % hold\t95 % hold\t80 % of totals\t95 % of totals\tms each")
	for _, s := range trial.Judge(append(trial.Clients(e.rates), trial.Made(e.count, e.seed)...), trial.Ours) {
		_, _ = fmt.Fprintf(out, "%s\t%d\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.1f\n", s.Set, s.Series, s.MASE, s.Naive, s.In80, s.In95, s.InTotal80, s.InTotal95,
			1000*s.Took.Seconds())
	}
	return nil
}

// speed is the table of the time that a row takes, of a service and of a plain series.
func (e evaluation) speed(out io.Writer) error {
	set, err := e.made(synth.Quiet)
	if err != nil {
		return err
	}
	one := set[0] // readEvaluation saw that a client fits
	whole, calls := detect.New(synth.Columns), detect.New([]string{"value"})
	service := timed(one, func(at time.Time, row []float64) { whole.Step(at, row) })
	plain := timed(one, func(at time.Time, row []float64) { calls.Step(at, row[:1]) })
	_, _ = fmt.Fprintln(out, "detector\trows\tmicroseconds a row")
	for _, of := range []struct {
		name string
		took time.Duration
	}{{"service", service}, {"plain series", plain}} {
		_, _ = fmt.Fprintf(out, "%s\t%d\t%.1f\n", of.name, len(one.Rows), 1e6*of.took.Seconds()/float64(len(one.Rows)))
	}
	return nil
}

func timed(s synth.Series, step func(at time.Time, row []float64)) time.Duration {
	began := time.Now()
	for i, row := range s.Rows {
		step(s.Start.Add(time.Duration(i)*time.Minute), row)
	}
	return time.Since(began)
}
