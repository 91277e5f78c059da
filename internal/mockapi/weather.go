package mockapi

import (
	"hash/fnv"
	"net/http"
	"net/url"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// weather is an API that no preset knows: GET /v1/forecast/{city}, billed by the request.
func weather(x *exchange) {
	name, ok := strings.CutPrefix(x.path, "/v1/forecast/")
	city, err := url.PathUnescape(name)
	if !ok || err != nil || city == "" || strings.Contains(name, "/") || x.r.Method != http.MethodGet {
		x.endpoint = "unknown"
		x.refuse(http.StatusNotFound, "not_found", "no such endpoint: "+x.r.Method+" "+x.path)
		return
	}
	if _, ok := x.begin("forecast", ""); !ok {
		return
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(city)) // a hash never fails
	var u sentinel.Usage
	u[sentinel.Requests] = 1
	x.answer(http.StatusOK, map[string]any{"city": city, "temperature_c": int(h.Sum32()%40) - 5, "sky": "clear"}, u)
}
