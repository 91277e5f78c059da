package provider

import (
	"strings"
	"unicode/utf8"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// imageTokens bounds the tokens of one image of gpt-image-1 and its smaller kin: 6,240 in the largest size and the best
// quality, and 100 for each of three partial images (https://platform.openai.com/docs/guides/image-generation).
const imageTokens = 6240 + 3*100

// image reads a request for images, which are billed by tokens.
func (openAIDialect) image(o object, rq *Request, r RawRequest) error {
	if stream, err := o.flag("stream"); err != nil || stream {
		return badRequest("stream", "the events of an image are too long to be read: ask for it without")
	}
	format, err := o.text("output_format")
	if err != nil || format == "svg" {
		return badRequest("output_format", "the drawing of svg is billed apart and is not priced yet")
	}
	n, err := o.number("n")
	rq.drawing(n, int64(len(r.Body)), r)
	return err
}

// imageForm reads a request that changes images.
func (openAIDialect) imageForm(p parts, rq *Request, r RawRequest) error {
	switch {
	case p.texts["stream"] == "true":
		return badRequest("stream", "the events of an image are too long to be read: ask for it without")
	case p.texts["output_format"] == "svg":
		return badRequest("output_format", "the drawing of svg is billed apart and is not priced yet")
	}
	n, err := p.number("n")
	rq.drawing(n, AsModelAllows, r)
	return err
}

// drawing bounds a request for n images.
func (rq *Request) drawing(n, input int64, r RawRequest) {
	rq.Choices = max(1, n)
	rq.Bound[sentinel.InputTokens], rq.Bound[sentinel.OutputTokens] = input, AsModelAllows
	if model := r.known(rq.Model); model == "gpt-image-1" || model == "gpt-image-1-mini" {
		rq.Bound[sentinel.OutputTokens] = imageTokens * rq.Choices
	}
}

// speech reads a request for speech. That of OpenAI's tts models, and of Orpheus at Groq, is billed by the characters of its text. That of other
// models is billed by tokens, which only the events of a stream tell.
func (openAIDialect) speech(o object, rq *Request, r RawRequest) error {
	text, err := o.text("input")
	if err != nil {
		return err
	}
	rq.Bound[sentinel.Characters] = int64(utf8.RuneCountInString(text))
	format, err := o.text("stream_format")
	switch {
	case err != nil || spokenByCharacter(r.known(rq.Model)):
		return err
	case format != "sse":
		return badRequest("stream_format", "the speech of %s is billed by tokens, which only its events tell: ask for sse", clip(rq.Model))
	}
	rq.Stream = true
	rq.Bound[sentinel.InputTokens], rq.Bound[sentinel.OutputTokens] = int64(len(r.Body)), AsModelAllows
	return nil
}

func spokenByCharacter(model string) bool {
	return strings.HasPrefix(model, "tts-") || strings.HasPrefix(model, "canopylabs/orpheus-")
}

// methodSpeech marks speech that did not report what it used: 20.8 tokens a second, as OpenAI's price by the minute says beside that by the token
// (https://platform.openai.com/docs/pricing), of 14 characters, as one speaks.
const methodSpeech = "speech_rate"

// speechTokens are those of so many characters, spoken.
func speechTokens(characters int64) int64 { return (characters*3 + 1) / 2 }

// speechMeter reads the events of speech. Where they break off, the whole text is booked: the sound that came does not tell how much that was.
type speechMeter struct {
	*streamMeter
	characters int64
}

// Finish ends the answer.
func (m speechMeter) Finish(complete bool) Metered {
	got := m.streamMeter.Finish(complete)
	if !got.Reported {
		got.Method, got.Usage[sentinel.OutputTokens] = methodSpeech, speechTokens(m.characters)
	}
	return got
}

// asBound is the meter of a call whose request says what it uses.
type asBound struct{ usage sentinel.Usage }

// Write passes everything on.
func (asBound) Write(chunk []byte) []byte { return chunk }

// Finish reports what the request said.
func (m asBound) Finish(bool) Metered { return Metered{Usage: m.usage, Reported: true} }

// The calls of OpenAI's own tools, as the items of an answer name them.
var (
	webSearchCall  = []byte(`"web_search_call"`)
	fileSearchCall = []byte(`"file_search_call"`)
)

// ownTool bounds a tool that is billed by the call: their number is known where the request limits it.
func (openAIDialect) ownTool(o object, rq *Request, kind string) error {
	most, err := o.number("max_tool_calls")
	if err != nil {
		return err
	}
	if most == 0 {
		return badRequest("tools", "calls of %s are billed one by one: set max_tool_calls", kind)
	}
	rq.Bound[sentinel.InputTokens] = AsModelAllows
	unit := sentinel.WebSearches
	if kind == "file_search" {
		unit = sentinel.FileSearches
	}
	rq.Bound[unit] = most
	return nil
}
