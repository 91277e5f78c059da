package provider

import (
	"bytes"
	"encoding/json"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// mistral speaks as OpenAI does, and reads documents by the page.
var mistral = withOCR(compatible("mistral", "api.mistral.ai", "/v1", openAIDialect{}))

func withOCR(p Preset) Preset {
	p.dialect = mistralDialect{openAIDialect{reportsAlways: true, host: mistralFit}}
	p.Endpoints = append(p.Endpoints, Endpoint{Name: "ocr", Method: "POST", Path: "/v1/ocr", Body: BodyJSON, Meters: true})
	return p
}

type mistralDialect struct{ openAIDialect }

// largestDocument is the most pages that Mistral reads at once (https://docs.mistral.ai/capabilities/document_ai/basic_ocr).
const largestDocument = 1000

// annotations are what makes a page dearer.
var annotations = []string{"bbox_annotation_format", "document_annotation_format"}

func (d mistralDialect) readRequest(e Endpoint, r RawRequest) (Request, error) {
	if e.Name != "ocr" {
		return d.openAIDialect.readRequest(e, r)
	}
	rq := flatRequest()
	o, err := readObject(r.Body, append([]string{"model", "pages"}, annotations...))
	if err != nil {
		return rq, err
	}
	if rq.Model, err = o.text("model"); err != nil {
		return rq, err
	}
	if !isModelName(rq.Model) {
		return rq, badRequest("model", "name a model, in printable ASCII of at most %d bytes", maxModel)
	}
	for _, key := range annotations {
		if o.has(key) {
			rq.Tier = "annotated"
		}
	}
	rq.modelAt = o.members["model"].at
	rq.Bound[sentinel.Pages] = largestDocument
	var listed []int64
	if pages := o.members["pages"].value; bytes.HasPrefix(pages, []byte("[")) && json.Unmarshal(pages, &listed) == nil {
		rq.Bound[sentinel.Pages] = min(largestDocument, int64(len(listed)))
	}
	return rq, nil
}

func (d mistralDialect) newMeter(s MeterSpec) Meter {
	if s.Endpoint.Name != "ocr" || s.Status >= 300 {
		return d.openAIDialect.newMeter(s)
	}
	return newJSONMeter(s, ocrUsage, []string{"usage_info", "model"})
}

// ocrUsage reads how many pages were read.
func ocrUsage(found *scanner) (Metered, bool) {
	var pages count
	in := newReport(found.get("usage_info"))
	for in.object(); in.member(); {
		if string(in.key) == "pages_processed" {
			in.number(&pages)
		} else {
			in.pass()
		}
	}
	if !in.done() || !pages.set {
		return Metered{}, false
	}
	var c clamp
	u := sentinel.Usage{sentinel.Requests: 1, sentinel.Pages: c.within(pages.n, maxReported)}
	return Metered{Usage: u, Model: unquote(found.get("model")), Method: c.method(), Reported: true}, true
}
