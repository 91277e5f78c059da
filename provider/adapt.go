package provider

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// adapter is a dialect that knows which parameters its models do not share.
type adapter interface {
	// lacks gives the members of a request to one model that another one refuses, each with its name there; empty where it has none.
	lacks(e Endpoint, from, to string) map[string]string
}

// lengthNames are the members that say how long an answer may be.
var lengthNames = []string{"max_completion_tokens", "max_tokens", "max_output_tokens"}

// adapted leaves out of a body what the model refuses, renames what it knows under another name, and asks for no longer an answer than it can
// give, in tokens; 0 where that is not known. It gives nothing where the body can stay as it is.
func adapted(body []byte, lacks map[string]string, most int64) (out []byte, err error) {
	out, changed, names := []byte{'{'}, false, map[string]bool{}
	d := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true)) // it was read strictly before
	if _, err := d.ReadToken(); err != nil {
		return nil, malformed(err)
	}
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return nil, malformed(err)
		}
		name := t.String()
		value, err := d.ReadValue()
		if err != nil {
			return nil, malformed(err)
		}
		if other, refused := lacks[name]; refused {
			name, changed = other, true
		}
		if name == "" || names[name] { // what was renamed may stand under its other name, too
			continue
		}
		names[name] = true
		if n, err := strconv.ParseInt(string(value), 10, 64); err == nil && most > 0 && n > most && slices.Contains(lengthNames, name) {
			value, changed = strconv.AppendInt(nil, most, 10), true
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		if out, err = jsontext.AppendQuote(out, name); err != nil {
			return nil, malformed(err)
		}
		out = append(append(out, ':'), value...)
	}
	if !changed {
		return nil, nil
	}
	return append(out, '}'), nil
}

// How OpenAI's models differ in what they take (https://platform.openai.com/docs/guides/reasoning, and "Not supported" in
// https://learn.microsoft.com/azure/ai-services/openai/how-to/reasoning).
var (
	ofReasoning = map[string]string{"reasoning_effort": "", "verbosity": "", "reasoning": ""}
	ofSampling  = map[string]string{
		"temperature": "", "top_p": "", "presence_penalty": "", "frequency_penalty": "", "logprobs": "", "top_logprobs": "", "logit_bias": "",
		"max_tokens": "max_completion_tokens",
	}
)

// kindOfModel is what parameters go by.
type kindOfModel uint8

const (
	ofUnknownKind kindOfModel = iota
	sampling
	reasoning
)

// openAIKind tells OpenAI's reasoning models from those before; others' are unknown, and get what was asked.
func openAIKind(model string) kindOfModel {
	begins := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool {
			return model == n || strings.HasPrefix(model, n+"-") || strings.HasPrefix(model, n+".")
		})
	}
	switch {
	case begins("gpt-5-chat"), begins("gpt-3.5", "gpt-4", "gpt-4o", "chatgpt-4o"):
		return sampling
	case begins("gpt-5", "o1", "o3", "o4"):
		return reasoning
	}
	return ofUnknownKind
}

func (openAIDialect) lacks(e Endpoint, from, to string) map[string]string {
	was, is := openAIKind(from), openAIKind(to)
	switch {
	case was == is || e.Name != "chat.completions" && e.Name != "responses":
		return nil
	case is == sampling:
		return ofReasoning
	case is == reasoning:
		return ofSampling
	}
	return nil
}

// unthinking are Anthropic's models without extended thinking (https://docs.claude.com/en/docs/build-with-claude/extended-thinking).
var unthinking = []string{"claude-2", "claude-instant", "claude-3-haiku", "claude-3-sonnet", "claude-3-opus", "claude-3-5"}

func (anthropicDialect) lacks(_ Endpoint, _, to string) map[string]string {
	if slices.ContainsFunc(unthinking, func(n string) bool { return strings.HasPrefix(to, n) }) {
		return map[string]string{"thinking": ""}
	}
	return nil
}
