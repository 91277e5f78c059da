package provider

import (
	"bytes"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// framing cuts a stream into events, however its bytes are split, and gives the bytes to pass on.
type framing interface {
	write(chunk []byte) []byte
	// finish reads an event that lacks its end, and gives what was held back.
	finish() []byte
}

// streamReader is what differs between the streams of the dialects.
type streamReader interface {
	// reports tells, without decoding it, whether an event must be read as it comes by.
	reports(data []byte) bool
	// read takes the report of an event, and tells whether the client must not see it.
	read(data []byte) (hide bool)
	// texts says where the text of an event is.
	texts() []textMember
	// result gives what was reported, and whether that is all that the call used. If not, the units
	// that it has stand, and the text counts for the output.
	result() (got Metered, whole bool)
}

// streamMeter reads a stream. It keeps the text that goes by, so that a stream that ends without a usage
// report is charged for what was sent. Most streams do report: events are kept
// as they came, and their text is looked for only when it is needed, or when they become too many.
type streamMeter struct {
	spec   MeterSpec
	frames framing
	reader streamReader
	unread pooled // events whose text was not taken yet, each with a separator behind it
	text   alikeTexts
}

// newEventStream makes the meter of a stream of server-sent events.
func newEventStream(s MeterSpec, r streamReader) *streamMeter {
	m := &streamMeter{spec: s, reader: r}
	m.frames = &events{each: m.event, hide: s.HideUsage}
	return m
}

// maxUnread bounds the events that wait to be read; with more, their text is taken out and kept instead.
const maxUnread = 64 << 10

// separator stands in no JSON text (RFC 7464 uses it for this).
const separator = 0x1e

// Write takes the next bytes and gives those that the client may see.
func (m *streamMeter) Write(chunk []byte) []byte { return m.frames.write(chunk) }

// event reads one event's data and tells whether to hide the event.
func (m *streamMeter) event(data []byte) bool {
	if len(m.unread.held())+len(data) >= maxUnread {
		m.readText()
	}
	if len(data) >= maxUnread {
		m.text.take(data, m.reader.texts())
	} else {
		m.unread.add(data, separator)
	}
	return m.reader.reports(data) && m.reader.read(data)
}

// readText takes the text out of the events that wait.
func (m *streamMeter) readText() {
	for data := range bytes.SplitSeq(m.unread.held(), []byte{separator}) {
		if len(data) > 0 {
			m.text.take(data, m.reader.texts())
		}
	}
	m.unread.clear()
}

// Finish gives the reported usage, or an estimate from the text that was sent.
func (m *streamMeter) Finish(bool) Metered {
	tail := m.frames.finish()
	out, whole := m.reader.result()
	if !whole {
		m.readText()
		out = m.estimate(out)
	} else {
		out = m.spec.plausible(out)
		if m.spec.doubtful(out) {
			m.readText()
			out.Own = m.spec.own(&m.text.to)
		}
	}
	m.unread.free()
	out.Tail = tail
	return out
}

// estimate fills what was not reported: the input by the length of the prompt, the output by the tokens of
// the text that was sent, where they are more than those reported so far.
func (m *streamMeter) estimate(got Metered) Metered {
	n, method := m.text.to.count(m.spec.Model)
	got.Method, got.Reported = method, false
	got.Usage[sentinel.Requests] = 1
	if got.Usage.InputTokenSum() == 0 {
		in, calibrated := inputEstimate(m.spec)
		if got.Usage[sentinel.InputTokens] = in; calibrated {
			got.Method += "+" + methodCalibrated
		}
	}
	got.Usage[sentinel.OutputTokens] += max(0, n-got.Usage.OutputTokenSum())
	return got
}

// inputEstimate is what a prompt of so much weight usually has, within the bound: by what calls of the model showed, where that is known.
func inputEstimate(s MeterSpec) (tokens int64, calibrated bool) {
	ratio := s.MilliTokens
	if calibrated = ratio > 0; !calibrated {
		ratio = milli
	}
	n := (s.Weight*ratio + milli/2) / milli
	if most := s.Bound[sentinel.InputTokens]; most > 0 {
		n = min(n, most)
	}
	return n, calibrated
}

var colonNull = []byte(":null")

// hasValue tells whether an event has a member of that quoted name whose value is not null, at any depth:
// where this says no, there is none.
func hasValue(data, quoted []byte) bool {
	for {
		at := bytes.Index(data, quoted)
		if at < 0 {
			return false
		}
		data = data[at+len(quoted):]
		if bytes.HasPrefix(data, colonNull) {
			continue
		}
		if v, ok := bytes.CutPrefix(bytes.TrimLeft(data, " \t\n\r"), []byte(":")); ok && !bytes.HasPrefix(bytes.TrimLeft(v, " \t\n\r"), []byte("null")) {
			return true
		}
	}
}
