package provider

import (
	"slices"
	"strconv"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// cutter is a dialect whose requests say in the body how long an answer may be.
type cutter interface {
	// lengthKeys are the members that say so to a model, by the catalog's name, all of which a shorter answer needs; none where a request cannot be cut.
	// One of a member that is an object stands behind a dot.
	lengthKeys(e Endpoint, o object, model string) []string
}

// Cuts tells whether requests to an endpoint can be sent for a shorter answer.
func (p Preset) Cuts(e Endpoint, rq Request) bool {
	_, ok := p.speaker().(cutter)
	return ok && !rq.Fixed && rq.Bound[sentinel.OutputTokens] != 0 && e.Body == BodyJSON && e.Meters
}

// WithLength gives the body of the same request for an answer of at most so many tokens; nothing else changes.
func (p Preset) WithLength(e Endpoint, r RawRequest, rq Request, tokens int64) ([]byte, error) {
	body := rq.sent(r)
	o, err := readObject(body, nil)
	if err != nil {
		return nil, err
	}
	var keys []string
	if c, ok := p.speaker().(cutter); ok {
		keys = c.lengthKeys(e, o, r.known(rq.Model))
	}
	if len(keys) == 0 {
		return nil, badRequest("", "the length of its answer cannot be changed")
	}
	text := strconv.FormatInt(tokens, 10)
	var edits []edit
	for _, key := range keys {
		e, err := o.setting(key, text)
		if err != nil {
			return nil, err
		}
		edits = append(edits, e)
	}
	slices.SortFunc(edits, func(a, b edit) int { return a.at.start - b.at.start })
	return splice(body, edits...), nil
}

// setting puts a value in the place of a member, or adds the member.
func (o object) setting(key, value string) (edit, error) {
	name, inner, nested := strings.Cut(key, ".")
	m, there := o.members[name]
	if nested {
		in, ok, err := o.object(name, nil)
		if err != nil {
			return edit{}, err
		}
		if ok {
			e, err := in.setting(inner, value)
			e.at.start, e.at.end = e.at.start+m.at.start, e.at.end+m.at.start
			return e, err
		}
		value = `{"` + inner + `":` + value + `}`
	}
	switch member := `"` + name + `":` + value; {
	case there:
		return edit{m.at, value}, nil
	case len(o.members) == 0:
		return edit{span{o.first, o.first}, member}, nil
	default:
		return edit{span{o.first, o.first}, member + ","}, nil
	}
}

// lengthKeys are those that the request has, or else the one that every model of the API knows. Images and speech are as long as what they show.
func (d openAIDialect) lengthKeys(e Endpoint, o object, _ string) []string {
	switch {
	case e.Name == "responses":
		return []string{"max_output_tokens"}
	case strings.HasPrefix(e.Name, "images."), strings.HasPrefix(e.Name, "audio."):
		return nil
	}
	var keys []string
	for _, key := range []string{"max_completion_tokens", "max_tokens"} {
		if o.has(key) {
			keys = append(keys, key)
		}
	}
	switch {
	case len(keys) > 0:
		return keys
	case e.Name == "chat.completions" && d.ownTools:
		return []string{"max_completion_tokens"}
	default:
		return []string{"max_tokens"}
	}
}

// lengthKeys are OpenAI's, but of chats that name no length. Microsoft's older versions know max_tokens alone, which models that reason refuse: a model
// that nobody knows is not cut.
func (d azureDialect) lengthKeys(e Endpoint, o object, model string) []string {
	e = d.openAIs(e)
	if e.Name != "chat.completions" || o.has("max_tokens") || o.has("max_completion_tokens") {
		return d.openAIDialect.lengthKeys(e, o, model)
	}
	switch openAIKind(withoutZone(model)) {
	case reasoning:
		return []string{"max_completion_tokens"}
	case sampling:
		return []string{"max_tokens"}
	case ofUnknownKind:
	}
	return nil
}

func (anthropicDialect) lengthKeys(e Endpoint, o object, _ string) []string {
	if e.Name != "messages" {
		return nil
	}
	return claudeLength(o)
}

// claudeLength is max_tokens, but where a part of it is set apart for thinking: that part could be larger than a shorter answer, which is refused.
func claudeLength(o object) []string {
	if o.has("thinking") {
		return nil
	}
	return []string{"max_tokens"}
}

// lengthKeys is maxOutputTokens, in the spelling of the request. Thoughts count towards it: where they have a budget of their own, or where images are
// drawn, a shorter answer could be none.
func (geminiDialect) lengthKeys(e Endpoint, o object, _ string) []string {
	if kind := strings.TrimPrefix(e.Name, stable); kind != "generateContent" && kind != "streamGenerateContent" {
		return nil
	}
	outer, err := o.either("generationConfig", "generation_config")
	if err != nil {
		return nil
	}
	config, _, err := o.object(outer, nil)
	if err != nil || config.has("responseModalities") || config.has("response_modalities") {
		return nil
	}
	for _, name := range []string{"thinkingConfig", "thinking_config"} {
		thinking, _, err := config.object(name, nil)
		if err != nil || thinking.above("thinkingBudget", 0) || thinking.above("thinking_budget", 0) {
			return nil
		}
	}
	inner, err := config.either("maxOutputTokens", "max_output_tokens")
	if err != nil {
		return nil
	}
	return []string{outer + "." + inner}
}

// above tells whether a member is a whole number above another.
func (o object) above(key string, n int64) bool {
	is, err := strconv.ParseInt(string(o.members[key].value), 10, 64)
	return err == nil && is > n
}

func (d vertexDialect) lengthKeys(e Endpoint, o object, model string) []string {
	if isRawPredict(e) {
		return claudeLength(o)
	}
	return d.geminiDialect.lengthKeys(e, o, model)
}

// lengthKeys are Converse's, where nothing beside it can say otherwise, Anthropic's, or those that the request has: other models' formats have names of
// their own.
func (bedrockDialect) lengthKeys(e Endpoint, o object, model string) []string {
	_, extra := o.members["additionalModelRequestFields"]
	switch {
	case strings.HasPrefix(e.Name, "converse"):
		if extra {
			return nil
		}
		return []string{"inferenceConfig.maxTokens"}
	case isClaude(model):
		return claudeLength(o)
	}
	var keys []string
	for _, key := range nativeLengths {
		name, inner, nested := strings.Cut(key, ".")
		in, there, err := o.object(name, nil)
		if nested && err == nil && there && in.has(inner) || !nested && o.has(name) {
			keys = append(keys, key)
		}
	}
	return keys
}

// lengthKeys is max_tokens, but where thinking has a budget of its own.
func (cohereDialect) lengthKeys(e Endpoint, o object, _ string) []string {
	thinking, _, err := o.object("thinking", nil)
	if e.Name != "chat" || err != nil || thinking.has("token_budget") {
		return nil
	}
	return []string{"max_tokens"}
}
