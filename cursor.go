package sentinel

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"
)

// Cursor is a row's place in a list that is read in pages: its time, and what tells rows of one time apart. The zero cursor is
// the list's beginning.
type Cursor struct {
	At  time.Time
	Row string
}

// ErrCursor says that a text is no cursor that a list gave.
var ErrCursor = errors.New("it is not one that a list gave")

// maxCursorRow bounds what tells rows apart: a call's id with its attempt, a hash, an id of an incident.
const maxCursorRow = 64

// String is the cursor for clients: the time in microseconds, as the database has it, then the row.
func (c Cursor) String() string {
	if c == (Cursor{}) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint64(nil, uint64(c.At.UnixMicro())), c.Row...))
}

// ParseCursor reads what String wrote. The database does not hold every time.
func ParseCursor(text string) (Cursor, error) {
	if text == "" {
		return Cursor{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) < 9 || len(b) > 8+maxCursorRow {
		return Cursor{}, ErrCursor
	}
	at := time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC()
	if at.Year() <= 2000 || at.Year() >= 2200 {
		return Cursor{}, ErrCursor
	}
	return Cursor{at, string(b[8:])}, nil
}
