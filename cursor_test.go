package sentinel_test

import (
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestCursorsAreReadAsTheyWereGiven(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 123_456_789, time.UTC)
	for _, c := range []sentinel.Cursor{{}, {at, "a"}, {at.In(time.FixedZone("", 3600)), "\x00\xff"}, {at, strings.Repeat("i", 64)}} {
		want := sentinel.Cursor{At: c.At.UTC().Truncate(time.Microsecond), Row: c.Row}
		if got, err := sentinel.ParseCursor(c.String()); err != nil || got != want {
			t.Errorf("%+v came back as %+v, %v", c, got, err)
		}
	}
}

func TestWhatNoListGaveIsNoCursor(t *testing.T) {
	for _, text := range []string{
		"1234", "!", strings.Repeat("A", 54), strings.Repeat("_", 53) + "8", sentinel.Cursor{At: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Row: ""}.String(),
		sentinel.Cursor{At: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), Row: "a"}.String(), sentinel.Cursor{At: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Row: strings.Repeat("i", 65)}.String(),
	} {
		if c, err := sentinel.ParseCursor(text); err == nil {
			t.Errorf("%q is read as %+v", text, c)
		}
	}
}
