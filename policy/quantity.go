package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

// span is a length of time that limits and budgets are written in; 0 is none.
type span uint8

const (
	second span = iota + 1
	minute
	hour
	day
	week
	month
	quarter
	year
	fixed // one sum without end
)

var spanNames = [...]string{"", "second", "minute", "hour", "day", "week", "month", "quarter", "year", "fixed"}

func (s span) String() string { return spanNames[s] }

// rateSpans are counted as a pace; longer ones by the calendar.
var rateSpans = map[span]time.Duration{second: time.Second, minute: time.Minute, hour: time.Hour}

func parseSpan(s string) (span, error) {
	if i := slices.Index(spanNames[1:], s); i >= 0 {
		return span(i + 1), nil
	}
	return 0, fmt.Errorf("%q is not a span of time: use second, minute, hour, day, week, month, quarter, year or fixed", clip(s))
}

// usd is an amount in dollars, read exactly.
type usd sentinel.NanoUSD

// UnmarshalText reads a decimal number of dollars with at most nine decimals.
func (u *usd) UnmarshalText(b []byte) error {
	n, err := decimal(string(b), 9)
	if errors.Is(err, errTooFine) {
		return fmt.Errorf("%s has more than 9 decimals", clip(string(b)))
	}
	*u = usd(n)
	return err
}

// SchemaHint describes an amount.
func (*usd) SchemaHint() strictyaml.Hint {
	return strictyaml.Hint{Pattern: `^[0-9_]*[0-9][0-9_]*(\.[0-9_]*)?$`, Examples: []string{"0.0004", "12.50"}, Number: true}
}

var errTooFine = errors.New("too many decimals")

// decimal reads a number of at least 0 as an integer of 10^−places. Nothing is rounded.
func decimal(s string, places int) (int64, error) {
	whole, frac, _ := strings.Cut(strings.ReplaceAll(s, "_", ""), ".")
	if strings.HasPrefix(whole, "-") {
		return 0, fmt.Errorf("%s is below 0: amounts are 0 or more", clip(s))
	}
	if strings.Trim(whole+frac, "0123456789") != "" || whole == "" {
		return 0, fmt.Errorf("%q is not a number: write for instance 12.50", clip(s))
	}
	if len(frac) > places {
		if strings.Trim(frac[places:], "0") != "" {
			return 0, errTooFine
		}
		frac = frac[:places]
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", places-len(frac)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is too large", clip(s))
	}
	return n, nil
}

// maxCount bounds what limits count: the limiter divides by it in floating point.
const maxCount = 1_000_000_000_000

// count is a whole number above 0; k and m stand for thousands and millions.
type count int64

// UnmarshalText reads "40", "200k" or "1.5m".
func (c *count) UnmarshalText(b []byte) error {
	s, places := strings.ToLower(string(b)), 0
	switch {
	case strings.HasSuffix(s, "k"):
		places = 3
	case strings.HasSuffix(s, "m"):
		places = 6
	}
	if places > 0 {
		s = s[:len(s)-1]
	}
	n, err := decimal(s, places)
	switch {
	case errors.Is(err, errTooFine):
		return fmt.Errorf("%s is not a whole number", clip(string(b)))
	case err != nil:
		return err
	case n == 0:
		return errors.New("0 would refuse every call: remove the service or the route instead")
	case n > maxCount:
		return fmt.Errorf("%s is too large: at most %dm", clip(string(b)), maxCount/1_000_000)
	}
	*c = count(n)
	return nil
}

// SchemaHint describes a count.
func (*count) SchemaHint() strictyaml.Hint {
	return strictyaml.Hint{Pattern: `^[0-9_]*[0-9][0-9_]*(\.[0-9_]*)?[kKmM]?$`, Examples: []string{"40", "200k", "1.5m"}, Number: true}
}

// perTime is a count in a span of time.
type perTime struct {
	n    count
	span span
}

// UnmarshalText reads "200k/minute".
func (p *perTime) UnmarshalText(b []byte) error {
	n, of, ok := strings.Cut(string(b), "/")
	if !ok {
		return fmt.Errorf("%q has no span of time: write for instance 60/minute", clip(string(b)))
	}
	spanned, err := parseSpan(of)
	if err != nil {
		return err
	}
	if err := p.n.UnmarshalText([]byte(n)); err != nil {
		return err
	}
	p.span = spanned
	return nil
}

// SchemaHint describes a count in a span of time.
func (*perTime) SchemaHint() strictyaml.Hint {
	return strictyaml.Hint{
		Pattern:  `^[0-9_]*[0-9][0-9_]*(\.[0-9_]*)?[kKmM]?/(second|minute|hour|day|week|month|quarter|year|fixed)$`,
		Examples: []string{"60/minute", "200k/minute", "1m/day"},
	}
}

// moneyPerTime is an amount in a span of time.
type moneyPerTime struct {
	amount usd
	span   span
}

// UnmarshalText reads "20000/month".
func (m *moneyPerTime) UnmarshalText(b []byte) error {
	n, of, ok := strings.Cut(string(b), "/")
	if !ok {
		return fmt.Errorf("%q has no span of time: write for instance 500/day", clip(string(b)))
	}
	spanned, err := parseSpan(of)
	if err != nil {
		return err
	}
	if spanned == second || spanned == minute {
		return fmt.Errorf("a budget is counted by hour, day, week, month, quarter or year, or is fixed, but not by %s", spanned)
	}
	if err := m.amount.UnmarshalText([]byte(n)); err != nil {
		return err
	}
	if m.amount == 0 {
		return errors.New("a budget of 0 would refuse every call: remove the service or the route instead")
	}
	m.span = spanned
	return nil
}

// SchemaHint describes an amount in a span of time.
func (*moneyPerTime) SchemaHint() strictyaml.Hint {
	return strictyaml.Hint{
		Pattern:  `^[0-9_]*[0-9][0-9_]*(\.[0-9_]*)?/(hour|day|week|month|quarter|year|fixed)$`,
		Examples: []string{"20000/month", "12.50/day", "5000/fixed"},
	}
}

// share is a part of a budget, in hundredths of a percent.
type share int64

// UnmarshalText reads "80%".
func (s *share) UnmarshalText(b []byte) error {
	number, ok := strings.CutSuffix(string(b), "%")
	n, err := decimal(number, 2)
	if err != nil || !ok || n == 0 || n > 1000_00 {
		return fmt.Errorf("%q is not a share of up to 1000%%: write for instance 80%%", clip(string(b)))
	}
	*s = share(n)
	return nil
}

// SchemaHint describes a share.
func (*share) SchemaHint() strictyaml.Hint {
	return strictyaml.Hint{Pattern: `^[0-9_]*[0-9][0-9_]*(\.[0-9_]*)?%$`, Examples: []string{"50%", "80%", "100%"}}
}

// monthDay is a day of a month.
type monthDay int

// UnmarshalText reads 1 to 31.
func (d *monthDay) UnmarshalText(b []byte) error {
	n, err := strconv.Atoi(string(b))
	if err != nil || n < 1 || n > 31 {
		return fmt.Errorf("%q is not a day of a month: use 1 to 31; in shorter months 31 is their last day", clip(string(b)))
	}
	*d = monthDay(n)
	return nil
}

// SchemaHint describes a day of a month.
func (*monthDay) SchemaHint() strictyaml.Hint {
	return strictyaml.Hint{Pattern: `^([1-9]|[12][0-9]|3[01])$`, Examples: []string{"1", "15", "31"}, Number: true}
}
