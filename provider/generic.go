package provider

import (
	"encoding/json"
	"net/url"

	"github.com/saas-sentinel/saas-sentinel/declare"
)

// Generic is the preset of an API that is described in YAML.
func Generic(endpoints []*declare.Endpoint) Preset {
	p := Preset{Name: "generic", Credential: "bearer", dialect: generic{}}
	for _, d := range endpoints {
		e := Endpoint{Name: d.Name, Method: d.Method, Path: d.Path, Meters: d.ReadsAnswer(), Events: d.Body == declare.BodyEvents, Declared: d}
		switch d.Body { //nolint:exhaustive // unread is the zero
		case declare.BodyJSON:
			e.Body = BodyJSON
		case declare.BodyForm:
			e.Body = BodyForm
		case declare.BodyBytes:
			e.Body = BodyBytes
		}
		p.Endpoints = append(p.Endpoints, e)
	}
	return p
}

// generic meters by the rules of the endpoint's description.
type generic struct {
	errors string // whose form refusals take; empty is our own
}

// maxMember bounds a member of a request's body that rules read.
const maxMember = 256 << 10

func (generic) readRequest(e Endpoint, r RawRequest) (Request, error) {
	rq := flatRequest()
	if e.Declared == nil {
		return rq, nil
	}
	if e.Declared.Flat() {
		var err error
		rq.Tier, rq.Bound, err = e.Declared.Judge(declare.Request{})
		return rq, err
	}
	facts := declare.Request{Path: r.Path, BodyBytes: int64(len(r.Body)), Header: headersOf(r.Header, e.Declared.Headers)}
	query, err := formFields("query", r.Query)
	if err != nil {
		return rq, err
	}
	if facts.Query, err = single(query); err != nil {
		return rq, err
	}
	switch e.Body { //nolint:exhaustive // the others have no members
	case BodyJSON:
		facts.Body, err = jsonMembers(r.Body, e.Declared.BodyMembers)
	case BodyForm:
		facts.Body, err = formMembers(r, e.Declared.BodyMembers)
	}
	if err != nil {
		return rq, err
	}
	if rq.Tier, rq.Bound, err = e.Declared.Judge(facts); err != nil {
		return rq, badRequest("", "this call cannot be priced: %s", err)
	}
	return rq, nil
}

// headersOf gives the headers that are there.
func headersOf(get func(string) string, names []string) map[string]string {
	out := map[string]string{}
	for _, n := range names {
		if get == nil {
			break
		}
		if v := get(n); v != "" {
			out[n] = v
		}
	}
	return out
}

// single gives values by name, and refuses repeated ones: two readers might take different ones.
func single(values url.Values) (map[string]string, error) {
	out := make(map[string]string, len(values))
	for n, v := range values {
		if len(v) > 1 {
			return nil, badRequest(clip(n), "this field stands twice")
		}
		out[n] = v[0]
	}
	return out, nil
}

func jsonMembers(body []byte, names []string) (map[string]any, error) {
	o, err := readObject(body, names)
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(names))
	for _, n := range names {
		m, ok := o.members[n]
		if !ok {
			continue
		}
		if len(m.value) > maxMember {
			return nil, badRequest(clip(n), "a member of %d bytes: at most %d are read", len(m.value), maxMember)
		}
		if out[n], err = declare.Value(m.value); err != nil {
			return nil, badRequest(clip(n), "%s", err)
		}
	}
	return out, nil
}

func formMembers(r RawRequest, names []string) (map[string]any, error) {
	form, err := formFields("body", string(r.Body))
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(names))
	for _, n := range names {
		v := form[n]
		for _, text := range v {
			if len(text) > maxMember {
				return nil, badRequest(clip(n), "a field of %d bytes: at most %d are read", len(text), maxMember)
			}
		}
		switch len(v) {
		case 0:
		case 1:
			out[n] = v[0]
		default:
			out[n] = v // a list: rules that need one value have none, and the call is refused
		}
	}
	return out, nil
}

func (generic) withModel(Endpoint, RawRequest, Request, string) ([]byte, string, error) {
	return nil, "", badRequest("", "this API has no models")
}

func (generic) newMeter(s MeterSpec) Meter {
	d := s.Endpoint.Declared
	switch {
	case d == nil && (s.Status == 0 || s.Status >= 400):
		return nothingUsed{}
	case d == nil:
		return oneRequest{}
	}
	m := &declaredMeter{spec: s}
	if d.ReadsAnswer() {
		m.scan = newScanner(d.AnswerMembers...)
	}
	return m
}

// declaredMeter counts by the rules of a description.
type declaredMeter struct {
	spec  MeterSpec
	scan  *scanner // nil where the rules do not read the body
	bytes int64
}

// Write takes the next bytes.
func (m *declaredMeter) Write(chunk []byte) []byte {
	if m.scan != nil {
		m.scan.write(chunk)
	}
	m.bytes += int64(len(chunk))
	return chunk
}

// methodFormula marks what the API's description estimates where the answer does not say it.
const methodFormula = "formula"

// Finish counts. Where the rules cannot read the answer, the bound of the admission stands.
func (m *declaredMeter) Finish(complete bool) Metered {
	d, s := m.spec.Endpoint.Declared, m.spec
	a := declare.Answer{Status: s.Status, Header: headersOf(s.Header, d.AnswerHeaders), Body: map[string]any{}, Bytes: m.bytes, Cut: !complete}
	if m.scan != nil {
		for _, name := range d.AnswerMembers {
			raw := m.scan.get(name)
			if v, err := declare.Value(raw); raw != nil && err == nil {
				a.Body[name] = v
			}
		}
	}
	got, err := d.Count(a, s.Tier, s.Bound)
	switch {
	case err != nil:
		return Metered{Usage: s.atBound(), Method: methodBound}
	case !got.Charged:
		return Metered{Reported: true}
	case got.Clamped:
		return Metered{Usage: got.Usage, Reported: !got.Estimated, Method: methodClamped}
	case got.Estimated:
		return Metered{Usage: got.Usage, Method: methodFormula}
	}
	return Metered{Usage: got.Usage, Reported: true}
}

func jsonShape(v any) Shape {
	body, err := json.Marshal(v)
	if err != nil { // maps of strings cannot fail
		body = []byte("{}")
	}
	return Shape{ContentType: "application/json", Body: body}
}
