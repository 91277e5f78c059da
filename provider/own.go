package provider

import (
	"bytes"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// answerTexts says which members of a JSON answer are text that a model wrote, in every dialect: their names do not collide.
var answerTexts = []textMember{
	{name: "choices", in: []textMember{ // OpenAI's chat and completions
		{name: "text", take: aString},
		{name: "message", in: append(textMembers("content", "refusal", "reasoning_content"), calledFunctions)},
	}},
	{name: "output", in: append([]textMember{ // OpenAI's responses, and Bedrock's Converse
		{name: "content", in: textMembers("text")}, {name: "summary", in: textMembers("text")},
		{name: "message", in: []textMember{{name: "content", in: []textMember{
			{name: "text", take: aString}, {name: "toolUse", in: []textMember{{name: "name", take: aString}, {name: "input", take: anyValue}}},
			{name: "reasoningContent", in: []textMember{{name: "reasoningText", in: textMembers("text")}}},
		}}}},
	}, textMembers("name", "arguments")...)},
	{name: "content", in: append([]textMember{{name: "input", take: anyValue}}, textMembers("text", "thinking", "name")...)}, // Anthropic's
	geminiTexts[0],
	{name: "message", in: []textMember{ // Cohere's
		{name: "content", in: textMembers("text", "thinking")}, {name: "tool_plan", take: aString}, calledFunctions,
	}},
	{name: "generation", take: aString}, // Llama's
}

// calledFunctions are those that a model asked for.
var calledFunctions = textMember{name: "tool_calls", in: []textMember{{name: "function", in: textMembers("name", "arguments")}}}

// doubtful tells whether a report is not the plain word about the model that was asked for. Releases of a model have its name and a date.
func (s MeterSpec) doubtful(got Metered) bool {
	return got.Method == methodClamped || got.Method == methodBound || got.Model != "" && !strings.HasPrefix(got.Model, s.Model)
}

// own is the gateway's count: the prompt by its spelling, the answer by its text.
func (s MeterSpec) own(text *textCounter) sentinel.Counted {
	in, _ := inputEstimate(s)
	out, _ := text.count(s.Model)
	return sentinel.Counted{Input: in, Output: out}
}

// bodyKeeper keeps the beginning of an answer in which a model writes, to count its text when its report is doubtful.
type bodyKeeper struct {
	pooled
	lost int64 // bytes behind those that are kept
}

func (k *bodyKeeper) write(chunk []byte) {
	n := min(len(chunk), maxUnread-len(k.held()))
	b := k.room(n)
	*b = append(*b, chunk[:n]...)
	k.lost += int64(len(chunk) - n)
}

// text takes out what the model wrote. What was not kept counts as much of it as what was.
func (k *bodyKeeper) text() *textCounter {
	var t textCounter
	body := k.held()
	if k.lost > 0 { // what was kept may end within a text
		body = append(bytes.TrimRight(body, `\`), '"')
	}
	takeText(body, answerTexts, &t)
	t.lost = k.lost * int64(len(t.text)) / int64(max(1, len(k.held())))
	return &t
}
