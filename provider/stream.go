package provider

import (
	"bytes"
	"encoding/json"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// openAIStream reads a stream of chat completions or responses. It keeps the text that goes by, so
// that a stream that ends without a usage report is charged for what was sent. Most streams
// do report: events without usage are kept as they came, and read only when their text is needed.
type openAIStream struct {
	spec     MeterSpec
	events   events
	reported Metered
	seen     bool
	unread   []byte // events that report nothing, each with a separator behind it
	text     textCounter
}

// maxUnread bounds the events that wait to be read; with more, their text is taken out and kept instead.
const maxUnread = 128 << 10

// separator stands in no JSON text (RFC 7464 uses it for this).
const separator = 0x1e

// openAIEvent is one event of either API.
type openAIEvent struct {
	Model   string          `json:"model"`
	Usage   json.RawMessage `json:"usage"`
	Choices []struct {
		Delta struct {
			Content   string `json:"content"`
			Refusal   string `json:"refusal"`
			Reasoning string `json:"reasoning_content"`
			ToolCalls []struct {
				Function struct {
					Name      string `json:"name"`
					Arguments string `json:"arguments"`
				} `json:"function"`
			} `json:"tool_calls"`
		} `json:"delta"`
	} `json:"choices"`
	Type     string          `json:"type"`
	Delta    json.RawMessage `json:"delta"`
	Response struct {
		Model string          `json:"model"`
		Usage json.RawMessage `json:"usage"`
	} `json:"response"`
}

var done = []byte("[DONE]")

// Write takes the next bytes and gives those that the client may see.
func (m *openAIStream) Write(chunk []byte) []byte { return m.events.write(chunk) }

// event reads one event's data and tells whether it is the usage event that the client did not ask for.
func (m *openAIStream) event(data []byte) bool {
	if bytes.Equal(data, done) {
		return false
	}
	if !mayReport(data) {
		if len(m.unread)+len(data) > maxUnread {
			m.readText()
		}
		m.unread = append(append(m.unread, data...), separator)
		return false
	}
	var e openAIEvent
	if err := json.Unmarshal(data, &e); err != nil {
		return false
	}
	usage, model := e.Usage, e.Model
	if len(e.Response.Usage) > 0 {
		usage, model = e.Response.Usage, e.Response.Model
	}
	m.takeText(&e)
	if got, ok := openAIUsage(map[string][]byte{"usage": usage}); ok {
		got.Model = model
		m.reported, m.seen = got, true
		return m.spec.HideUsage && len(e.Choices) == 0 && e.Type == ""
	}
	return false
}

var usageKey = []byte(`"usage"`)

// mayReport tells whether an event may have a usage object: OpenAI writes "usage":null into every other one.
func mayReport(data []byte) bool {
	for {
		at := bytes.Index(data, usageKey)
		if at < 0 {
			return false
		}
		data = data[at+len(usageKey):]
		if v, ok := bytes.CutPrefix(bytes.TrimLeft(data, " \t\n\r"), []byte(":")); ok && !bytes.HasPrefix(bytes.TrimLeft(v, " \t\n\r"), []byte("null")) {
			return true
		}
	}
}

// readText takes the text out of the events that wait.
func (m *openAIStream) readText() {
	for data := range bytes.SplitSeq(m.unread, []byte{separator}) {
		var e openAIEvent
		if len(data) > 0 && json.Unmarshal(data, &e) == nil {
			m.takeText(&e)
		}
	}
	m.unread = m.unread[:0]
}

func (m *openAIStream) takeText(e *openAIEvent) {
	for _, c := range e.Choices {
		m.text.add(c.Delta.Content)
		m.text.add(c.Delta.Refusal)
		m.text.add(c.Delta.Reasoning)
		for _, t := range c.Delta.ToolCalls {
			m.text.add(t.Function.Name)
			m.text.add(t.Function.Arguments)
		}
	}
	if len(e.Delta) > 0 && e.Delta[0] == '"' {
		m.text.add(unquote(e.Delta))
	}
}

// Finish gives the reported usage, or an estimate from the text that was sent.
func (m *openAIStream) Finish(bool) Metered {
	tail := m.events.finish()
	out := m.reported
	if !m.seen {
		m.readText()
		n, method := m.text.count(m.spec.Model)
		out = Metered{Method: method, Usage: sentinel.Usage{
			sentinel.Requests: 1, sentinel.InputTokens: inputEstimate(m.spec), sentinel.OutputTokens: n,
		}}
	}
	out.Tail = tail
	return out
}

// bytesPerToken is the usual length of a token of English text.
const bytesPerToken = 4

// inputEstimate is what a prompt of so many bytes usually has, within the bound.
func inputEstimate(s MeterSpec) int64 {
	n := (s.TextBytes + bytesPerToken - 1) / bytesPerToken
	if most := s.Bound[sentinel.InputTokens]; most > 0 {
		n = min(n, most)
	}
	return n
}
