package admin

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/export"
)

// Charges gives the ledger's charges of [from, to) to use, in the order of time: sums by period, which is hour or day.
type Charges interface {
	EachCharge(ctx context.Context, from, to time.Time, period string, use func(sentinel.Charge) error) error
}

// Export is a kind of file that can be made.
type Export struct {
	Name    string `json:"name" doc:"For the path."`
	Type    string `json:"type" doc:"Media type of the file."`
	Summary string `json:"summary"`
	Monthly bool   `json:"monthly" doc:"It is of one month of UTC."`

	extension string
	open      func(w io.Writer, from time.Time) (export.Writer, error)
}

// written makes an Export's writer of one that wants nothing but the file.
func written(open func(io.Writer) (export.Writer, error)) func(io.Writer, time.Time) (export.Writer, error) {
	return func(w io.Writer, _ time.Time) (export.Writer, error) { return open(w) }
}

// exports are the files of sentinel export.
var exports = []Export{
	{"focus", "text/csv; charset=utf-8", "Cost and usage in FOCUS " + export.FOCUSVersion, false, ".csv", written(export.NewFOCUSCSV)},
	{"focus-parquet", "application/vnd.apache.parquet", "Cost and usage in FOCUS " + export.FOCUSVersion + ", as Parquet", false, ".parquet", written(export.NewFOCUSParquet)},
	{"csv", "text/csv; charset=utf-8", "Cost and every unit of usage for a spreadsheet", false, ".csv", written(export.NewCSV)},
	{"opencost", "application/json", "Cost as OpenCost's plugins for custom costs answer it", false, ".json", written(export.NewOpenCost)},
	{"chargeback", "text/csv; charset=utf-8", "What each team owes for a month", true, ".csv", func(w io.Writer, from time.Time) (export.Writer, error) {
		report := export.NewChargeback(from)
		return chargeback{report, w}, nil
	}},
}

// chargeback adds charges up, and writes them at the end.
type chargeback struct {
	report *export.Chargeback
	to     io.Writer
}

func (c chargeback) Write(ch sentinel.Charge) error { c.report.Add(ch); return nil }
func (c chargeback) Close() error                   { return c.report.CSV(c.to) }

const (
	maxExports  = 2 // at once: each reads the ledger itself
	exportTakes = 15 * time.Minute
)

type exportInput struct {
	Name string    `path:"name" maxLength:"50"`
	From time.Time `query:"from" required:"true" doc:"Begin (RFC 3339), inclusive."`
	To   time.Time `query:"to" required:"true" doc:"End, exclusive; at most three years later."`
	By   string    `query:"by" enum:"day,hour" default:"day" doc:"Length of a row, in UTC."`
}

func (s *Server) exportRoutes() {
	register(s, operation{id: "list-exports", method: http.MethodGet, path: "/exports", tag: "exports", summary: "The files that can be made of the ledger", role: sentinel.RoleViewer},
		func(context.Context, *struct{}) (*answer[[]Export], error) { return &answer[[]Export]{exports}, nil })
	register(s, operation{id: "download-export", method: http.MethodGet, path: "/exports/{name}", tag: "exports", summary: "Make a file of the ledger, and send it while it is made", role: sentinel.RoleViewer}, s.export)
}

func (s *Server) export(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	var kind *Export
	for i := range exports {
		if exports[i].Name == in.Name {
			kind = &exports[i]
		}
	}
	switch {
	case kind == nil:
		return nil, huma.Error404NotFound("there is no export " + in.Name + ": /exports lists them")
	case !in.From.Before(in.To) || in.To.Sub(in.From) > maxSpan:
		return nil, huma.Error400BadRequest("from: it has to be before to, by three years at most")
	}
	if first := in.From.UTC(); kind.Monthly && (first.Day() != 1 || !first.Equal(first.Truncate(24*time.Hour)) || !first.AddDate(0, 1, 0).Equal(in.To)) {
		return nil, huma.Error400BadRequest("from: this export is of a month of UTC, such as from 2026-11-01T00:00:00Z to 2026-12-01T00:00:00Z")
	}
	select {
	case s.exporting <- struct{}{}:
	default:
		return nil, huma.Error429TooManyRequests("other exports are being made: try again when they are done")
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		defer func() { <-s.exporting }()
		ctx, cancel := context.WithTimeout(ctx, exportTakes)
		defer cancel()
		out.SetHeader("Content-Type", kind.Type)
		out.SetHeader("Content-Disposition", `attachment; filename="`+kind.Name+"-"+in.From.UTC().Format(time.DateOnly)+kind.extension+`"`)
		sent := &counted{to: out.BodyWriter()}
		b := bufio.NewWriterSize(sent, 64<<10)
		err := s.writeExport(ctx, b, *kind, *in)
		if err == nil {
			err = b.Flush()
		}
		if err == nil {
			return
		}
		s.Log.Error().Err(err).Str("export", kind.Name).Msg("export ended early")
		if sent.n > 0 {
			panic(http.ErrAbortHandler) // a file that ends early must not look whole
		}
		out.SetHeader("Content-Disposition", "inline")
		_ = huma.WriteErr(s.api, out, http.StatusServiceUnavailable, "export: the gateway cannot answer now, its log says why")
	}}, nil
}

func (s *Server) writeExport(ctx context.Context, w io.Writer, kind Export, in exportInput) error {
	to, err := kind.open(w, in.From.UTC())
	if err != nil {
		return err
	}
	if err := s.Backend.EachCharge(ctx, in.From.UTC(), in.To.UTC(), in.By, to.Write); err != nil {
		return err
	}
	return to.Close()
}

// counted counts what was sent.
type counted struct {
	to io.Writer
	n  int
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += n
	return n, err
}
