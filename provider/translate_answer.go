package provider

import (
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// AnswerSpec says which answer is to be put back into the client's words.
type AnswerSpec struct {
	Client, Provider Speech
	Status           int
	ContentType      string
	HideUsage        bool      // the client did not ask for the usage of its stream
	At               time.Time // of the call
}

// Translator puts an answer into the client's words as it comes. It is not safe for concurrent use.
type Translator interface {
	// Write takes the next bytes, and gives those for the client. An event of a stream is never held back once it is whole.
	Write(chunk []byte) []byte
	// Finish gives what is left at the answer's end.
	Finish() []byte
}

// NewTranslator makes the translator of one answer; nil where the client's words are the provider's.
func NewTranslator(s AnswerSpec) Translator {
	from, to := s.Provider.tongue(), s.Client.tongue()
	switch {
	case from == to:
		return nil
	case s.Status >= 300:
		return &wholeAnswer{spec: s, translate: errorAnswer}
	case isEventStream(s.ContentType) && to == chatTongue:
		return newStreamTranslator(&messagesEvents{spec: s})
	case isEventStream(s.ContentType):
		return newStreamTranslator(&chatEvents{spec: s, open: -1})
	case to == chatTongue:
		return &wholeAnswer{spec: s, translate: messageToCompletion}
	}
	return &wholeAnswer{spec: s, translate: completionToMessage}
}

// maxWhole bounds the answers that are translated in one piece.
const maxWhole = 4 << 20

// wholeAnswer translates a JSON answer once it is complete.
type wholeAnswer struct {
	spec      AnswerSpec
	translate func(AnswerSpec, []byte) ([]byte, error)
	body      []byte
	tooLong   bool
}

func (w *wholeAnswer) Write(chunk []byte) []byte {
	if w.tooLong = w.tooLong || len(w.body)+len(chunk) > maxWhole; !w.tooLong {
		w.body = append(w.body, chunk...)
	}
	return nil
}

func (w *wholeAnswer) Finish() []byte {
	if !w.tooLong {
		if out, err := w.translate(w.spec, w.body); err == nil {
			return out
		}
	}
	return w.spec.failure("the other provider's answer could not be translated")
}

// failure is an error in the client's words.
func (s AnswerSpec) failure(message string) []byte {
	return s.Client.Preset.ErrorBody(Refusal{Status: max(s.Status, 500), Code: "untranslatable_answer", Message: message}).Body
}

// errorAnswer translates an error: both sides have its sentence in the same place.
func errorAnswer(s AnswerSpec, body []byte) ([]byte, error) {
	var in struct {
		Error struct {
			Type    string         `json:"type"`
			Code    jsontext.Value `json:"code"`
			Message string         `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	code := in.Error.Type
	if len(in.Error.Code) > 0 && in.Error.Code.Kind() == '"' {
		_ = json.Unmarshal(in.Error.Code, &code) // it is a string
	}
	return s.Client.Preset.ErrorBody(Refusal{Status: s.Status, Code: code, Message: in.Error.Message}).Body, nil
}

// messagesUsage is Anthropic's: the classes of input stand side by side.
type messagesUsage struct {
	Input      int64 `json:"input_tokens"`
	CacheWrite int64 `json:"cache_creation_input_tokens"`
	CacheRead  int64 `json:"cache_read_input_tokens"`
	Output     int64 `json:"output_tokens"`
}

// completionUsage is OpenAI's: cached input is a part of the input.
type completionUsage struct {
	Prompt     int64       `json:"prompt_tokens"`
	Completion int64       `json:"completion_tokens"`
	Total      int64       `json:"total_tokens"`
	Details    cachedShare `json:"prompt_tokens_details"`
}

type cachedShare struct {
	Cached int64 `json:"cached_tokens"`
}

func (u messagesUsage) chat() completionUsage {
	prompt := u.Input + u.CacheWrite + u.CacheRead
	return completionUsage{prompt, u.Output, prompt + u.Output, cachedShare{u.CacheRead}}
}

func (u completionUsage) messages() messagesUsage {
	return messagesUsage{Input: u.Prompt - u.Details.Cached, CacheRead: u.Details.Cached, Output: u.Completion}
}

// finishOf gives OpenAI's reason for the end of an answer.
func finishOf(stop string) string {
	switch stop {
	case "tool_use":
		return "tool_calls"
	case "max_tokens", "model_context_window_exceeded":
		return "length"
	case "refusal":
		return "content_filter"
	}
	return "stop"
}

// stopOf gives Anthropic's.
func stopOf(finish string) string {
	switch finish {
	case "tool_calls", "function_call":
		return "tool_use"
	case "length":
		return "max_tokens"
	case "content_filter":
		return "refusal"
	}
	return "end_turn"
}

// answered is an answer of Anthropic's.
type answered struct {
	ID           string        `json:"id"`
	Type         string        `json:"type"`
	Role         string        `json:"role"`
	Model        string        `json:"model"`
	Content      []block       `json:"content"`
	StopReason   *string       `json:"stop_reason"`
	StopSequence *string       `json:"stop_sequence"`
	Usage        messagesUsage `json:"usage"`
}

// completion is an answer of OpenAI's, whole or a piece of a stream.
type completion struct {
	ID      string             `json:"id"`
	Object  string             `json:"object"`
	Created int64              `json:"created"`
	Model   string             `json:"model"`
	Choices []completionChoice `json:"choices"`
	Usage   *completionUsage   `json:"usage,omitzero"`
}

type completionChoice struct {
	Index   int             `json:"index"`
	Message *said           `json:"message,omitzero"`
	Delta   *delta          `json:"delta,omitzero"`
	Finish  *string         `json:"finish_reason"`
	Logprob *jsontext.Value `json:"logprobs"`
}

type said struct {
	Role      string     `json:"role"`
	Content   *string    `json:"content"`
	Refusal   *string    `json:"refusal"`
	ToolCalls []toolCall `json:"tool_calls,omitzero"`
}

// messageToCompletion translates Anthropic's answer.
func messageToCompletion(s AnswerSpec, body []byte) ([]byte, error) {
	var in answered
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	var text strings.Builder
	m := said{Role: "assistant"}
	for _, b := range in.Content {
		switch b.Type {
		case "text":
			text.WriteString(b.Text)
		case "tool_use":
			m.ToolCalls = append(m.ToolCalls, toolCall{b.ID, "function", functionCall{b.Name, string(b.Input)}})
		}
	}
	if all := text.String(); all != "" || len(m.ToolCalls) == 0 {
		m.Content = &all
	}
	finish, usage := "stop", in.Usage.chat()
	if in.StopReason != nil {
		finish = finishOf(*in.StopReason)
	}
	return encode(completion{
		ID: in.ID, Object: "chat.completion", Created: s.At.Unix(), Model: in.Model,
		Choices: []completionChoice{{Message: &m, Finish: &finish}}, Usage: &usage,
	})
}

// completionToMessage translates OpenAI's answer.
func completionToMessage(_ AnswerSpec, body []byte) ([]byte, error) {
	var in completion
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	if len(in.Choices) != 1 || in.Choices[0].Message == nil {
		return nil, cannot("choices", "there is not exactly one")
	}
	c := in.Choices[0]
	out := answered{ID: in.ID, Type: "message", Role: "assistant", Model: in.Model, Content: []block{}}
	for _, text := range []*string{c.Message.Content, c.Message.Refusal} {
		if text != nil && *text != "" {
			out.Content = append(out.Content, block{Type: "text", Text: *text})
		}
	}
	for _, call := range c.Message.ToolCalls {
		input := jsontext.Value(call.Function.Arguments)
		if !input.IsValid() || input.Kind() != '{' {
			return nil, cannot("tool_calls", "the arguments of %s are no JSON object", clip(call.Function.Name))
		}
		out.Content = append(out.Content, block{Type: "tool_use", ID: call.ID, Name: call.Function.Name, Input: input})
	}
	if c.Finish != nil {
		stop := stopOf(*c.Finish)
		out.StopReason = &stop
	}
	if in.Usage != nil {
		out.Usage = in.Usage.messages()
	}
	return encode(out)
}
