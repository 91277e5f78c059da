package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/export"
	"github.com/saas-sentinel/saas-sentinel/store"
)

func exportCommand() *cobra.Command {
	c := &cobra.Command{Use: "export", Short: "Write the ledger for other systems and for people"}
	c.AddCommand(exportFOCUSCommand(), exportCSVCommand(), exportOpenCostCommand(), exportChargebackCommand())
	return c
}

// period are the flags of an export.
type period struct {
	config, from, to, by, out *string
}

func periodFlags(c *cobra.Command) period {
	return period{
		config: configFlag(c),
		from:   c.Flags().String("from", "", "first day or RFC 3339 time (UTC)"),
		to:     c.Flags().String("to", "", "day or RFC 3339 time to end before"),
		by:     c.Flags().String("by", "day", "length of a row: day or hour"),
		out:    c.Flags().StringP("out", "o", "-", "file or s3://bucket/object to write; - is standard output"),
	}
}

func (p period) query() (q store.ChargeQuery, err error) {
	if *p.from == "" || *p.to == "" {
		return q, refused(errors.New("--from and --to are required, such as --from 2026-11-01 --to 2026-12-01"))
	}
	if q.From, err = parseTime("from", *p.from); err != nil {
		return q, err
	}
	q.To, err = parseTime("to", *p.to)
	q.Period = *p.by
	return q, err
}

// write sends every charge to what open makes of the file. The file appears whole or not at all.
func (p period) write(c *cobra.Command, open func(io.Writer) (export.Writer, error)) error {
	q, err := p.query()
	if err != nil {
		return err
	}
	st, err := openStore(c, *p.config)
	if err != nil {
		return err
	}
	defer st.Close()
	return toFile(c, *p.out, func(w io.Writer) error {
		to, err := open(w)
		if err != nil {
			return err
		}
		if err := st.Charges(c.Context(), q, to.Write); err != nil {
			return err
		}
		return to.Close()
	})
}

// toFile writes beside the file and renames, so that no reader finds a half.
func toFile(c *cobra.Command, name string, write func(io.Writer) error) error {
	if name == "-" {
		b := bufio.NewWriter(c.OutOrStdout())
		return errors.Join(write(b), b.Flush())
	}
	if t, ok, err := s3URL(name); ok {
		if err != nil {
			return refused(err)
		}
		return t.toS3(c.Context(), write)
	}
	f, err := os.Create(name + ".part")
	if err != nil {
		return refused(fmt.Errorf("--out: %w", err))
	}
	b := bufio.NewWriter(f)
	if err := errors.Join(write(b), b.Flush(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), name)
}

func exportFOCUSCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "focus", Short: "Export cost and usage in FOCUS " + export.FOCUSVersion, Args: none,
		Example: "  sentinel export focus --from 2026-11-01 --to 2026-12-01 --format parquet -o november.parquet\n" +
			"  sentinel export focus --from 2026-11-01 --to 2026-12-01 --format parquet -o s3://costs/sentinel/2026-11.parquet",
		Long: "An object in S3 is written with the key of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to the region of AWS_REGION;\n" +
			"AWS_ENDPOINT_URL names another store that speaks S3.",
	}
	p := periodFlags(c)
	format := c.Flags().String("format", "csv", "csv or parquet")
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch *format {
		case "csv":
			return p.write(c, export.NewFOCUSCSV)
		case "parquet":
			return p.write(c, export.NewFOCUSParquet)
		default:
			return refused(fmt.Errorf("--format: %q is neither csv nor parquet", *format))
		}
	}
	return c
}

func exportCSVCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "csv", Short: "Export cost and every unit of usage for a spreadsheet", Args: none,
		Long:    "No cell can become a formula: a text that would begin one gets an apostrophe before it.",
		Example: "  sentinel export csv --from 2026-11-01 --to 2026-12-01 -o november.csv",
	}
	p := periodFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error { return p.write(c, export.NewCSV) }
	return c
}

func exportOpenCostCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "opencost", Short: "Export cost as OpenCost's plugins for custom costs answer it", Args: none,
		Long:    "The file is a JSON array of CustomCostResponse, one for each day or hour. OpenCost's amounts are floats; the other exports are exact.",
		Example: "  sentinel export opencost --from 2026-11-01 --to 2026-12-01 -o november.json",
	}
	p := periodFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error { return p.write(c, export.NewOpenCost) }
	return c
}

func exportChargebackCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "chargeback", Short: "Report what each team owes for a month", Args: none,
		Example: "  sentinel export chargeback --month 2026-11 --format html -o november.html",
	}
	config := configFlag(c)
	month := c.Flags().String("month", "", "such as 2026-11 (UTC)")
	format := c.Flags().String("format", "csv", "csv or html")
	out := c.Flags().StringP("out", "o", "-", "file or s3://bucket/object to write; - is standard output")
	c.RunE = func(c *cobra.Command, _ []string) error {
		from, err := time.Parse("2006-01", *month)
		if err != nil {
			return refused(fmt.Errorf("--month: %q is not a month such as 2026-11", *month))
		}
		report := export.NewChargeback(from)
		write, ok := map[string]func(io.Writer) error{"csv": report.CSV, "html": report.HTML}[*format]
		if !ok {
			return refused(fmt.Errorf("--format: %q is neither csv nor html", *format))
		}
		st, err := openStore(c, *config)
		if err != nil {
			return err
		}
		defer st.Close()
		q := store.ChargeQuery{From: from, To: from.AddDate(0, 1, 0), Period: "day"}
		if err := st.Charges(c.Context(), q, func(ch sentinel.Charge) error { report.Add(ch); return nil }); err != nil {
			return err
		}
		return toFile(c, *out, write)
	}
	return c
}
