package policy

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// span is a length of time that limits and budgets are written in.
type span string

const (
	second span = "second"
	minute span = "minute"
	hour   span = "hour"
	day    span = "day"
	week   span = "week"
	month  span = "month"
	year   span = "year"
)

var rateSpans = map[span]time.Duration{second: time.Second, minute: time.Minute, hour: time.Hour}

func parseSpan(s string) (span, error) {
	all := []span{second, minute, hour, day, week, month, year}
	if i := slices.Index(all, span(s)); i >= 0 {
		return all[i], nil
	}
	return "", fmt.Errorf("%q is not a span of time: use second, minute, hour, day, week, month or year", s)
}

// usd is an amount in dollars, read exactly.
type usd sentinel.NanoUSD

// UnmarshalText reads a decimal number of dollars with at most nine decimals.
func (u *usd) UnmarshalText(b []byte) error {
	n, err := decimal(string(b), 9)
	*u = usd(n)
	return err
}

// decimal reads a number of at least 0 as an integer of 10^−places. Nothing is rounded.
func decimal(s string, places int) (int64, error) {
	whole, frac, _ := strings.Cut(strings.ReplaceAll(s, "_", ""), ".")
	if strings.HasPrefix(whole, "-") {
		return 0, fmt.Errorf("%s is below 0: amounts are 0 or more", s)
	}
	if len(frac) > places {
		if strings.Trim(frac[places:], "0") != "" {
			return 0, fmt.Errorf("%s has more than %d decimals", s, places)
		}
		frac = frac[:places]
	}
	n, err := strconv.ParseUint(whole+frac+strings.Repeat("0", places-len(frac)), 10, 64)
	if err != nil || whole == "" || n > math.MaxInt64 {
		if errors.Is(err, strconv.ErrRange) || n > math.MaxInt64 {
			return 0, fmt.Errorf("%s is too large", s)
		}
		return 0, fmt.Errorf("%q is not a number: write for instance 12.50", s)
	}
	return int64(n), nil
}

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
	if err != nil {
		return err
	}
	if n == 0 {
		return errors.New("0 would refuse every call: remove the service or the route instead")
	}
	*c = count(n)
	return nil
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
		return fmt.Errorf("%q has no span of time: write for instance 60/minute", b)
	}
	var err error
	if p.span, err = parseSpan(of); err != nil {
		return err
	}
	return p.n.UnmarshalText([]byte(n))
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
		return fmt.Errorf("%q has no span of time: write for instance 500/day", b)
	}
	var err error
	if m.span, err = parseSpan(of); err != nil {
		return err
	}
	if m.span == second || m.span == minute {
		return fmt.Errorf("a budget is counted by hour, day, week, month or year, not by %s", m.span)
	}
	if err := m.amount.UnmarshalText([]byte(n)); err != nil {
		return err
	}
	if m.amount == 0 {
		return errors.New("a budget of 0 would refuse every call: remove the service or the route instead")
	}
	return nil
}

// DownMode is what to do while the limiter cannot be reached.
type DownMode uint8

// The modes.
const (
	DownClosed DownMode = iota // refuse with 503
	DownOpen                   // let pass
)

type downMode struct {
	set  bool
	mode DownMode
}

// UnmarshalText reads "closed" or "open".
func (m *downMode) UnmarshalText(b []byte) error {
	switch string(b) {
	case "closed":
		*m = downMode{true, DownClosed}
	case "open":
		*m = downMode{true, DownOpen}
	case "local":
		return errors.New("local is not offered yet: use closed or open")
	default:
		return fmt.Errorf("%q is not a mode: use closed or open", b)
	}
	return nil
}

// UnpricedMode is what to do with a call that has no price.
type UnpricedMode uint8

// The modes.
const (
	UnpricedDeny  UnpricedMode = iota
	UnpricedFlat               // every call at Unpriced.Flat
	UnpricedAlert              // allowed at no cost, and marked
)

type unpricedYAML struct {
	mode    UnpricedMode
	FlatUSD *usd `yaml:"flat_usd" doc:"Dollars for each call without a price."`
}

// UnmarshalText reads "deny" or "alert".
func (u *unpricedYAML) UnmarshalText(b []byte) error {
	switch string(b) {
	case "deny":
		u.mode = UnpricedDeny
	case "alert":
		u.mode = UnpricedAlert
	default:
		return fmt.Errorf("%q is not allowed: use deny, alert or {flat_usd: 0.01}", b)
	}
	return nil
}

// refYAML is the place of a secret.
type refYAML struct{ path, field string }

// UnmarshalText reads "vault:secret/openai#api_key"; "vault:" may be left out.
func (r *refYAML) UnmarshalText(b []byte) error {
	s := strings.TrimPrefix(string(b), "vault:")
	r.path, r.field, _ = strings.Cut(s, "#")
	if !strings.Contains(r.path, "/") || strings.ContainsAny(s, " \t:?") || strings.HasPrefix(s, "/") || len(s) > 512 {
		return errors.New("not the place of a secret: write vault:MOUNT/PATH#FIELD, such as vault:secret/openai#api_key")
	}
	return nil
}

// UnmarshalText reads "throttle" or "deny".
func (a *actionYAML) UnmarshalText(b []byte) error {
	switch string(b) {
	case "throttle":
		a.action = sentinel.Throttle
	case "deny":
		a.action = sentinel.Deny
	default:
		return fmt.Errorf("%q is not an action: use throttle, deny or {downgrade: [model]}", b)
	}
	return nil
}
