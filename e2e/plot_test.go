package e2e

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	_ "gonum.org/v1/plot/vg/vgsvg" // the form of the plots
)

// curve is one line of a plot.
type curve struct {
	name   string
	points plotter.XYs
	dots   bool // each point is shown: there are few
}

// colours are of curves, in their order.
var colours = []color.Color{
	color.RGBA{R: 0x1f, G: 0x6f, B: 0xc4, A: 0xff}, color.RGBA{R: 0xd9, G: 0x73, B: 0x0d, A: 0xff}, color.RGBA{R: 0x2c, G: 0x8f, B: 0x4e, A: 0xff},
	color.RGBA{R: 0x8a, G: 0x4f, B: 0xbf, A: 0xff}, color.RGBA{R: 0x55, G: 0x55, B: 0x55, A: 0xff},
}

// drawn adds curves, from zero and with room for their names above, and writes the plot.
func drawn(p *plot.Plot, all []curve, file string) error {
	p.BackgroundColor = color.White
	for i, c := range all {
		line, dots, err := plotter.NewLinePoints(c.points)
		if err != nil {
			return err
		}
		line.Color, dots.Color, dots.Shape = colours[i], colours[i], draw.CircleGlyph{}
		p.Add(line)
		if c.dots {
			p.Add(dots)
		}
		p.Legend.Add(c.name, line)
	}
	p.Y.Min, p.Legend.Top = 0, true
	p.Y.Max *= 1.5
	return p.Save(18*vg.Centimeter, 8*vg.Centimeter, file)
}
