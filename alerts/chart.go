package alerts

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	imagedraw "image/draw"
	"image/png"
	"math"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// maxPoints bounds a chart's series.
const maxPoints = 2_000

// Chart is spend over time, for a picture in a message. Amounts are dollars for the eye; nothing is counted with them.
type Chart struct {
	Title     string
	At        []time.Time
	Actual    []float64 // one for each of At
	Low, High []float64 // the expected band; both empty: none
	Budget    float64   // a line across; 0: none
}

// Picture is how a chart is drawn.
type Picture struct {
	Dark  bool // light lines on a dark ground
	Small bool // a quarter of the pixels, for channels whose messages hold little
}

// theme is a chart's colours; contrast of lines to their background is at least 3 to 1.
type theme struct{ back, ink, grid, actual, band, budget color.Color }

var themes = map[bool]theme{
	false: {color.White, color.NRGBA{0x1f, 0x23, 0x28, 0xff}, color.NRGBA{0xd0, 0xd7, 0xde, 0xff},
		color.NRGBA{0x09, 0x69, 0xda, 0xff}, color.NRGBA{0x09, 0x69, 0xda, 0x30}, color.NRGBA{0xcf, 0x22, 0x2e, 0xff}},
	true: {color.NRGBA{0x0d, 0x11, 0x17, 0xff}, color.NRGBA{0xe6, 0xed, 0xf3, 0xff}, color.NRGBA{0x30, 0x36, 0x3d, 0xff},
		color.NRGBA{0x58, 0xa6, 0xff, 0xff}, color.NRGBA{0x58, 0xa6, 0xff, 0x40}, color.NRGBA{0xff, 0x7b, 0x72, 0xff}},
}

// Resolutions of a chart of 8 by 4 inches: 1,200 by 600 pixels, or 600 by 300.
const (
	chartDPI      = 150
	smallChartDPI = 75
)

// PNG draws the chart.
func (c Chart) PNG(look Picture) ([]byte, error) {
	if err := c.sound(); err != nil {
		return nil, fmt.Errorf("draw chart: %w", err)
	}
	t, dpi := themes[look.Dark], chartDPI
	if look.Small {
		dpi = smallChartDPI
	}
	p := plot.New()
	c.dress(p, t)
	if len(c.Low) > 0 {
		band, err := plotter.NewPolygon(c.band())
		if err != nil {
			return nil, fmt.Errorf("draw chart: %w", err)
		}
		band.Color, band.Width = t.band, 0
		p.Add(band)
		p.Legend.Add("expected", band)
	}
	actual, err := plotter.NewLine(c.points(c.Actual))
	if err != nil {
		return nil, fmt.Errorf("draw chart: %w", err)
	}
	actual.LineStyle = draw.LineStyle{Color: t.actual, Width: vg.Points(2)}
	p.Add(actual)
	p.Legend.Add("actual", actual)
	if c.Budget > 0 {
		x0, x1 := float64(c.At[0].Unix()), float64(c.At[len(c.At)-1].Unix())
		line, err := plotter.NewLine(plotter.XYs{{X: x0, Y: c.Budget}, {X: x1, Y: c.Budget}})
		if err != nil {
			return nil, fmt.Errorf("draw chart: %w", err)
		}
		line.LineStyle = draw.LineStyle{Color: t.budget, Width: vg.Points(1.5), Dashes: []vg.Length{vg.Points(6), vg.Points(4)}}
		p.Add(line)
		p.Legend.Add("budget", line)
	}
	canvas := vgimg.NewWith(vgimg.UseWH(8*vg.Inch, 4*vg.Inch), vgimg.UseDPI(dpi), vgimg.UseBackgroundColor(t.back))
	p.Draw(draw.New(canvas))
	var drawn image.Image = canvas.Image()
	if look.Small {
		drawn = fewColours(drawn, t)
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, drawn); err != nil {
		return nil, fmt.Errorf("draw chart: %w", err)
	}
	return out.Bytes(), nil
}

// fewColours draws a picture with the 16 colours of its theme, which take half a byte a pixel: the ground, and each other colour in
// three steps from it, for the edges of letters and lines.
func fewColours(from image.Image, t theme) image.Image {
	const steps = 3
	colours := color.Palette{t.back}
	for _, c := range []color.Color{t.ink, t.grid, t.actual, t.band, t.budget} {
		for step := 1; step <= steps; step++ {
			dot := image.NewRGBA(image.Rect(0, 0, 1, 1))
			dot.Set(0, 0, t.back)
			imagedraw.DrawMask(dot, dot.Bounds(), image.NewUniform(c), image.Point{}, image.NewUniform(color.Alpha{uint8(255 * step / steps)}), image.Point{}, imagedraw.Over)
			colours = append(colours, dot.At(0, 0))
		}
	}
	out := image.NewPaletted(from.Bounds(), colours)
	imagedraw.Draw(out, from.Bounds(), from, from.Bounds().Min, imagedraw.Src)
	return out
}

// sound checks what the plotting library would panic on.
func (c Chart) sound() error {
	n := len(c.At)
	if n < 2 || n > maxPoints || len(c.Actual) != n || len(c.Low) != len(c.High) || len(c.Low) != 0 && len(c.Low) != n {
		return errors.New("the series differ in length, or have under 2 or over 2000 points")
	}
	for _, list := range [][]float64{c.Actual, c.Low, c.High, {c.Budget}} {
		for _, v := range list {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return errors.New("a value is not a number")
			}
		}
	}
	for i := 1; i < n; i++ {
		if !c.At[i].After(c.At[i-1]) {
			return errors.New("the times do not ascend")
		}
	}
	return nil
}

func (c Chart) dress(p *plot.Plot, t theme) {
	p.BackgroundColor = t.back
	p.Title.Text, p.Title.TextStyle.Color = Plain(c.Title, 90), t.ink
	p.Y.Label.Text, p.Y.Min = "US dollars", 0
	p.Y.Max = 1.25 * max(c.Budget, slices.Max(c.Actual), slices.Max(append([]float64{0.01}, c.High...))) // room for the legend
	p.X.Tick.Marker = plot.TickerFunc(hourTicks)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Tick.Color, a.Tick.Label.Color, a.Label.TextStyle.Color = t.grid, t.grid, t.ink, t.ink
	}
	p.Legend.Top, p.Legend.Left, p.Legend.TextStyle.Color = true, true, t.ink
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = nil, t.grid
	p.Add(grid)
}

// hourTicks marks full hours of UTC, at most mostTicks of them.
func hourTicks(from, to float64) (out []plot.Tick) {
	const hour, mostTicks = 3600, 8
	step := 7 * 24 * hour
	for _, hours := range []int{1, 2, 3, 6, 12, 24, 48, 96} {
		if (to-from)/float64(hours*hour) <= mostTicks {
			step = hours * hour
			break
		}
	}
	for at := math.Ceil(from/float64(step)) * float64(step); at <= to && len(out) < 10*mostTicks; at += float64(step) {
		out = append(out, plot.Tick{Value: at, Label: time.Unix(int64(at), 0).UTC().Format("Jan 2\n15:04")})
	}
	return out
}

func (c Chart) points(values []float64) plotter.XYs {
	out := make(plotter.XYs, len(values))
	for i, v := range values {
		out[i].X, out[i].Y = float64(c.At[i].Unix()), v
	}
	return out
}

// band goes along the upper edge and back along the lower one.
func (c Chart) band() plotter.XYs {
	out := c.points(c.High)
	low := c.points(c.Low)
	for i := len(low) - 1; i >= 0; i-- {
		out = append(out, low[i])
	}
	return out
}
