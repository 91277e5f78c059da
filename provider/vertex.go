package provider

import (
	"slices"
	"strings"
)

// vertex is Google Cloud's door to Google's models, and to Claude in Anthropic's own words. The policy names the host of the location, such as
// us-central1-aiplatform.googleapis.com or aiplatform.googleapis.com.
var vertex = Preset{
	Name: "vertex", Credential: "bearer", dialect: vertexDialect{},
	Endpoints: slices.Concat(geminiEndpoints("", publishers+"google/models"), []Endpoint{
		{Name: "rawPredict", Method: "POST", Path: publishers + "anthropic/models/{model}:rawPredict", Body: BodyJSON, Meters: true},
		{Name: "streamRawPredict", Method: "POST", Path: publishers + "anthropic/models/{model}:streamRawPredict", Body: BodyJSON, Meters: true},
	}),
}

const publishers = "/v1/projects/{project}/locations/{location}/publishers/"

// vertexDialect reads Google's models as the developers' API does, and Claude as Anthropic's does, but for the model, which stands in the path
// (https://docs.claude.com/en/api/claude-on-vertex-ai).
type vertexDialect struct{ geminiDialect }

func isRawPredict(e Endpoint) bool { return e.Name == "rawPredict" || e.Name == "streamRawPredict" }

func (d vertexDialect) readRequest(e Endpoint, r RawRequest) (Request, error) {
	if !isRawPredict(e) {
		return d.geminiDialect.readRequest(e, r)
	}
	if err := googleQuery(r.Query); err != nil {
		return Request{}, err
	}
	model, err := googleModel(r.Path)
	if err != nil {
		return Request{}, err
	}
	o, err := readObject(r.Body, anthropicKeys)
	if err != nil {
		return Request{}, err
	}
	if o.has("model") || o.has("speed") {
		return Request{}, badRequest("model", "on Vertex the path says which model answers, and there is no fast one")
	}
	if r.Header != nil && r.Header(vertexTier) != "" {
		return Request{}, badRequest(vertexTier, "this has a price list of its own and is not priced yet")
	}
	rq, err := anthropicDialect{}.readParameters(o, model, len(r.Body))
	rq.Tier = placeOf(r.Path)
	return rq, err
}

// placeOf is the price list of an endpoint: since Claude Sonnet 4.5 one of a region, or of several, costs more than the global one.
func placeOf(path string) string {
	_, rest, _ := strings.Cut(path, "/locations/")
	if location, _, _ := strings.Cut(rest, "/"); location == "global" {
		return ""
	}
	return "regional"
}

func (d vertexDialect) newMeter(s MeterSpec) Meter {
	switch {
	case !isRawPredict(s.Endpoint):
		return d.geminiDialect.newMeter(s)
	case s.Status >= 300:
		return nothingUsed{}
	case isEventStream(s.ContentType):
		return newEventStream(s, &vertexStream{})
	default:
		return newJSONMeter(s, func(found *scanner) (Metered, bool) { return ofVertex(anthropicUsage(found)) }, []string{"usage"})
	}
}

// vertexStream is Anthropic's.
type vertexStream struct{ anthropicStream }

func (r *vertexStream) result() (Metered, bool) { return ofVertex(r.anthropicStream.result()) }

// ofVertex leaves out which model and price list the answer names: Anthropic's names are not Google's, and its lists know no places.
func ofVertex(got Metered, ok bool) (Metered, bool) {
	got.Model, got.Tier = "", ""
	return got, ok
}
