package export

import (
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// rowGroup bounds the rows that wait in memory.
const rowGroup = 50_000

type parquetWriter struct {
	to    *parquet.GenericWriter[FOCUSRow]
	group int
}

// NewFOCUSParquet writes FOCUS rows as Parquet: amounts as decimals of scale 9, times in milliseconds of UTC.
func NewFOCUSParquet(w io.Writer) (Writer, error) {
	return &parquetWriter{to: parquet.NewGenericWriter[FOCUSRow](w, parquet.Compression(&parquet.Zstd),
		parquet.KeyValueMetadata("FocusVersion", FOCUSVersion), parquet.CreatedBy("saas-sentinel", "", ""))}, nil
}

func (w *parquetWriter) Write(c sentinel.Charge) error {
	if _, err := w.to.Write([]FOCUSRow{FOCUS(c)}); err != nil {
		return fmt.Errorf("write parquet: %w", err)
	}
	if w.group++; w.group < rowGroup {
		return nil
	}
	w.group = 0
	return w.to.Flush()
}

func (w *parquetWriter) Close() error { return w.to.Close() }
