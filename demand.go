package sentinel

import (
	"errors"
	"strconv"
	"strings"
)

// Demand is what a request lets its call use, whatever model serves it, as a short text: with it a call of the ledger can be judged
// again under another policy. It is empty where the request was not read.
type Demand string

// NewDemand writes a demand. Tokens of the bound below 0 are as many as the model allows; choices is the number of answers asked for;
// a fixed call cannot be sent for another model.
func NewDemand(bound Usage, choices int64, fixed bool) Demand {
	text := bound.Text() + ";" + strconv.FormatInt(choices, 36)
	if fixed {
		text += ";f"
	}
	return Demand(text)
}

// Read is NewDemand's inverse; it is not ok where the demand is not known.
func (d Demand) Read() (bound Usage, choices int64, fixed, ok bool) {
	units, rest, ok := strings.Cut(string(d), ";")
	if !ok {
		return bound, 0, false, false
	}
	number, flag, fixed := strings.Cut(rest, ";")
	choices, err := strconv.ParseInt(number, 36, 64)
	if err != nil || fixed && flag != "f" {
		return Usage{}, 0, false, false
	}
	bound, err = ParseUsage(units)
	return bound, choices, fixed, err == nil
}

// ErrUsage says that a text is no usage.
var ErrUsage = errors.New("malformed usage")

// Text gives the units that are not zero, such as "1:2s,4:e8", in base 36.
func (u *Usage) Text() string {
	var b []byte
	for unit, n := range u {
		if n == 0 {
			continue
		}
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(unit), 36)
		b = append(b, ':')
		b = strconv.AppendInt(b, n, 36)
	}
	return string(b)
}

// ParseUsage is Text's inverse.
func ParseUsage(s string) (u Usage, err error) {
	for s != "" {
		var pair string
		pair, s, _ = strings.Cut(s, ",")
		name, value, _ := strings.Cut(pair, ":")
		unit, err1 := strconv.ParseUint(name, 36, 8)
		n, err2 := strconv.ParseInt(value, 36, 64)
		if err1 != nil || err2 != nil || unit >= UnitCount {
			return Usage{}, ErrUsage
		}
		u[unit] = n //nolint:gosec // the unit was compared with the bound above
	}
	return u, nil
}
