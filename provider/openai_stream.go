package provider

import (
	"bytes"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// openAIStream reads a stream of chat completions or responses.
type openAIStream struct {
	dialect   openAIDialect
	hideUsage bool
	reported  Metered
	seen      bool
	spoken    bool // it has pieces of sound
}

// openAIEvent is what one event, or the response within, says of the whole answer.
type openAIEvent struct {
	model       string
	tier, usage []byte
}

func (e *openAIEvent) readMember(in *reportReader) {
	switch string(in.key) {
	case "model":
		in.word(&e.model)
	case "service_tier":
		e.tier = bytes.TrimSpace(in.raw())
	case "usage":
		e.usage = in.raw()
	default:
		in.pass()
	}
}

// openAITexts are those of chat and completions, and the "delta" of responses.
var openAITexts = []textMember{
	{name: "choices", in: []textMember{
		{name: "text", take: aString},
		{name: "delta", in: append(textMembers("content", "refusal", "reasoning_content"),
			textMember{name: "tool_calls", in: []textMember{{name: "function", in: textMembers("name", "arguments")}}})},
	}},
	{name: "delta", take: aString},
}

func (*openAIStream) texts() []textMember { return openAITexts }

var usageKey = []byte(`"usage"`)

// reports: OpenAI writes "usage":null into every event but one.
func (r *openAIStream) reports(data []byte) bool {
	r.spoken = r.spoken || bytes.Contains(data, audioDelta)
	return hasValue(data, usageKey)
}

// audioDelta ends the type of an event whose "delta" is sound.
var audioDelta = []byte(`audio.delta"`)

func (r *openAIStream) read(data []byte) bool {
	var e, response openAIEvent
	var kind, inChoice []byte
	chosen := false
	in := newReport(data)
	for in.object(); in.member(); {
		switch string(in.key) {
		case "type":
			kind = in.text()
		case "choices":
			for in.list(); in.element(); {
				chosen = true
				if choice := in.raw(); bytes.Contains(choice, usageKey) {
					inChoice = choiceUsage(choice)
				}
			}
		case "response":
			for in.object(); in.member(); {
				response.readMember(&in)
			}
		default:
			e.readMember(&in)
		}
	}
	if !in.done() {
		return false
	}
	whole := len(response.usage) > 0 // this event repeats the whole answer
	if whole {
		e = response
	}
	got, ok := r.dialect.report(e.usage)
	if !ok {
		got, ok = r.dialect.report(inChoice)
	}
	if ok {
		got.Model, got.Tier = e.model, openAITier(e.tier)
		if whole && r.dialect.ownTools {
			got.Usage[sentinel.WebSearches] = int64(bytes.Count(data, webSearchCall))
			got.Usage[sentinel.FileSearches] = int64(bytes.Count(data, fileSearchCall))
		}
		r.reported, r.seen = got, true
		return r.hideUsage && !chosen && len(kind) == 0
	}
	return false
}

// choiceUsage reads the usage of the whole answer where Moonshot has it, in its last choice; an event behind repeats it when it is asked for.
func choiceUsage(choice []byte) (usage []byte) {
	in := newReport(choice)
	for in.object(); in.member(); {
		if string(in.key) == "usage" {
			usage = in.raw()
		} else {
			in.pass()
		}
	}
	return usage
}

func (r *openAIStream) result() (Metered, bool) { return r.reported, r.seen }
