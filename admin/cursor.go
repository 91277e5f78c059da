package admin

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// badCursor is the answer to one of somebody's own.
func badCursor() error { return huma.Error400BadRequest("cursor: it is not one that this API gave") }

// cursor names a row of a list whose newest come first: its time, in microseconds, and what tells rows of one time apart.
func cursor(at time.Time, row []byte) string {
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro())), row...))
}

// readCursor gives the time, and fills row with the rest. The database does not hold every time.
func readCursor(text string, row []byte) (time.Time, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != 8+len(row) {
		return time.Time{}, badCursor()
	}
	copy(row, b[8:])
	at := time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC()
	if at.Year() <= 2000 || at.Year() >= 2200 {
		return time.Time{}, badCursor()
	}
	return at, nil
}
