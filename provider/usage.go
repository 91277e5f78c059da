package provider

import (
	"github.com/go-json-experiment/json/jsontext"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxReported bounds every count that a provider may report for one call.
const maxReported = 1_000_000_000

// methodClamped marks usage that could not be true as it was reported.
const methodClamped = "clamped"

// methodBound marks the bound of the admission in the place of a report.
const methodBound = "bound"

// methodNegative marks a report with negative counts, until plausible has corrected it.
const methodNegative = "negative"

// clamp keeps reported counts within what is possible, and remembers that it had to.
type clamp struct{ touched, negative bool }

func (c *clamp) within(n, most int64) int64 {
	if n < 0 || n > most {
		c.touched = true
		c.negative = c.negative || n < 0 && most == maxReported // a count itself, not what is left of one
		return max(0, min(n, most))
	}
	return n
}

// part is a sum of reported counts, each a part of another one. It stops above what is possible.
type part struct {
	n        int64
	negative bool // one of them was
}

func (p *part) add(n int64) {
	p.n = min(p.n+max(0, min(n, maxReported)), maxReported+1)
	p.negative = p.negative || n < 0
}

func (p part) within(most int64, c *clamp) int64 {
	if p.negative {
		c.within(-1, most)
	}
	return c.within(p.n, most)
}

func (c *clamp) method() string {
	switch {
	case c.negative:
		return methodNegative
	case c.touched:
		return methodClamped
	}
	return ""
}

// unquote reads a JSON string; what is none is empty. Most are names, which need no buffer.
func unquote(raw []byte) string {
	if end := len(raw) - 1; end > 0 && raw[0] == '"' && raw[end] == '"' && asWritten(raw[1:end]) {
		return string(raw[1:end])
	}
	b, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return ""
	}
	return string(b)
}

// asWritten tells whether a text is printable ASCII that JSON does not escape.
func asWritten(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// jsonMeter reads the usage from a JSON answer of any length.
type jsonMeter struct {
	spec MeterSpec
	scan scanner
	read func(found *scanner) (Metered, bool)
	// calls are billed one by one, and stand in the answer itself.
	calls []watch
	body  bodyKeeper
	// estimates: an answer without a report is not rare and has no output, so the prompt's weight tells more than the bound.
	estimates bool
}

// newJSONMeter makes the meter of a JSON answer in which some members are wanted.
func newJSONMeter(s MeterSpec, read func(found *scanner) (Metered, bool), want []string) *jsonMeter {
	m := &jsonMeter{spec: s, read: read}
	m.scan.look(want)
	return m
}

// Write takes the next bytes.
func (m *jsonMeter) Write(chunk []byte) []byte {
	m.scan.write(chunk)
	if m.spec.Bound[sentinel.OutputTokens] != 0 {
		m.body.write(chunk)
	}
	for i := range m.calls {
		m.calls[i].write(chunk)
	}
	return chunk
}

// Finish gives the reported usage; without one, the bound of the admission stands.
func (m *jsonMeter) Finish(bool) Metered {
	got := m.reported()
	if m.spec.doubtful(got) {
		got.Own = m.spec.own(m.body.text())
	}
	m.body.free()
	return got
}

// reported is what the answer says, or what stands in its place.
func (m *jsonMeter) reported() Metered {
	if got, ok := m.read(&m.scan); ok {
		for _, w := range m.calls {
			got.Usage[w.unit] += w.n
		}
		return m.spec.plausible(got)
	}
	if m.estimates {
		in, calibrated := inputEstimate(m.spec)
		method := methodSpelling
		if calibrated {
			method = methodCalibrated
		}
		return Metered{Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: in}, Method: method}
	}
	return Metered{Usage: m.spec.atBound(), Method: methodBound}
}

// methodSpelling marks an estimate by how the prompt is spelled.
const methodSpelling = "spelling"

// methodCalibrated marks an estimate of the prompt by what the provider reported of the model's earlier prompts.
const methodCalibrated = "calibrated"

// A report is believed up to twice the bound of its admission and a little: a bound that is too low must not
// hide what a call cost, and a lie must not spend a budget.
const (
	believed      = 2
	believedExtra = 1024
)

// plausible takes the bound in the place of a direction whose report is far beyond it, or less than nothing. A
// search reads pages that no bound knows.
func (s MeterSpec) plausible(got Metered) Metered {
	negative := got.Method == methodNegative
	if negative {
		got.Method = methodClamped
	}
	for _, d := range [...]struct {
		sum   int64
		units []sentinel.Unit
		plain sentinel.Unit
	}{
		{got.Usage.InputTokenSum(), sentinel.InputTokenUnits[:], sentinel.InputTokens},
		{got.Usage.OutputTokenSum(), sentinel.OutputTokenUnits[:], sentinel.OutputTokens},
	} {
		most := s.Bound[d.plain]
		less := negative && d.sum == 0
		if most <= 0 || !less && (d.sum <= most*believed+believedExtra || s.Bound[sentinel.WebSearches] > 0) {
			continue
		}
		for _, u := range d.units {
			got.Usage[u] = 0
		}
		got.Usage[d.plain], got.Method = most, methodClamped
	}
	return got
}

// atBound is the most that the call can have used, in every unit that was bounded.
func (s MeterSpec) atBound() sentinel.Usage {
	u := s.Bound
	for i, n := range u {
		u[i] = max(0, n)
	}
	u[sentinel.Requests] = max(1, u[sentinel.Requests]) // some APIs count their own units as requests
	return u
}

// nothingUsed is the meter of an answer that cost nothing, such as a provider's refusal.
type nothingUsed struct{}

// Write passes everything on.
func (nothingUsed) Write(chunk []byte) []byte { return chunk }

// Finish reports nothing.
func (nothingUsed) Finish(bool) Metered { return Metered{Reported: true} }

// oneRequest is the meter of a call that is paid by request, whatever its answer says.
type oneRequest struct{}

// Write passes everything on.
func (oneRequest) Write(chunk []byte) []byte { return chunk }

// Finish reports one request.
func (oneRequest) Finish(bool) Metered {
	return Metered{Usage: sentinel.Usage{sentinel.Requests: 1}, Reported: true}
}

// flatRequest is a call whose bound is one request.
func flatRequest() Request {
	return Request{Choices: 1, Bound: sentinel.Usage{sentinel.Requests: 1}}
}
