package admin

import (
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Money is an amount in nano-dollars: in JSON a string of digits.
type Money sentinel.NanoUSD

// MarshalText writes the digits.
func (m Money) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(m), 10), nil }

// UnmarshalText reads digits.
func (m *Money) UnmarshalText(text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 64)
	*m = Money(n)
	return err
}

// Schema describes it.
func (Money) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: `^-?[0-9]{1,19}$`, Description: "Nano-dollars: 1000000000 is one US dollar.", Examples: []any{"1250000000"}}
}

// Count is an amount in a limit's own measure: a string of digits as well, because money is among them.
type Count int64

// MarshalText writes the digits.
func (c Count) MarshalText() ([]byte, error) { return Money(c).MarshalText() }

// UnmarshalText reads digits.
func (c *Count) UnmarshalText(text []byte) error { return (*Money)(c).UnmarshalText(text) }

// Schema describes it.
func (Count) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: `^-?[0-9]{1,19}$`, Description: "In the limit's measure; money is in nano-dollars."}
}
