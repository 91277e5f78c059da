package provider

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A call that falls back to another provider is put in that provider's words, and its answer back into the client's.
// Hosts that speak alike need no more than another model's name; OpenAI's chat completions and Anthropic's messages are
// translated. What one of the two cannot say makes the other unusable for the call: nothing is left out silently.

// ErrUntranslatable says that two endpoints do not mean the same.
var ErrUntranslatable = errors.New("its requests cannot be put in the other provider's words")

// tongue is one of the forms that requests are translated between.
type tongue uint8

const (
	otherTongue    tongue = iota
	chatTongue            // OpenAI's chat completions
	messagesTongue        // Anthropic's messages
)

func tongueOf(p Preset, endpoint string) tongue {
	switch p.dialect.(type) {
	case openAIDialect, mistralDialect:
		if endpoint == "chat.completions" {
			return chatTongue
		}
	case azureDialect:
		if strings.TrimPrefix(endpoint, azureV1) == "chat.completions" {
			return chatTongue
		}
	case anthropicDialect:
		if endpoint == "messages" {
			return messagesTongue
		}
	}
	return otherTongue
}

// Speech is one side of a translation: an API and one of its endpoints.
type Speech struct {
	Preset   Preset
	Endpoint Endpoint
	Known    func(model string) string // the catalog's name of a model by the provider's own; nil: the same
}

func (s Speech) tongue() tongue { return tongueOf(s.Preset, s.Endpoint.Name) }

// Counterpart finds the endpoint of another API that means the same as this one. Azure's are those whose requests name the model in the body and no
// version of the API.
func (s Speech) Counterpart(p Preset) (Speech, bool) {
	switch s.tongue() {
	case chatTongue, messagesTongue:
		for _, e := range p.Endpoints {
			if tongueOf(p, e.Name) != otherTongue && !strings.Contains(e.Path, "{") {
				return Speech{Preset: p, Endpoint: e}, true
			}
		}
		return Speech{}, false
	case otherTongue:
	}
	if !s.Preset.speaksOpenAI() || !p.speaksOpenAI() || s.Endpoint.Body != BodyJSON {
		return Speech{}, false
	}
	name := s.meaning()
	if _, azure := p.dialect.(azureDialect); azure {
		name = azureV1 + name
	}
	e, ok := p.Endpoint(name)
	return Speech{Preset: p, Endpoint: e}, ok
}

// speaksOpenAI tells whether an API's requests are OpenAI's.
func (p Preset) speaksOpenAI() bool {
	switch p.dialect.(type) {
	case openAIDialect, azureDialect:
		return true
	}
	return false
}

// meaning is the endpoint's name, the same for all hosts that speak alike.
func (s Speech) meaning() string {
	if d, azure := s.Preset.dialect.(azureDialect); azure {
		return d.openAIs(s.Endpoint).Name
	}
	return s.Endpoint.Name
}

// Translated is a request in another provider's words, read as that provider will.
type Translated struct {
	Request Request
	Body    []byte
	Path    string
	Set     [][2]string // headers that the other API wants
	Remove  []string    // headers of the API that was asked
}

// Translate puts a request for one API, already read, into the words of another, for a model there. MaxOutput is the most
// tokens that the model gives, for an API that wants a bound where the client named none; 0 is unknown.
func Translate(from, to Speech, r RawRequest, rq Request, model string, maxOutput int64) (Translated, error) {
	if rq.Fixed || rq.Tier != "" {
		return Translated{}, fmt.Errorf("tier %s: %w", cmp.Or(rq.Tier, "of the request"), ErrUntranslatable)
	}
	if r.Query != "" && !from.onlyVersion(r.Query) {
		return Translated{}, fmt.Errorf("query: %w", ErrUntranslatable)
	}
	out := Translated{Path: to.Endpoint.Path}
	var err error
	switch a, b := from.tongue(), to.tongue(); {
	case a == chatTongue && b == messagesTongue:
		out.Body, err = chatToMessages(r.Body, model, maxOutput)
		out.Set = [][2]string{{"anthropic-version", "2023-06-01"}}
		out.Remove = []string{"openai-beta"}
	case a == messagesTongue && b == chatTongue:
		if r.Header != nil && r.Header("anthropic-beta") != "" {
			return out, fmt.Errorf("anthropic-beta: %w", ErrUntranslatable)
		}
		out.Body, err = messagesToChat(r.Body, model, to.Preset.Name == openAI.Name || to.Preset.Name == azureOpenAI.Name)
		out.Remove = []string{"anthropic-version"}
	case a == b && from.meaning() == to.meaning():
		out.Body, err = renamed(r.Body, model)
	default:
		err = ErrUntranslatable
	}
	if err != nil {
		return out, err
	}
	sent := r
	sent.Query, sent.Known = "", to.Known
	asked := ""
	if from.tongue() == to.tongue() {
		asked = r.known(rq.Model)
	}
	if out.Body, err = to.fitting(out.Body, rq, asked, sent.known(model), maxOutput); err != nil {
		return out, err
	}
	sent.Path, sent.Body = out.Path, out.Body
	if out.Request, err = to.Preset.ReadRequest(to.Endpoint, sent); err != nil {
		return out, err
	}
	out.Body = out.Request.sent(sent)
	out.Request.HideUsage = out.Request.HideUsage || rq.HideUsage
	return out, nil
}

// fitting is a body in the words of an API as one of its models takes it, which the client did not ask for. Asked is the model that it did, where
// that was asked in the same words.
func (s Speech) fitting(body []byte, rq Request, asked, model string, most int64) ([]byte, error) {
	if err := s.host().refuses(body, rq, model); err != nil {
		return nil, err
	}
	d, ok := s.Preset.dialect.(adapter)
	if !ok {
		return body, nil
	}
	f := d.fit(s.Endpoint, asked, model)
	f.most = most
	fitted, err := f.adapted(body)
	if fitted == nil {
		return body, err
	}
	return fitted, err
}

// host is how one that speaks as OpenAI does differs from it.
func (s Speech) host() *hostFit {
	switch d := s.Preset.dialect.(type) {
	case openAIDialect:
		return d.host
	case mistralDialect:
		return d.host
	}
	return nil
}

// onlyVersion tells whether a query says no more than which version of Azure's API is asked: others have one.
func (s Speech) onlyVersion(query string) bool {
	_, azure := s.Preset.dialect.(azureDialect)
	return azure && strings.HasPrefix(query, "api-version=") && !strings.Contains(query, "&")
}

// renamed is a body for another model, with nothing else changed. Where the path named the model, the body need not have.
func renamed(body []byte, model string) ([]byte, error) {
	o, err := readObject(body, []string{"model"})
	if err != nil {
		return nil, err
	}
	quoted, err := jsontext.AppendQuote(nil, model)
	switch at := o.members["model"].at; {
	case err != nil:
		return nil, badRequest("model", "it cannot be replaced by %q", clip(model))
	case at.end > 0:
		return splice(body, edit{at, string(quoted)}), nil
	default:
		return splice(body, edit{span{o.first, o.first}, `"model":` + string(quoted) + `,`}), nil
	}
}
