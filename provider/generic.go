package provider

import "encoding/json"

// Generic is the preset of a custom API: headers only, a flat price a request.
func Generic(endpoints []Endpoint) Preset {
	return Preset{Name: "generic", Credential: "bearer", Endpoints: endpoints, dialect: generic{}}
}

type generic struct{}

func (generic) readRequest(Endpoint, RawRequest) (Request, error) { return flatRequest(), nil }

func (generic) withModel(Endpoint, RawRequest, Request, string) ([]byte, string, error) {
	return nil, "", badRequest("", "this API has no models")
}

// newMeter charges what the provider accepted.
func (generic) newMeter(s MeterSpec) Meter {
	if s.Status == 0 || s.Status >= 400 {
		return nothingUsed{}
	}
	return oneRequest{}
}

func (generic) errorBody(r Refusal) Shape {
	return jsonShape(map[string]any{"error": map[string]any{"code": r.Code, "message": r.Message}})
}

func jsonShape(v any) Shape {
	body, err := json.Marshal(v)
	if err != nil { // maps of strings cannot fail
		body = []byte("{}")
	}
	return Shape{ContentType: "application/json", Body: body}
}
