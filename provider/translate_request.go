package provider

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The requests that can be translated. A member that is not listed makes the call untranslatable: reading is strict.

// chatRequest is https://platform.openai.com/docs/api-reference/chat/create.
type chatRequest struct {
	Model            string         `json:"model"`
	Messages         []chatMessage  `json:"messages"`
	MaxTokens        *int64         `json:"max_tokens,omitzero"`
	MaxCompletion    *int64         `json:"max_completion_tokens,omitzero"`
	Temperature      *float64       `json:"temperature,omitzero"`
	TopP             jsontext.Value `json:"top_p,omitzero"`
	Stop             jsontext.Value `json:"stop,omitzero"`
	Stream           bool           `json:"stream,omitzero"`
	StreamOptions    *streamOptions `json:"stream_options,omitzero"`
	Tools            []chatTool     `json:"tools,omitzero"`
	ToolChoice       jsontext.Value `json:"tool_choice,omitzero"`
	ParallelTools    *bool          `json:"parallel_tool_calls,omitzero"`
	User             string         `json:"user,omitzero"`
	ResponseFormat   *typed         `json:"response_format,omitzero"`
	N                *int64         `json:"n,omitzero"`
	FrequencyPenalty *float64       `json:"frequency_penalty,omitzero"`
	PresencePenalty  *float64       `json:"presence_penalty,omitzero"`
	Logprobs         bool           `json:"logprobs,omitzero"`
	Store            bool           `json:"store,omitzero"`
	ServiceTier      string         `json:"service_tier,omitzero"`
}

type typed struct {
	Type string `json:"type"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type chatMessage struct {
	Role       string         `json:"role"`
	Content    jsontext.Value `json:"content,omitzero"`
	ToolCalls  []toolCall     `json:"tool_calls,omitzero"`
	ToolCallID string         `json:"tool_call_id,omitzero"`
	Refusal    *string        `json:"refusal,omitzero"`
}

type toolCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function functionCall `json:"function"`
}

type functionCall struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type chatPart struct {
	Type     string    `json:"type"`
	Text     string    `json:"text,omitzero"`
	ImageURL *imageURL `json:"image_url,omitzero"`
}

type imageURL struct {
	URL    string `json:"url"`
	Detail string `json:"detail,omitzero"`
}

type chatTool struct {
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name        string         `json:"name"`
	Description string         `json:"description,omitzero"`
	Parameters  jsontext.Value `json:"parameters,omitzero"`
	Strict      bool           `json:"strict,omitzero"`
}

// messagesRequest is https://docs.anthropic.com/en/api/messages.
type messagesRequest struct {
	Model         string         `json:"model"`
	MaxTokens     int64          `json:"max_tokens"`
	System        jsontext.Value `json:"system,omitzero"`
	Messages      []turn         `json:"messages"`
	Temperature   *float64       `json:"temperature,omitzero"`
	TopP          jsontext.Value `json:"top_p,omitzero"`
	StopSequences []string       `json:"stop_sequences,omitzero"`
	Stream        bool           `json:"stream,omitzero"`
	Tools         []tool         `json:"tools,omitzero"`
	ToolChoice    *toolChoice    `json:"tool_choice,omitzero"`
	Metadata      *userMetadata  `json:"metadata,omitzero"`
	Thinking      *typed         `json:"thinking,omitzero"`
	ServiceTier   string         `json:"service_tier,omitzero"`
}

type userMetadata struct {
	UserID string `json:"user_id,omitzero"`
}

type turn struct {
	Role    string         `json:"role"`
	Content jsontext.Value `json:"content"`
}

// block is one block of content. Hints for caches change what a call costs, not what it says: they are not passed on.
type block struct {
	Type         string         `json:"type"`
	Text         string         `json:"text,omitzero"`
	Source       *imageSource   `json:"source,omitzero"`
	ID           string         `json:"id,omitzero"`
	Name         string         `json:"name,omitzero"`
	Input        jsontext.Value `json:"input,omitzero"`
	ToolUseID    string         `json:"tool_use_id,omitzero"`
	Content      jsontext.Value `json:"content,omitzero"`
	IsError      bool           `json:"is_error,omitzero"`
	CacheControl jsontext.Value `json:"cache_control,omitzero"`
}

type imageSource struct {
	Type      string `json:"type"`
	MediaType string `json:"media_type,omitzero"`
	Data      string `json:"data,omitzero"`
	URL       string `json:"url,omitzero"`
}

type tool struct {
	Type         string         `json:"type,omitzero"`
	Name         string         `json:"name"`
	Description  string         `json:"description,omitzero"`
	InputSchema  jsontext.Value `json:"input_schema"`
	CacheControl jsontext.Value `json:"cache_control,omitzero"`
}

type toolChoice struct {
	Type            string `json:"type"`
	Name            string `json:"name,omitzero"`
	DisableParallel bool   `json:"disable_parallel_tool_use,omitzero"`
}

func cannot(place, format string, args ...any) error {
	return fmt.Errorf("%s: %s: %w", place, fmt.Sprintf(format, args...), ErrUntranslatable)
}

// decode reads strictly; what is unknown is named.
func decode(place string, b []byte, into any) error {
	if err := json.Unmarshal(b, into, json.RejectUnknownMembers(true)); err != nil {
		return cannot(place, "%s", err)
	}
	return nil
}

func encode(v any) ([]byte, error) { return json.Marshal(v, json.Deterministic(true)) }

func absent(v jsontext.Value) bool { return len(v) == 0 || v.Kind() == 'n' }

// chatToMessages translates OpenAI's chat completions into Anthropic's messages.
func chatToMessages(body []byte, model string, maxOutput int64) ([]byte, error) {
	var in chatRequest
	if err := decode("body", body, &in); err != nil {
		return nil, err
	}
	out := messagesRequest{Model: model, Temperature: in.Temperature, TopP: in.TopP, Stream: in.Stream, MaxTokens: maxOutput}
	if err := in.plain(); err != nil {
		return nil, err
	}
	switch {
	case in.MaxCompletion != nil:
		out.MaxTokens = *in.MaxCompletion
	case in.MaxTokens != nil:
		out.MaxTokens = *in.MaxTokens
	case maxOutput == 0:
		return nil, cannot("max_completion_tokens", "the other provider wants a bound, and none is known for %s", model)
	}
	if absent(in.TopP) {
		out.TopP = nil
	}
	if in.User != "" {
		out.Metadata = &userMetadata{in.User}
	}
	if !absent(in.Stop) {
		var one string
		if json.Unmarshal(in.Stop, &one) == nil {
			out.StopSequences = []string{one}
		} else if err := decode("stop", in.Stop, &out.StopSequences); err != nil {
			return nil, err
		}
	}
	for i, t := range in.Tools {
		if t.Type != "function" || t.Function.Strict {
			return nil, cannot(fmt.Sprintf("tools[%d]", i), "only functions that are not strict have a counterpart")
		}
		schema := t.Function.Parameters
		if absent(schema) {
			schema = jsontext.Value(`{"type":"object","properties":{}}`)
		}
		out.Tools = append(out.Tools, tool{Name: t.Function.Name, Description: t.Function.Description, InputSchema: schema})
	}
	var err error
	if out.ToolChoice, err = in.toolChoice(); err != nil {
		return nil, err
	}
	if err := in.conversation(&out); err != nil {
		return nil, err
	}
	return encode(out)
}

// plain refuses what messages have no words for.
func (in *chatRequest) plain() error {
	switch {
	case in.Temperature != nil && *in.Temperature > 1:
		return cannot("temperature", "%g is above 1", *in.Temperature)
	case in.N != nil && *in.N != 1:
		return cannot("n", "there is one answer only")
	case in.ResponseFormat != nil && in.ResponseFormat.Type != "text":
		return cannot("response_format", "%q has no counterpart", clip(in.ResponseFormat.Type))
	case in.FrequencyPenalty != nil && *in.FrequencyPenalty != 0, in.PresencePenalty != nil && *in.PresencePenalty != 0:
		return cannot("frequency_penalty", "penalties have no counterpart")
	case in.Logprobs:
		return cannot("logprobs", "there are none")
	case in.Store:
		return cannot("store", "nothing is stored")
	}
	return nil
}

// toolChoice translates tool_choice and parallel_tool_calls.
func (in *chatRequest) toolChoice() (*toolChoice, error) {
	serial := in.ParallelTools != nil && !*in.ParallelTools
	var word string
	switch {
	case absent(in.ToolChoice):
		if serial && len(in.Tools) > 0 {
			return &toolChoice{Type: "auto", DisableParallel: true}, nil
		}
		return nil, nil
	case json.Unmarshal(in.ToolChoice, &word) == nil:
		kind, ok := map[string]string{"auto": "auto", "required": "any", "none": "none"}[word]
		if !ok {
			return nil, cannot("tool_choice", "%q has no counterpart", clip(word))
		}
		return &toolChoice{Type: kind, DisableParallel: serial && kind != "none"}, nil
	}
	var named struct {
		Type     string `json:"type"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	if err := decode("tool_choice", in.ToolChoice, &named); err != nil {
		return nil, err
	}
	return &toolChoice{Type: "tool", Name: named.Function.Name, DisableParallel: serial}, nil
}

// conversation translates the messages: the system's go first, and what tools gave goes into the next turn of the user.
func (in *chatRequest) conversation(out *messagesRequest) error {
	var system []block
	var roles []string
	var turns [][]block
	for i, m := range in.Messages {
		at := fmt.Sprintf("messages[%d]", i)
		parts, err := m.blocks(at)
		if err != nil {
			return err
		}
		role := m.Role
		switch role {
		case "system", "developer":
			if len(turns) > 0 {
				return cannot(at, "instructions stand behind the first turn")
			}
			system = append(system, parts...)
			continue
		case "tool":
			role = "user"
		case "user", "assistant":
		default:
			return cannot(at+".role", "%q has no counterpart", clip(role))
		}
		if last := len(turns) - 1; last >= 0 && roles[last] == role {
			turns[last] = append(turns[last], parts...)
			continue
		}
		roles, turns = append(roles, role), append(turns, parts)
	}
	if len(system) > 0 {
		text, err := encode(system)
		if err != nil {
			return err
		}
		out.System = text
	}
	for i, blocks := range turns {
		content, err := encode(blocks)
		if err != nil {
			return err
		}
		out.Messages = append(out.Messages, turn{roles[i], content})
	}
	return nil
}

// blocks translates the content of one message of a chat.
func (m chatMessage) blocks(at string) ([]block, error) {
	if m.Refusal != nil && *m.Refusal != "" {
		return nil, cannot(at+".refusal", "it has no counterpart")
	}
	if m.Role == "tool" {
		text, err := onlyText(at, m.Content)
		if err != nil {
			return nil, err
		}
		quoted, err := encode(text)
		return []block{{Type: "tool_result", ToolUseID: m.ToolCallID, Content: quoted}}, err
	}
	var out []block
	parts, err := contentParts[chatPart](at, m.Content, func(text string) chatPart { return chatPart{Type: "text", Text: text} })
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		switch {
		case p.Type == "text" && p.Text == "":
		case p.Type == "text":
			out = append(out, block{Type: "text", Text: p.Text})
		case p.Type == "image_url" && p.ImageURL != nil && m.Role == "user":
			source, err := p.ImageURL.source(at)
			if err != nil {
				return nil, err
			}
			out = append(out, block{Type: "image", Source: source})
		default:
			return nil, cannot(at+".content", "a part of type %q has no counterpart", clip(p.Type))
		}
	}
	for _, c := range m.ToolCalls {
		input := jsontext.Value(c.Function.Arguments)
		if !input.IsValid() || input.Kind() != '{' {
			return nil, cannot(at+".tool_calls", "the arguments of %s are no JSON object", clip(c.Function.Name))
		}
		out = append(out, block{Type: "tool_use", ID: c.ID, Name: c.Function.Name, Input: input})
	}
	if len(out) == 0 {
		return nil, cannot(at, "it is empty")
	}
	return out, nil
}

// contentParts reads content that is a text or a list.
func contentParts[T any](at string, v jsontext.Value, text func(string) T) ([]T, error) {
	var s string
	switch {
	case absent(v):
		return nil, nil
	case v.Kind() == '"':
		err := decode(at+".content", v, &s)
		return []T{text(s)}, err
	}
	var list []T
	return list, decode(at+".content", v, &list)
}

// onlyText joins the parts of a content that has nothing but text.
func onlyText(at string, v jsontext.Value) (string, error) {
	parts, err := contentParts[block](at, v, func(text string) block { return block{Type: "text", Text: text} })
	var text []string
	for _, p := range parts {
		if p.Type != "text" {
			return "", cannot(at+".content", "a part of type %q has no counterpart here", clip(p.Type))
		}
		text = append(text, p.Text)
	}
	return strings.Join(text, "\n"), err
}

// source translates an image.
func (u imageURL) source(at string) (*imageSource, error) {
	if u.Detail != "" && u.Detail != "auto" {
		return nil, cannot(at+".image_url.detail", "%q has no counterpart", clip(u.Detail))
	}
	rest, inline := strings.CutPrefix(u.URL, "data:")
	if !inline {
		return &imageSource{Type: "url", URL: u.URL}, nil
	}
	kind, data, ok := strings.Cut(rest, ";base64,")
	if !ok {
		return nil, cannot(at+".image_url", "the data is not base64")
	}
	return &imageSource{Type: "base64", MediaType: kind, Data: data}, nil
}
