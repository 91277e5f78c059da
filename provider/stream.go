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
// as they came, but for those whose text is found at a glance, and walked only when their text is needed, or when they become too many.
type streamMeter struct {
	spec   MeterSpec
	frames framing
	reader streamReader
	unread unreadEvents
	alike  alikeEvents
	// everyEvent: the reader keeps events of its own, and is asked about each.
	everyEvent bool
	text       textCounter
	// seen is how many bytes of events, or of their text, came by, and look from when on they are worth to be counted.
	seen, look int64
	outgrown   bool
}

// newEventStream makes the meter of a stream of server-sent events.
func newEventStream(s MeterSpec, r streamReader) *streamMeter {
	m := newStreamMeter(s, r)
	m.frames = &events{each: m.event, hide: s.HideUsage}
	return m
}

// newStreamMeter makes a meter that lacks its framing.
func newStreamMeter(s MeterSpec, r streamReader) *streamMeter {
	_, keeps := r.(*geminiStream)
	return &streamMeter{spec: s, reader: r, everyEvent: keeps}
}

// Write takes the next bytes and gives those that the client may see.
func (m *streamMeter) Write(chunk []byte) []byte { return m.frames.write(chunk) }

// event reads one event's data and tells whether to hide the event. One that is like another that reported nothing reports nothing.
func (m *streamMeter) event(data []byte) bool {
	text, alike := m.alike.between(data)
	if !alike {
		text, alike = m.alike.learn(data, m.reader.texts())
		m.keep(data, text, alike)
		reports := m.reader.reports(data)
		if reports {
			m.alike.forget()
		}
		return reports && m.reader.read(data)
	}
	m.keep(data, text, true)
	if m.everyEvent {
		m.reader.reports(data)
	}
	return false
}

// keep keeps an event, or its text where that is known, until the text is needed.
func (m *streamMeter) keep(data, text []byte, known bool) {
	if known {
		data = text
	}
	m.seen += int64(len(data))
	if !m.unread.fits(data) {
		m.readText()
	}
	switch {
	case m.unread.fits(data):
		m.unread.add(data, known)
	case known:
		m.text.add(data)
	default:
		takeText(data, m.reader.texts(), &m.text)
	}
}

// readText takes the text out of the events that wait.
func (m *streamMeter) readText() {
	for data, isText := range m.unread.all() {
		if isText {
			m.text.add(data)
		} else {
			takeText(data, m.reader.texts(), &m.text)
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
			out.Own = m.spec.own(&m.text)
		} else if m.spec.Sample && foreign(m.spec.Model) && out.Usage.OutputTokenSum() == out.Usage[sentinel.OutputTokens] {
			m.readText()
			out.Sampled, _ = m.text.count(m.spec.Model)
		}
	}
	m.unread.free()
	out.Tail = tail
	return out
}

// estimate fills what was not reported: the input by the length of the prompt, the output by the tokens of
// the text that was sent, where they are more than those reported so far; of another vocabulary's model by what its earlier answers came to.
func (m *streamMeter) estimate(got Metered) Metered {
	n, method := m.text.count(m.spec.Model)
	got.Method, got.Reported = method, false
	got.Usage[sentinel.Requests] = 1
	calibrated := false
	if got.Usage.InputTokenSum() == 0 {
		got.Usage[sentinel.InputTokens], calibrated = inputEstimate(m.spec)
	}
	if ratio := m.spec.OutputMilliTokens; ratio > 0 && foreign(m.spec.Model) {
		n, calibrated = (n*ratio+milli/2)/milli, true
	}
	if calibrated {
		got.Method += "+" + methodCalibrated
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
