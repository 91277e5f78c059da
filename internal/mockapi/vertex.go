package mockapi

import (
	"net/http"
	"net/url"
	"strings"
)

// vertex serves Claude on Google Cloud, in Anthropic's own words but for the model, which stands in the path
// (https://docs.claude.com/en/api/claude-on-vertex-ai): POST /v1/projects/{project}/locations/{location}/publishers/anthropic/models/{model}:{method}.
// The account names calls of the global endpoint "global.rawPredict", because those of a location cost more.
func vertex(x *exchange) {
	_, rest, _ := strings.Cut(x.path, "/v1/projects/")
	_, rest, _ = strings.Cut(rest, "/locations/")
	location, rest, _ := strings.Cut(rest, "/publishers/anthropic/models/")
	escaped, method, _ := strings.Cut(rest, ":")
	model, err := url.PathUnescape(escaped)
	if err != nil || model == "" || location == "" || x.r.Method != http.MethodPost || method != "rawPredict" && method != "streamRawPredict" {
		x.endpoint = "unknown"
		x.refuse(http.StatusNotFound, "NOT_FOUND", "no such method: "+x.r.Method+" "+x.path)
		return
	}
	endpoint := method
	if location == "global" {
		endpoint = "global." + method
	}
	var q struct {
		anthropicRequest
		Version string `json:"anthropic_version"`
	}
	if !x.decode(endpoint, &q) {
		return
	}
	if q.Version == "" || q.Model != "" || q.Stream != (method == "streamRawPredict") {
		x.endpoint, x.model = endpoint, model
		x.refuse(http.StatusBadRequest, "invalid_request_error", "anthropic_version is required, the path names the model, and only streamRawPredict streams")
		return
	}
	q.Model = model
	x.messages(endpoint, q.anthropicRequest)
}
