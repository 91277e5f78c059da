package provider

import (
	"bytes"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// eventTranslator is what differs between the two directions.
type eventTranslator interface {
	// read appends to out what the client gets for an event, and is false when the stream cannot go on.
	read(data []byte, out *bytes.Buffer) bool
	// failure ends a stream in the client's words.
	failure(message string, out *bytes.Buffer)
}

// streamTranslator translates a stream event by event. It holds one event at most.
type streamTranslator struct {
	frames events
	reader eventTranslator
	out    bytes.Buffer
	ended  bool
}

func newStreamTranslator(r eventTranslator) *streamTranslator {
	t := &streamTranslator{reader: r}
	t.frames.each = t.event
	t.frames.overlong = func() { t.end("an event of the other provider's stream is too long to be translated") }
	return t
}

func (t *streamTranslator) event(data []byte) bool {
	if !t.ended && !t.reader.read(data, &t.out) {
		t.end("the other provider's stream could not be translated")
	}
	return false
}

func (t *streamTranslator) end(message string) {
	if !t.ended {
		t.ended = true
		t.reader.failure(message, &t.out)
	}
}

// Write gives the events that a chunk completes.
func (t *streamTranslator) Write(chunk []byte) []byte {
	t.frames.write(chunk)
	out := bytes.Clone(t.out.Bytes())
	t.out.Reset()
	return out
}

// Finish reads an event that lacks its end.
func (t *streamTranslator) Finish() []byte {
	t.frames.finish()
	return t.out.Bytes()
}

// emit writes an event of server-sent events; OpenAI's have no names.
func emit(out *bytes.Buffer, name string, v any) {
	body, err := encode(v)
	if err != nil {
		return // of structs of strings and numbers
	}
	if name != "" {
		out.WriteString("event: " + name + "\n")
	}
	out.WriteString("data: ")
	out.Write(body)
	out.WriteString("\n\n")
}

type delta struct {
	Role      string      `json:"role,omitzero"`
	Content   *string     `json:"content,omitzero"`
	Refusal   *string     `json:"refusal,omitzero"`
	ToolCalls []callDelta `json:"tool_calls,omitzero"`
}

type callDelta struct {
	Index    int           `json:"index"`
	ID       string        `json:"id,omitzero"`
	Type     string        `json:"type,omitzero"`
	Function functionDelta `json:"function"`
}

type functionDelta struct {
	Name      string `json:"name,omitzero"`
	Arguments string `json:"arguments"`
}

// messageEvent is one event of Anthropic's streams (https://docs.anthropic.com/en/docs/build-with-claude/streaming).
type messageEvent struct {
	Type    string    `json:"type"`
	Message *answered `json:"message,omitzero"`
	Index   int       `json:"index"`
	Block   *block    `json:"content_block,omitzero"`
	Delta   *struct {
		Type       string  `json:"type"`
		Text       string  `json:"text"`
		Partial    string  `json:"partial_json"`
		StopReason *string `json:"stop_reason"`
	} `json:"delta,omitzero"`
	Usage *struct {
		Input      *int64 `json:"input_tokens"`
		CacheWrite *int64 `json:"cache_creation_input_tokens"`
		CacheRead  *int64 `json:"cache_read_input_tokens"`
		Output     *int64 `json:"output_tokens"`
	} `json:"usage,omitzero"`
	Error *struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"error,omitzero"`
}

// messagesEvents turns Anthropic's stream into OpenAI's.
type messagesEvents struct {
	spec      AnswerSpec
	id, model string
	calls     int // tool calls begun
	finish    string
	usage     messagesUsage
}

func (m *messagesEvents) piece(d delta, finish *string, out *bytes.Buffer) {
	emit(out, "", completion{
		ID: m.id, Object: "chat.completion.chunk", Created: m.spec.At.Unix(), Model: m.model,
		Choices: []completionChoice{{Delta: &d, Finish: finish}},
	})
}

func (m *messagesEvents) failure(message string, out *bytes.Buffer) {
	out.WriteString("data: ")
	out.Write(m.spec.failure(message))
	out.WriteString("\n\n")
}

func (m *messagesEvents) read(data []byte, out *bytes.Buffer) bool {
	var e messageEvent
	if json.Unmarshal(data, &e) != nil {
		return false
	}
	switch {
	case e.Type == "message_start" && e.Message != nil:
		m.id, m.model, m.usage = e.Message.ID, e.Message.Model, e.Message.Usage
		empty := ""
		m.piece(delta{Role: "assistant", Content: &empty}, nil, out)
	case e.Type == "content_block_start" && e.Block != nil && e.Block.Type == "tool_use":
		m.piece(delta{ToolCalls: []callDelta{{m.calls, e.Block.ID, "function", functionDelta{Name: e.Block.Name}}}}, nil, out)
		m.calls++
	case e.Type == "content_block_delta" && e.Delta != nil && e.Delta.Type == "text_delta":
		m.piece(delta{Content: &e.Delta.Text}, nil, out)
	case e.Type == "content_block_delta" && e.Delta != nil && e.Delta.Type == "input_json_delta":
		m.piece(delta{ToolCalls: []callDelta{{Index: max(m.calls-1, 0), Function: functionDelta{Arguments: e.Delta.Partial}}}}, nil, out)
	case e.Type == "message_delta":
		m.delta(e)
	case e.Type == "message_stop":
		m.stop(out)
	case e.Type == "error" && e.Error != nil:
		out.WriteString("data: ")
		out.Write(m.spec.Client.Preset.ErrorBody(Refusal{Status: 500, Code: e.Error.Type, Message: e.Error.Message}).Body)
		out.WriteString("\n\n")
	}
	return true
}

// delta takes the reason of the end, and the last counts.
func (m *messagesEvents) delta(e messageEvent) {
	if e.Delta != nil && e.Delta.StopReason != nil {
		m.finish = finishOf(*e.Delta.StopReason)
	}
	if u := e.Usage; u != nil {
		for _, c := range []struct {
			now *int64
			sum *int64
		}{{u.Input, &m.usage.Input}, {u.CacheWrite, &m.usage.CacheWrite}, {u.CacheRead, &m.usage.CacheRead}, {u.Output, &m.usage.Output}} {
			if c.now != nil {
				*c.sum = *c.now
			}
		}
	}
}

func (m *messagesEvents) stop(out *bytes.Buffer) {
	if m.finish == "" {
		m.finish = "stop"
	}
	m.piece(delta{}, &m.finish, out)
	if !m.spec.HideUsage {
		usage := m.usage.chat()
		emit(out, "", completion{ID: m.id, Object: "chat.completion.chunk", Created: m.spec.At.Unix(), Model: m.model, Choices: []completionChoice{}, Usage: &usage})
	}
	out.WriteString("data: [DONE]\n\n")
}

// chatEvents turns OpenAI's stream into Anthropic's: one block after the other, each begun and ended.
type chatEvents struct {
	spec    AnswerSpec
	started bool
	blocks  int // begun so far
	open    int // the tool call of the open block, textBlock, or −1 for none
	stop    string
	usage   completionUsage
}

// textBlock marks an open block of text.
const textBlock = 1 << 30

func (c *chatEvents) failure(message string, out *bytes.Buffer) {
	out.WriteString("event: error\ndata: ")
	out.Write(c.spec.failure(message))
	out.WriteString("\n\n")
}

var done = []byte("[DONE]")

func (c *chatEvents) read(data []byte, out *bytes.Buffer) bool {
	if bytes.Equal(bytes.TrimSpace(data), done) {
		c.end(out)
		return true
	}
	var e struct {
		completion
		Error *struct {
			Message string `json:"message"`
			Type    string `json:"type"`
		} `json:"error"`
	}
	if json.Unmarshal(data, &e) != nil {
		return false
	}
	if e.Error != nil {
		out.WriteString("event: error\ndata: ")
		out.Write(c.spec.Client.Preset.ErrorBody(Refusal{Status: 500, Code: e.Error.Type, Message: e.Error.Message}).Body)
		out.WriteString("\n\n")
		return true
	}
	c.begin(e.completion, out)
	if e.Usage != nil {
		c.usage = *e.Usage
	}
	for _, choice := range e.Choices {
		if choice.Index != 0 || choice.Delta == nil {
			return false
		}
		if !c.grow(*choice.Delta, out) {
			return false
		}
		if choice.Finish != nil {
			c.stop = stopOf(*choice.Finish)
		}
	}
	return true
}

func (c *chatEvents) begin(e completion, out *bytes.Buffer) {
	if c.started {
		return
	}
	c.started = true
	emit(out, "message_start", map[string]any{"type": "message_start", "message": answered{
		ID: e.ID, Type: "message", Role: "assistant", Model: e.Model, Content: []block{},
	}})
}

// grow translates what an event adds. A call that goes on after the next has begun cannot be told in blocks.
func (c *chatEvents) grow(d delta, out *bytes.Buffer) bool {
	for _, text := range []*string{d.Content, d.Refusal} {
		if text == nil || *text == "" {
			continue
		}
		if c.open != textBlock {
			c.block(textBlock, map[string]any{"type": "text", "text": ""}, out)
		}
		c.more(map[string]any{"type": "text_delta", "text": *text}, out)
	}
	for _, call := range d.ToolCalls {
		switch {
		case call.Index == c.open:
		case call.ID != "":
			c.block(call.Index, map[string]any{"type": "tool_use", "id": call.ID, "name": call.Function.Name, "input": jsontext.Value("{}")}, out)
		default:
			return false
		}
		if call.Function.Arguments != "" {
			c.more(map[string]any{"type": "input_json_delta", "partial_json": call.Function.Arguments}, out)
		}
	}
	return true
}

func (c *chatEvents) block(open int, content map[string]any, out *bytes.Buffer) {
	c.close(out)
	c.open = open
	emit(out, "content_block_start", map[string]any{"type": "content_block_start", "index": c.blocks, "content_block": content})
	c.blocks++
}

func (c *chatEvents) more(d map[string]any, out *bytes.Buffer) {
	emit(out, "content_block_delta", map[string]any{"type": "content_block_delta", "index": c.blocks - 1, "delta": d})
}

func (c *chatEvents) close(out *bytes.Buffer) {
	if c.open >= 0 {
		emit(out, "content_block_stop", map[string]any{"type": "content_block_stop", "index": c.blocks - 1})
	}
	c.open = -1
}

// end tells the reason and the counts: OpenAI has them behind the last piece.
func (c *chatEvents) end(out *bytes.Buffer) {
	if !c.started {
		return
	}
	c.close(out)
	if c.stop == "" {
		c.stop = "end_turn"
	}
	emit(out, "message_delta", map[string]any{
		"type": "message_delta", "delta": map[string]any{"stop_reason": c.stop, "stop_sequence": nil}, "usage": c.usage.messages(),
	})
	emit(out, "message_stop", map[string]string{"type": "message_stop"})
}
