package provider

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// mostStops is the number of stop sequences that OpenAI takes.
const mostStops = 4

// messagesToChat translates Anthropic's messages into OpenAI's chat completions. OpenAI itself has replaced max_tokens
// by max_completion_tokens, which the hosts that speak as it does may not know.
func messagesToChat(body []byte, model string, completion bool) ([]byte, error) {
	var in messagesRequest
	if err := decode("body", body, &in); err != nil {
		return nil, err
	}
	out := chatRequest{Model: model, Temperature: in.Temperature, TopP: in.TopP, Stream: in.Stream}
	if out.MaxTokens = &in.MaxTokens; completion {
		out.MaxTokens, out.MaxCompletion = nil, &in.MaxTokens
	}
	if in.Stream {
		out.StreamOptions = &streamOptions{IncludeUsage: true}
	}
	switch {
	case in.Thinking != nil && in.Thinking.Type != "disabled":
		return nil, cannot("thinking", "%q has no counterpart", clip(in.Thinking.Type))
	case len(in.StopSequences) > mostStops:
		return nil, cannot("stop_sequences", "%d are more than %d", len(in.StopSequences), mostStops)
	case len(in.StopSequences) > 0:
		stops, err := encode(in.StopSequences)
		if err != nil {
			return nil, err
		}
		out.Stop = stops
	}
	if in.Metadata != nil {
		out.User = in.Metadata.UserID
	}
	if err := in.offerTools(&out); err != nil {
		return nil, err
	}
	if !absent(in.System) {
		text, err := onlyText("system", in.System)
		if err != nil {
			return nil, err
		}
		if err := out.say(chatMessage{Role: "system"}, text); err != nil {
			return nil, err
		}
	}
	for i, m := range in.Messages {
		if err := out.turn(fmt.Sprintf("messages[%d]", i), m); err != nil {
			return nil, err
		}
	}
	return encode(out)
}

// say adds a message with a content.
func (out *chatRequest) say(m chatMessage, content any) error {
	text, err := encode(content)
	m.Content = text
	out.Messages = append(out.Messages, m)
	return err
}

// offerTools translates the tools and the choice among them.
func (in *messagesRequest) offerTools(out *chatRequest) error {
	for i, t := range in.Tools {
		if t.Type != "" && t.Type != "custom" {
			return cannot(fmt.Sprintf("tools[%d]", i), "a tool of type %q has no counterpart", clip(t.Type))
		}
		out.Tools = append(out.Tools, chatTool{"function", function{Name: t.Name, Description: t.Description, Parameters: t.InputSchema}})
	}
	c := in.ToolChoice
	if c == nil {
		return nil
	}
	if c.DisableParallel {
		serial := false
		out.ParallelTools = &serial
	}
	switch c.Type {
	case "auto", "none":
		out.ToolChoice = jsontext.Value(`"` + c.Type + `"`)
	case "any":
		out.ToolChoice = jsontext.Value(`"required"`)
	case "tool":
		choice, err := encode(map[string]any{"type": "function", "function": map[string]string{"name": c.Name}})
		if err != nil {
			return err
		}
		out.ToolChoice = choice
	default:
		return cannot("tool_choice", "%q has no counterpart", clip(c.Type))
	}
	return nil
}

// turn translates one message: what tools gave becomes messages of its own, before what the user says.
func (out *chatRequest) turn(at string, m turn) error {
	blocks, err := contentParts[block](at, m.Content, func(text string) block { return block{Type: "text", Text: text} })
	if err != nil {
		return err
	}
	said := chatMessage{Role: m.Role}
	var parts []chatPart
	for _, b := range blocks {
		switch {
		case b.Type == "text":
			parts = append(parts, chatPart{Type: "text", Text: b.Text})
		case b.Type == "image" && b.Source != nil && m.Role == "user":
			url := b.Source.URL
			if b.Source.Type == "base64" {
				url = "data:" + b.Source.MediaType + ";base64," + b.Source.Data
			} else if b.Source.Type != "url" {
				return cannot(at+".content", "an image by %q has no counterpart", clip(b.Source.Type))
			}
			parts = append(parts, chatPart{Type: "image_url", ImageURL: &imageURL{URL: url}})
		case b.Type == "tool_use" && m.Role == "assistant":
			said.ToolCalls = append(said.ToolCalls, toolCall{b.ID, "function", functionCall{b.Name, string(b.Input)}})
		case b.Type == "tool_result" && m.Role == "user" && !b.IsError:
			if len(parts) > 0 {
				return cannot(at+".content", "a tool's result stands behind other content")
			}
			text, err := onlyText(at, b.Content)
			if err != nil {
				return err
			}
			if err := out.say(chatMessage{Role: "tool", ToolCallID: b.ToolUseID}, text); err != nil {
				return err
			}
		default:
			return cannot(at+".content", "a block of type %q has no counterpart", clip(b.Type))
		}
	}
	switch {
	case len(parts) == 1 && parts[0].Type == "text":
		return out.say(said, parts[0].Text)
	case len(parts) > 0:
		return out.say(said, parts)
	case len(said.ToolCalls) > 0:
		out.Messages = append(out.Messages, said)
	}
	return nil
}
