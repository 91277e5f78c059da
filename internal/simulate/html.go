package simulate

import (
	_ "embed"
	"html/template"
	"io"
	"maps"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

//go:embed report.html
var page string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"usd": func(n sentinel.NanoUSD) string { return n.String() }, "at": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
	"bars": bars, "names": func(m map[string]int64) []string { return slices.Sorted(maps.Keys(m)) },
}).Parse(page))

// HTML writes the report as one page without scripts.
func (r Report) HTML(w io.Writer) error { return pageTemplate.Execute(w, r) }

// bar is one mark of the chart, in its own coordinates.
type bar struct {
	X, Width, NowY, NowHeight, ThenY, ThenHeight float64
	Title                                        string
}

const (
	chartWidth  = 960.0
	chartHeight = 180.0
	mostBars    = 744 // hours of a month; longer periods are drawn from the last ones
)

// bars places the hours of a report: spend, or refusals.
func bars(hours []Hour, refused bool) []bar {
	hours = hours[max(0, len(hours)-mostBars):]
	value := func(h Hour) (now, then float64) {
		if refused {
			return float64(h.NowRefused), float64(h.ThenRefused)
		}
		return float64(h.NowCost), float64(h.ThenCost)
	}
	top := 1.0
	for _, h := range hours {
		now, then := value(h)
		top = max(top, now, then)
	}
	step := chartWidth / float64(max(1, len(hours)))
	out := make([]bar, len(hours))
	for i, h := range hours {
		now, then := value(h)
		b := bar{X: float64(i) * step, Width: max(step*0.8, 0.5), NowHeight: now / top * chartHeight, ThenHeight: then / top * chartHeight}
		b.NowY, b.ThenY = chartHeight-b.NowHeight, chartHeight-b.ThenHeight
		b.Title = h.At.Format("2006-01-02 15:04 UTC") + ": " + h.NowCost.String() + " now, " + h.ThenCost.String() + " then"
		out[i] = b
	}
	return out
}
