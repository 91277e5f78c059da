package provider

import (
	"slices"
	"strconv"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// cutter is a dialect whose requests say in the body how long an answer may be.
type cutter interface {
	// lengthKeys are the members that say so to a model, by the catalog's name, all of which a shorter answer needs; none where a request cannot be cut.
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
		if m, ok := o.members[key]; ok {
			edits = append(edits, edit{m.at, text})
		} else {
			edits = append(edits, edit{span{o.first, o.first}, `"` + key + `":` + text + `,`})
		}
	}
	slices.SortFunc(edits, func(a, b edit) int { return a.at.start - b.at.start })
	return splice(body, edits...), nil
}

// lengthKeys are those that the request has, or else the one that every model of the API knows.
func (d openAIDialect) lengthKeys(e Endpoint, o object, _ string) []string {
	if e.Name == "responses" {
		return []string{"max_output_tokens"}
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

// lengthKeys is max_tokens, but where a part of it is set apart for thinking: that part could be larger than a shorter answer.
func (anthropicDialect) lengthKeys(e Endpoint, o object, _ string) []string {
	if e.Name != "messages" || o.has("thinking") {
		return nil
	}
	return []string{"max_tokens"}
}
