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
	// lacks gives the members of a request to one model, by the catalog's name, that another one refuses, each with its name there; empty where it has none. A member
	// within objects stands under its whole path, with dots, and has no other name.
	lacks(e Endpoint, from, to string) map[string]string
}

// lengthNames are the members that say how long an answer may be, by their path.
var lengthNames = []string{
	"max_completion_tokens", "max_tokens", "max_output_tokens", "max_gen_len",
	"generationConfig.maxOutputTokens", "generationConfig.max_output_tokens", "generation_config.maxOutputTokens", "generation_config.max_output_tokens",
	"inferenceConfig.maxTokens", "inferenceConfig.max_new_tokens", "textGenerationConfig.maxTokenCount",
}

// fit says what of a body has to change.
type fit struct {
	lacks map[string]string
	most  int64 // tokens of an answer; 0 where that is not known
}

// adapted leaves out of a body what the model refuses, renames what it knows under another name, and asks for no longer an answer than it can
// give, in tokens; 0 where that is not known. It gives nothing where the body can stay as it is.
func adapted(body []byte, lacks map[string]string, most int64) ([]byte, error) {
	return fit{lacks, most}.object(body, "")
}

// within tells whether something under a path may have to change.
func (f fit) within(path string) bool {
	under := func(name string) bool { return strings.HasPrefix(name, path+".") }
	for name := range f.lacks {
		if under(name) {
			return true
		}
	}
	return f.most > 0 && slices.ContainsFunc(lengthNames, under)
}

// object adapts the object under a path, which ends in a dot or is empty; nothing where it can stay. It goes no deeper than the paths that it looks for.
func (f fit) object(body []byte, path string) (out []byte, err error) {
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
		if other, refused := f.lacks[path+name]; refused {
			name, changed = other, true
		}
		if name == "" || names[name] { // what was renamed may stand under its other name, too
			continue
		}
		names[name] = true
		fitting, err := f.value(value, path+name)
		if err != nil {
			return nil, err
		}
		if fitting != nil {
			value, changed = fitting, true
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

// value adapts what stands under a path; nothing where it can stay.
func (f fit) value(value jsontext.Value, path string) ([]byte, error) {
	if value.Kind() == '{' {
		if !f.within(path) {
			return nil, nil
		}
		return f.object(value, path+".")
	}
	if n, err := strconv.ParseInt(string(value), 10, 64); err == nil && f.most > 0 && n > f.most && slices.Contains(lengthNames, path) {
		return strconv.AppendInt(nil, f.most, 10), nil
	}
	return nil, nil
}

// How OpenAI's models differ in what they take (https://platform.openai.com/docs/guides/reasoning, and "Not supported" in
// https://learn.microsoft.com/azure/ai-services/openai/how-to/reasoning).
var (
	ofVerbosity = map[string]string{"verbosity": "", "text.verbosity": ""}
	ofReasoning = map[string]string{"reasoning_effort": "", "verbosity": "", "text.verbosity": "", "reasoning": ""}
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

// isOf tells whether a model is one of these families.
func isOf(model string, families ...string) bool {
	return slices.ContainsFunc(families, func(n string) bool {
		return model == n || strings.HasPrefix(model, n+"-") || strings.HasPrefix(model, n+".")
	})
}

// openAIKind tells OpenAI's reasoning models from those before; others' are unknown, and get what was asked.
func openAIKind(model string) kindOfModel {
	switch {
	case isOf(model, "gpt-5-chat", "gpt-3.5", "gpt-4", "gpt-4o", "chatgpt-4o"):
		return sampling
	case isOf(model, "gpt-5", "o1", "o3", "o4"):
		return reasoning
	}
	return ofUnknownKind
}

func (openAIDialect) lacks(e Endpoint, from, to string) map[string]string {
	was, is := openAIKind(from), openAIKind(to)
	switch {
	case e.Name != "chat.completions" && e.Name != "responses":
		return nil
	case is == was:
		if is == reasoning && !isOf(to, "gpt-5") { // verbosity came with GPT-5
			return ofVerbosity
		}
		return nil
	case is == sampling:
		return ofReasoning
	case is == reasoning:
		return ofSampling
	}
	return nil
}

func (d azureDialect) lacks(e Endpoint, from, to string) map[string]string {
	return d.openAIDialect.lacks(d.openAIs(e), withoutZone(from), withoutZone(to))
}

// unthinking are Anthropic's models without extended thinking (https://docs.claude.com/en/docs/build-with-claude/extended-thinking).
var unthinking = []string{"claude-2", "claude-instant", "claude-3-haiku", "claude-3-sonnet", "claude-3-opus", "claude-3-5"}

func thinks(claude string) bool {
	return !slices.ContainsFunc(unthinking, func(n string) bool { return strings.HasPrefix(claude, n) })
}

func (anthropicDialect) lacks(_ Endpoint, _, to string) map[string]string {
	if thinks(to) {
		return nil
	}
	return map[string]string{"thinking": ""}
}

// What Google's models refuse: those before 2.5 do not think, and a level of thought, in place of a budget, came with 3
// (https://ai.google.dev/gemini-api/docs/thinking). Google's decoder takes both spellings.
var (
	ofThinking = googlePaths("thinkingConfig", "thinking_config")
	ofLevels   = googlePaths("thinkingConfig.thinkingLevel", "thinkingConfig.thinking_level", "thinking_config.thinkingLevel", "thinking_config.thinking_level")
)

func googlePaths(names ...string) map[string]string {
	paths := map[string]string{}
	for _, n := range names {
		paths["generationConfig."+n], paths["generation_config."+n] = "", ""
	}
	return paths
}

func (geminiDialect) lacks(_ Endpoint, _, to string) map[string]string {
	switch {
	case isOf(to, "gemini-1", "gemini-2.0"):
		return ofThinking
	case isOf(to, "gemini-2.5"):
		return ofLevels
	}
	return nil
}

func (d vertexDialect) lacks(e Endpoint, from, to string) map[string]string {
	if isRawPredict(e) {
		return anthropicDialect{}.lacks(e, from, to)
	}
	return d.geminiDialect.lacks(e, from, to)
}

// lacks leaves out what Converse hands on in the words of a model's maker, where another maker's model is to answer.
func (bedrockDialect) lacks(e Endpoint, from, to string) map[string]string {
	converse := strings.HasPrefix(e.Name, "converse")
	_, claude, ok := strings.Cut(to, "anthropic.")
	switch {
	case converse && makerOf(from) != "" && makerOf(to) != "" && makerOf(from) != makerOf(to):
		return map[string]string{"additionalModelRequestFields": ""}
	case !ok || thinks(claude):
		return nil
	case converse:
		return map[string]string{"additionalModelRequestFields.thinking": "", "additionalModelRequestFields.reasoning_config": ""}
	}
	return map[string]string{"thinking": ""}
}

// makerOf is who made a model of Bedrock's: MAKER.MODEL, behind the place of a profile or an address; empty where the name does not say it.
func makerOf(model string) string {
	name, _, _ := strings.Cut(model[strings.LastIndexByte(model, '/')+1:], ":")
	place, rest, ok := strings.Cut(name, ".")
	if maker, _, profile := strings.Cut(rest, "."); ok && profile && slices.Contains(profilePlaces, place) {
		return maker
	}
	if !ok {
		return ""
	}
	return place
}

// profilePlaces begin the names of profiles that serve a model from several regions
// (https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html).
var profilePlaces = []string{"us", "eu", "apac", "global", "us-gov", "jp", "au", "ca"}
