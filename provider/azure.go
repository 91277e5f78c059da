package provider

import (
	"net/url"
	"strings"
)

// azureOpenAI is OpenAI's API as Microsoft serves it: by deployments, whose names an operator chooses. The policy
// names the resource's host, and says under models which model a deployment has.
var azureOpenAI = Preset{ //nolint:gosec // the name of a header
	Name: "azure-openai", Credential: "header:api-key", PricedAs: "openai", dialect: azureDialect{},
	Endpoints: []Endpoint{
		{Name: "chat.completions", Method: "POST", Path: "/openai/deployments/{deployment}/chat/completions", Body: BodyJSON, Meters: true},
		{Name: "completions", Method: "POST", Path: "/openai/deployments/{deployment}/completions", Body: BodyJSON, Meters: true},
		{Name: "embeddings", Method: "POST", Path: "/openai/deployments/{deployment}/embeddings", Body: BodyJSON, Meters: true},
		{Name: "images.generations", Method: "POST", Path: "/openai/deployments/{deployment}/images/generations", Body: BodyJSON, Meters: true},
		{Name: "images.edits", Method: "POST", Path: "/openai/deployments/{deployment}/images/edits", Body: BodyParts, Meters: true},
		{Name: "audio.speech", Method: "POST", Path: "/openai/deployments/{deployment}/audio/speech", Body: BodyJSON, Meters: true},
		{Name: "audio.transcriptions", Method: "POST", Path: "/openai/deployments/{deployment}/audio/transcriptions", Body: BodyParts, Meters: true},
		{Name: "audio.translations", Method: "POST", Path: "/openai/deployments/{deployment}/audio/translations", Body: BodyParts, Meters: true},
		{Name: "v1.chat.completions", Method: "POST", Path: "/openai/v1/chat/completions", Body: BodyJSON, Meters: true},
		{Name: "v1.responses", Method: "POST", Path: "/openai/v1/responses", Body: BodyJSON, Meters: true},
		{Name: "v1.embeddings", Method: "POST", Path: "/openai/v1/embeddings", Body: BodyJSON, Meters: true},
		{Name: "v1.images.generations", Method: "POST", Path: "/openai/v1/images/generations", Body: BodyJSON, Meters: true},
		{Name: "v1.images.edits", Method: "POST", Path: "/openai/v1/images/edits", Body: BodyParts, Meters: true},
	},
}

// azureDialect is OpenAI's, with the model in the path of the older API.
type azureDialect struct{ openAIDialect }

// azureV1 begins the names of the endpoints that are OpenAI's: the model stands in the body, and no version of the API is wanted
// (https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle).
const azureV1 = "v1."

// openAIs is an endpoint under OpenAI's name.
func (azureDialect) openAIs(e Endpoint) Endpoint {
	e.Name = strings.TrimPrefix(e.Name, azureV1)
	return e
}

// withoutZone is a model of the catalog without the data zone that it is in, as in eu/gpt-5.
func withoutZone(model string) string { return model[strings.LastIndexByte(model, '/')+1:] }

func (d azureDialect) readRequest(e Endpoint, r RawRequest) (Request, error) {
	model := ""
	if !strings.HasPrefix(e.Name, azureV1) {
		var err error
		if model, err = pathModel(r.Path, "deployments"); err != nil {
			return Request{}, err
		}
	}
	e = d.openAIs(e)
	known := r.known
	r.Known = func(model string) string { return withoutZone(known(model)) }
	if e.Body == BodyParts {
		return d.readForm(e, r, model)
	}
	o, err := readObject(r.Body, openAIKeys)
	if err != nil {
		return Request{}, err
	}
	return d.read(e.Name, o, model, r)
}

func (d azureDialect) newMeter(s MeterSpec) Meter {
	s.Endpoint, s.Model = d.openAIs(s.Endpoint), withoutZone(s.Model)
	return d.openAIDialect.newMeter(s)
}

func (d azureDialect) withModel(e Endpoint, r RawRequest, rq Request, model string) ([]byte, string, error) {
	if strings.HasPrefix(e.Name, azureV1) {
		return d.openAIDialect.withModel(e, r, rq, model)
	}
	path, err := withPathModel(r.Path, "deployments", model)
	return rq.Body, path, err
}

// pathModel reads the model that stands behind a segment of a path.
func pathModel(path, behind string) (string, error) {
	segments := strings.Split(path, "/")
	for i, s := range segments[:len(segments)-1] {
		if s != behind {
			continue
		}
		model, err := url.PathUnescape(segments[i+1])
		if err != nil || !isModelName(model) {
			return "", badRequest("path", "name a model, in printable ASCII of at most %d bytes", maxModel)
		}
		return model, nil
	}
	return "", badRequest("path", "it must name a model")
}

// withPathModel puts another model into a path. AWS's SDKs encode the colon of a model's version, and so do we.
func withPathModel(path, behind, model string) (string, error) {
	segments := strings.Split(path, "/")
	for i, s := range segments[:len(segments)-1] {
		if s == behind {
			_, suffix, has := strings.Cut(segments[i+1], ":")
			segments[i+1] = strings.ReplaceAll(url.PathEscape(model), ":", "%3A")
			if has && behind == "models" { // Google's methods stand behind a colon
				segments[i+1] += ":" + suffix
			}
			return strings.Join(segments, "/"), nil
		}
	}
	return "", badRequest("path", "it must name a model")
}
