package provider

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// adapter is a dialect that knows which parameters its models do not share.
type adapter interface {
	// fit says what of a request to one model, by the catalog's name, another one refuses.
	fit(e Endpoint, from, to string) fit
}

// lengthNames are the members that say how long an answer may be, by their path.
var lengthNames = append([]string{
	"max_completion_tokens", "max_output_tokens",
	"generationConfig.maxOutputTokens", "generationConfig.max_output_tokens", "generation_config.maxOutputTokens", "generation_config.max_output_tokens",
}, nativeLengths...)

// budgetNames are those of the tokens of an answer that Claude may think with, which are fewer than all.
var budgetNames = []string{"thinking.budget_tokens", "additionalModelRequestFields.thinking.budget_tokens", "additionalModelRequestFields.reasoning_config.budget_tokens"}

// fit says what of a body has to change. Members are named by their path, with dots.
type fit struct {
	lacks   map[string]string            // what a model refuses, with its name there at the top; empty where it has none
	kinds   map[string]string            // objects that it refuses where their type is this one
	words   map[string]map[string]string // a member's words that it does not know, with those that it does
	budgets map[string]budgets           // numbers that it takes within bounds
	most    int64                        // tokens of an answer; 0 where that is not known
}

// budgets are the tokens that a model may be given to think. 0 and −1 are none and as many as it likes, where it takes them.
type budgets struct {
	least, most int64
	always      bool // it cannot be kept from thinking
}

// adapted leaves out of a body what the model refuses, renames what it knows under another name, takes the nearest of the values that it knows, and asks for no
// longer an answer than it can give. It gives nothing where the body can stay as it is.
func (f fit) adapted(body []byte) ([]byte, error) { return f.object(body, "") }

// within tells whether something under a path may have to change.
func (f fit) within(path string) bool {
	under := func(name string) bool { return strings.HasPrefix(name, path+".") }
	return anyKey(f.lacks, under) || anyKey(f.kinds, under) || anyKey(f.words, under) || anyKey(f.budgets, under) ||
		f.most > 0 && (slices.ContainsFunc(lengthNames, under) || slices.ContainsFunc(budgetNames, under))
}

func anyKey[V any](m map[string]V, is func(string) bool) bool {
	for name := range m {
		if is(name) {
			return true
		}
	}
	return false
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
		if kind, refused := f.kinds[path+name]; refused && value.Kind() == '{' && Member(value, "type") == kind {
			name, changed = "", true
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
	switch kind := value.Kind(); {
	case kind == '{' && f.within(path):
		return f.object(value, path+".")
	case kind == '"':
		return f.word(value, path)
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if to := f.number(n, path); err == nil && to != n {
		return strconv.AppendInt(nil, to, 10), nil
	}
	return nil, nil
}

// word is the one that the model knows in the place of another.
func (f fit) word(value jsontext.Value, path string) ([]byte, error) {
	known, ok := f.words[path]
	if !ok {
		return nil, nil
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return nil, malformed(err)
	}
	to, ok := known[string(text)]
	if !ok {
		return nil, nil
	}
	return jsontext.AppendQuote(nil, to)
}

// number is the nearest one that the model takes. Of a shorter answer than thoughts had for themselves, they get half.
func (f fit) number(n int64, path string) int64 {
	switch b, bounded := f.budgets[path]; {
	case bounded && n < 0:
	case bounded && n == 0 && !b.always:
	case bounded:
		return max(b.least, min(n, b.most))
	case f.most > 0 && n > f.most && slices.Contains(lengthNames, path):
		return f.most
	case f.most > 0 && n >= f.most && slices.Contains(budgetNames, path):
		return f.most / 2
	}
	return n
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

func (d openAIDialect) fit(e Endpoint, from, to string) fit {
	if e.Name != "chat.completions" && e.Name != "responses" {
		return fit{}
	}
	f := fit{words: map[string]map[string]string{}, lacks: maps.Clone(lackedBy(withoutZone(from), withoutZone(to)))}
	switch known := d.host.effortsOf(to); {
	case known == nil:
	case len(known) == 0:
		f.lacks["reasoning_effort"] = ""
	default:
		weaker := weakened(known)
		f.words["reasoning_effort"], f.words["reasoning.effort"] = weaker, weaker
	}
	d.host.fitTo(&f)
	return f
}

// lackedBy is what one of OpenAI's models refuses of a request to another model.
func lackedBy(from, to string) map[string]string {
	switch was, is := openAIKind(from), openAIKind(to); {
	case is == reasoning && isOf(to, "o1-mini", "o1-preview"): // they reason as they do
		return ofReasoning
	case was == is && is == reasoning && !isOf(to, "gpt-5"): // verbosity came with GPT-5
		return ofVerbosity
	case was == is:
	case is == sampling:
		return ofReasoning
	case is == reasoning:
		return ofSampling
	}
	return map[string]string{}
}

func (d azureDialect) fit(e Endpoint, from, to string) fit {
	return d.openAIDialect.fit(d.openAIs(e), from, to)
}

func (anthropicDialect) fit(_ Endpoint, _, to string) fit { return claudeFit("", to) }

// What Google's models refuse: those before 2.5 do not think, and a level of thought, in place of a budget, came with 3
// (https://ai.google.dev/gemini-api/docs/thinking). Google's decoder takes both spellings.
var (
	ofThinking = googlePaths("thinkingConfig", "thinking_config")
	ofLevels   = googlePaths("thinkingConfig.thinkingLevel", "thinkingConfig.thinking_level", "thinking_config.thinkingLevel", "thinking_config.thinking_level")
	ofBudgets  = googlePaths("thinkingConfig.thinkingBudget", "thinkingConfig.thinking_budget", "thinking_config.thinkingBudget", "thinking_config.thinking_budget")
)

func googlePaths(names ...string) map[string]string {
	paths := map[string]string{}
	for _, n := range names {
		paths["generationConfig."+n], paths["generation_config."+n] = "", ""
	}
	return paths
}

func (geminiDialect) fit(_ Endpoint, _, to string) fit {
	switch {
	case isOf(to, "gemini-1", "gemini-2.0"):
		return fit{lacks: ofThinking}
	case isOf(to, "gemini-2.5-pro"):
		return fit{lacks: ofLevels, budgets: googleBudgets(budgets{least: 128, most: 32_768, always: true})}
	case isOf(to, "gemini-2.5-flash-lite"):
		return fit{lacks: ofLevels, budgets: googleBudgets(budgets{least: 512, most: 24_576})}
	case isOf(to, "gemini-2.5-flash"):
		return fit{lacks: ofLevels, budgets: googleBudgets(budgets{most: 24_576})}
	case isOf(to, "gemini-2.5"):
		return fit{lacks: ofLevels}
	}
	return fit{}
}

func googleBudgets(b budgets) map[string]budgets {
	paths := map[string]budgets{}
	for name := range ofBudgets {
		paths[name] = b
	}
	return paths
}

func (d vertexDialect) fit(e Endpoint, from, to string) fit {
	if isRawPredict(e) {
		return claudeFit("", to)
	}
	return d.geminiDialect.fit(e, from, to)
}

// fit leaves out what Converse hands on in the words of a model's maker, where another maker's model is to answer.
func (bedrockDialect) fit(e Endpoint, from, to string) fit {
	converse := strings.HasPrefix(e.Name, "converse")
	_, claude, ok := strings.Cut(to, "anthropic.")
	switch {
	case converse && makerOf(from) != "" && makerOf(to) != "" && makerOf(from) != makerOf(to):
		return fit{lacks: map[string]string{"additionalModelRequestFields": ""}}
	case !ok:
		return fit{}
	case converse:
		return claudeFit("additionalModelRequestFields.", claude)
	}
	return claudeFit("", claude)
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
