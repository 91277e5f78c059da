package trial

import (
	"image/color"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	_ "gonum.org/v1/plot/vg/vgsvg" // the form of the plots

	"github.com/saas-sentinel/saas-sentinel/ml/forecast"
)

// Colours that stay apart for eyes that do not tell red from green.
var (
	ink   = color.RGBA{R: 0x22, G: 0x2b, B: 0x38, A: 0xff}
	blue  = color.RGBA{R: 0x1f, G: 0x6f, B: 0xc4, A: 0xff}
	amber = color.RGBA{R: 0xd9, G: 0x73, B: 0x0d, A: 0xff}
	pale  = color.NRGBA{R: 0x1f, G: 0x6f, B: 0xc4, A: 0x38}
)

// plots draws what docs/ml.md shows.
func plots(t *testing.T, dir string, files []NABFile, cases []Case, scores map[string][]Score) {
	t.Helper()
	save := func(p *plot.Plot, name string) {
		p.BackgroundColor = color.White
		if err := p.Save(18*vg.Centimeter, 8*vg.Centimeter, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	save(fan(t, cases[0]), "ml-forecast.svg")
	save(coverage(t, scores["sentinel"]), "ml-coverage.svg")
	save(accuracy(t, scores), "ml-accuracy.svg")
	for _, f := range files {
		if strings.Contains(f.Name, "ec2_cpu_utilization_5f5533") {
			save(detection(t, f), "ml-detect.svg")
		}
	}
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// line draws values at from, from+1, …
func line(t *testing.T, p *plot.Plot, from int, values []float64, c color.Color, name string) {
	t.Helper()
	l := must[*plotter.Line](t)(plotter.NewLine(points(from, values)))
	l.Color = c
	p.Add(l)
	if name != "" {
		p.Legend.Add(name, l)
	}
}

func points(from int, values []float64) plotter.XYs {
	out := make(plotter.XYs, len(values))
	for i, v := range values {
		out[i].X, out[i].Y = float64(from+i), v
	}
	return out
}

// band fills what lies between two lines.
func band(t *testing.T, p *plot.Plot, from int, low, high []float64, name string) {
	t.Helper()
	edge := points(from, high)
	for i := len(low) - 1; i >= 0; i-- {
		edge = append(edge, plotter.XY{X: float64(from + i), Y: low[i]})
	}
	area := must[*plotter.Polygon](t)(plotter.NewPolygon(edge))
	area.Color, area.Width = pale, 0
	p.Add(area)
	p.Legend.Add(name, area)
}

// fan shows a forecast with its intervals, and what came.
func fan(t *testing.T, c Case) *plot.Plot {
	t.Helper()
	f, err := forecast.Run(c.Train(), forecast.Options{H: c.H, Season: c.Season, Season2: c.Season2})
	if err != nil {
		t.Fatal(err)
	}
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = "A client's calls an hour, 48 hours ahead", "hours", "calls"
	p.Legend.Top, p.Legend.Left = true, true
	past := c.Train()[len(c.Train())-120:]
	band(t, p, 0, f.Lo95, f.Hi95, "95 of 100")
	band(t, p, 0, f.Lo80, f.Hi80, "80 of 100")
	line(t, p, -len(past), past, ink, "was")
	line(t, p, 0, c.Held(), amber, "came")
	line(t, p, 0, f.Mean, blue, "expected")
	return p
}

// coverage shows what intervals hold on each set.
func coverage(t *testing.T, scores []Score) *plot.Plot {
	t.Helper()
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = "What the intervals hold, by set", "share of steps"
	p.Y.Min, p.Y.Max = 0.5, 1
	p.Legend.Left = true
	var names []string
	in80, in95 := make([]float64, len(scores)), make([]float64, len(scores))
	for i, s := range scores {
		names = append(names, s.Set)
		in80[i], in95[i] = s.In80, s.In95
	}
	for _, of := range []struct {
		name     string
		values   []float64
		colour   color.Color
		from, to float64
	}{{"80 %", in80, blue, 0.77, 0.83}, {"95 %", in95, amber, 0.93, 0.97}} {
		low, high := make([]float64, len(scores)), make([]float64, len(scores))
		for i := range low {
			low[i], high[i] = of.from, of.to
		}
		band(t, p, 0, low, high, "aim of "+of.name)
		dots := must[*plotter.Scatter](t)(plotter.NewScatter(points(0, of.values)))
		dots.Color, dots.Radius = of.colour, vg.Points(3)
		p.Add(dots)
		p.Legend.Add(of.name, dots)
	}
	tilt(p, names)
	return p
}

func tilt(p *plot.Plot, names []string) {
	p.NominalX(names...)
	p.X.Tick.Label.Rotation, p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = 0.6, -1, -0.5
}

// accuracy compares MASE with the peers', as a share of the seasonal naive's, averaged over sets.
func accuracy(t *testing.T, scores map[string][]Score) *plot.Plot {
	t.Helper()
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = "Mean absolute error, the seasonal naive's is 1", "clients and made sets"
	p.Y.Min = 0
	names := append([]string{"sentinel"}, peerForecasters...)
	var clients, made plotter.Values
	for _, name := range names {
		all := scores[name]
		clients = append(clients, all[0].MASE/all[0].Naive)
		sum, n := 0.0, 0.0
		for _, s := range all[1:] {
			if s.Series > 0 {
				sum, n = sum+s.MASE/s.Naive, n+1
			}
		}
		made = append(made, sum/max(1, n))
	}
	for i, of := range []struct {
		name   string
		values plotter.Values
		colour color.Color
	}{{"clients", clients, blue}, {"made sets, mean", made, amber}} {
		bars := must[*plotter.BarChart](t)(plotter.NewBarChart(of.values, vg.Points(18)))
		bars.Color, bars.LineStyle.Width, bars.Offset = of.colour, 0, vg.Points(float64(20*i-10))
		p.Add(bars)
		p.Legend.Add(of.name, bars)
	}
	p.Legend.Top, p.Legend.Left = true, true
	p.NominalX(names...)
	return p
}

// detection shows a file of the benchmark: its values, the windows that people marked, and the scores.
func detection(t *testing.T, f NABFile) *plot.Plot {
	t.Helper()
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = f.Name, "rows", "value; scores times the largest"
	values := f.Frame.Columns[0]
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	for _, w := range f.Windows {
		band(t, p, w[0], make([]float64, w[1]-w[0]), filled(w[1]-w[0], most), "marked")
	}
	line(t, p, 0, values, ink, "value")
	scores := Detect([]NABFile{f})[0]
	for i := range scores {
		scores[i] *= most
	}
	line(t, p, 0, scores, amber, "score")
	line(t, p, 0, filled(len(values), 0.5*most), blue, "alert")
	p.Legend.Top = true
	return p
}

func filled(n int, v float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = v
	}
	return out
}
