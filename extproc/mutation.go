package extproc

import (
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/structpb"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// This file turns verdicts into protobuf: no other file of the room builds an answer to Envoy.

// statusOf chooses the HTTP status of a refusal, here and nowhere else.
func statusOf(v sentinel.Verdict) int {
	switch v.Reason {
	case sentinel.ReasonUnidentified:
		return http.StatusUnauthorized
	case sentinel.ReasonUnknownEndpoint, sentinel.ReasonHostMismatch, sentinel.ReasonUnpriced, sentinel.ReasonPolicy:
		return http.StatusForbidden
	case sentinel.ReasonBadRequest:
		return http.StatusBadRequest
	case sentinel.ReasonTooLarge:
		return http.StatusRequestEntityTooLarge
	case sentinel.ReasonCredential, sentinel.ReasonLimiterUnavailable, sentinel.ReasonLedgerUnavailable, sentinel.ReasonProviderFailed, sentinel.ReasonOtherPlace:
		return http.StatusServiceUnavailable
	default:
		return http.StatusTooManyRequests
	}
}

// bufferBody asks Envoy for the whole request body before the verdict.
func bufferBody() *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_RequestHeaders{RequestHeaders: &extprocv3.HeadersResponse{Response: &extprocv3.CommonResponse{}}},
		ModeOverride: &filterv3.ProcessingMode{
			RequestHeaderMode: filterv3.ProcessingMode_SEND, ResponseHeaderMode: filterv3.ProcessingMode_SKIP,
			RequestBodyMode: filterv3.ProcessingMode_BUFFERED,
		},
	}
}

// forward lets an admitted call go: the client's credentials out, the provider's in, the body as judged. A call with a way to another provider
// gets its credential from the stage of its attempt.
func forward(in *inbound, a governor.Admission, credential []Header, withheld []string, onHeaders bool) *extprocv3.ProcessingResponse {
	common := onward(in, a, credential, withheld)
	set := func(name, value string) {
		common.HeaderMutation.SetHeaders = append(common.HeaderMutation.SetHeaders, overwrite(name, value))
	}
	led := func(host, path string) { // Envoy chooses the route again
		set(":path", path)
		set(":authority", host)
		common.ClearRouteCache = true
	}
	query, injected := in.query, false
	if n := slices.IndexFunc(credential, func(h Header) bool { return h.Name == QueryHeader }); n >= 0 {
		query, injected = withParameter(query, credential[n].Value), true
	}
	switch {
	case a.To != nil:
		led(hostAt(*a.To), a.Path)
	case a.Chain != "":
		led(FallbackHost, "/"+a.Chain+withQuery(a.Path, in.query))
		if in.headers.get(idempotencyKey) != "" && !a.Ticket.Again() {
			set(retryOn, "reset")
		}
	case a.Path != in.upstream || injected:
		set(":path", in.rewritten(a.Path, query))
	}
	r := departing(common, a.Ticket, onHeaders)
	if in.request.Route.Endpoint.Events && in.id.aws != nil {
		r.DynamicMetadata.Fields[Namespace].GetStructValue().Fields[headKey] = structpb.NewStringValue(in.id.authorization)
	}
	return r
}

// onward is what changes of a request that goes to a provider, but for its address.
func onward(in *inbound, a governor.Admission, credential []Header, withheld []string) *extprocv3.CommonResponse {
	set := make([]*corev3.HeaderValueOption, 0, len(credential)+1)
	keep := map[string]bool{}
	for _, h := range credential {
		if h.Name == QueryHeader {
			continue // forward writes it
		}
		set = append(set, overwrite(h.Name, h.Value))
		keep[h.Name] = true
	}
	common := &extprocv3.CommonResponse{}
	if a.Body != nil {
		common.BodyMutation = &extprocv3.BodyMutation{Mutation: &extprocv3.BodyMutation_Body{Body: a.Body}}
		// Envoy answers 500 when a body changes its length under an old content-length.
		set = append(set, overwrite("content-length", strconv.Itoa(len(a.Body))))
	}
	for _, h := range a.Set {
		set = append(set, overwrite(h[0], h[1]))
		keep[h[0]] = true
	}
	var remove []string
	for _, name := range withheld {
		if !keep[name] && in.headers.count(name) > 0 {
			remove = append(remove, name)
		}
	}
	common.HeaderMutation = &extprocv3.HeaderMutation{SetHeaders: set, RemoveHeaders: append(remove, a.Remove...)}
	return common
}

// departing is the answer that lets a request go, with the ticket that later stages read.
func departing(common *extprocv3.CommonResponse, t governor.Ticket, onHeaders bool) *extprocv3.ProcessingResponse {
	r := &extprocv3.ProcessingResponse{DynamicMetadata: mark(t)}
	if onHeaders {
		r.Response = &extprocv3.ProcessingResponse_RequestHeaders{RequestHeaders: &extprocv3.HeadersResponse{Response: common}}
	} else {
		r.Response = &extprocv3.ProcessingResponse_RequestBody{RequestBody: &extprocv3.BodyResponse{Response: common}}
	}
	return r
}

// through lets a tunnel go to its host's port for HTTPS, which some clients leave out.
func through(t governor.Ticket, host string) *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{DynamicMetadata: mark(t), Response: &extprocv3.ProcessingResponse_RequestHeaders{
		RequestHeaders: &extprocv3.HeadersResponse{Response: &extprocv3.CommonResponse{HeaderMutation: &extprocv3.HeaderMutation{
			SetHeaders: []*corev3.HeaderValueOption{overwrite(":authority", net.JoinHostPort(host, "443"))},
		}}},
	}}
}

// rewritten gives a new upstream path the gateway's prefix back, because Envoy's route takes it off, and a query.
func (in *inbound) rewritten(path, query string) string {
	return withQuery(strings.TrimSuffix(in.path, in.upstream)+path, query)
}

// withParameter puts a parameter into a query, and takes away what any server might read under its name: some take ; for &, and some forget
// the case.
func withParameter(query, parameter string) string {
	name, _, _ := strings.Cut(parameter, "=")
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		named := false
		for piece := range strings.SplitSeq(part, ";") {
			given, _, _ := strings.Cut(piece, "=")
			plain, err := url.QueryUnescape(given)
			named = named || err != nil || strings.EqualFold(strings.TrimSpace(plain), name)
		}
		if !named && part != "" {
			kept = append(kept, part)
		}
	}
	return strings.Join(append(kept, parameter), "&")
}

func withQuery(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}

// mark is what lets a request pass Envoy's RBAC filter, and what the meter reads.
func mark(t governor.Ticket) *structpb.Struct {
	return &structpb.Struct{Fields: map[string]*structpb.Value{Namespace: structpb.NewStructValue(&structpb.Struct{
		Fields: map[string]*structpb.Value{
			markKey:   structpb.NewStringValue(t.Call.ID.String()),
			ticketKey: structpb.NewStringValue(t.Encode()),
		},
	})}}
}

func overwrite(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: name, RawValue: []byte(value)},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}

// Refusal is what a client is answered that is refused: in the provider's own error shape, so that its SDK raises its usual error.
type Refusal struct {
	Status  int
	Headers [][2]string // names in lower case
	Body    []byte
}

// RefusalOf makes the answer to a call of an endpoint of the preset; its zero value answers in the generic shape.
func RefusalOf(preset provider.Preset, id sentinel.CallID, v sentinel.Verdict) Refusal {
	out := Refusal{Status: statusOf(v)}
	shape := preset.ErrorBody(provider.Refusal{Status: out.Status, Code: string(v.Reason), Message: message(v), RetryAfter: v.RetryAfter})
	out.Headers = [][2]string{{"content-type", shape.ContentType}, {"x-sentinel-verdict", v.Action.String() + "; reason=" + string(v.Reason)}}
	if id != (sentinel.CallID{}) {
		out.Headers = append(out.Headers, [2]string{"x-sentinel-call", id.String()})
	}
	out.Headers, out.Body = append(append(out.Headers, limitHeaders(v)...), shape.Headers...), shape.Body
	return out
}

// refusal answers at once.
func refusal(in *inbound, v sentinel.Verdict) *extprocv3.ProcessingResponse {
	r := RefusalOf(in.request.Route.Preset, in.request.Call.ID, v)
	set := make([]*corev3.HeaderValueOption, len(r.Headers))
	for i, h := range r.Headers {
		set[i] = overwrite(h[0], h[1])
	}
	return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ImmediateResponse{
		ImmediateResponse: &extprocv3.ImmediateResponse{
			Status:  &typev3.HttpStatus{Code: typev3.StatusCode(r.Status)},
			Headers: &extprocv3.HeaderMutation{SetHeaders: set},
			Body:    r.Body,
			Details: "sentinel_" + string(v.Reason),
		},
	}}
}

// message is the sentence of a refusal for people.
func message(v sentinel.Verdict) string {
	if v.Detail == "" {
		return "SaaS-Sentinel refused this call: " + string(v.Reason)
	}
	return "SaaS-Sentinel refused this call: " + v.Detail
}

// limitHeaders says when to come back and what is left: Retry-After (RFC 9110), RateLimit and
// RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers). A spent budget tells SDKs not to retry.
func limitHeaders(v sentinel.Verdict) [][2]string {
	var out [][2]string
	if v.RetryAfter > 0 {
		out = append(out, [2]string{"retry-after", strconv.FormatInt(ceilSeconds(v.RetryAfter), 10)})
	} else if v.Reason == sentinel.ReasonLimiterUnavailable || v.Reason == sentinel.ReasonLedgerUnavailable {
		out = append(out, [2]string{"retry-after", "1"})
	}
	if v.Reason == sentinel.ReasonBudget || v.Reason == sentinel.ReasonQuota {
		out = append(out, [2]string{"x-should-retry", "false"})
	}
	var limits, policies []string
	for _, l := range v.Levels {
		if l.Limit.Measure == sentinel.MeasureCost {
			continue // what a team has left to spend is not its callers' business
		}
		name := strconv.Quote(strings.Map(printable, l.Limit.Name))
		limits = append(limits, fmt.Sprintf("%s;r=%d;t=%d", name, max(0, l.Remaining), ceilSeconds(l.Reset)))
		window := l.Limit.Period
		if l.Limit.Kind == sentinel.Window {
			window = l.Limit.End.Sub(l.Limit.Start)
		}
		policies = append(policies, fmt.Sprintf("%s;q=%d;w=%d", name, l.Limit.Max, ceilSeconds(window)))
	}
	if len(limits) > 0 {
		out = append(out, [2]string{"ratelimit", strings.Join(limits, ", ")}, [2]string{"ratelimit-policy", strings.Join(policies, ", ")})
	}
	return out
}

func ceilSeconds(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }

// printable keeps a name within a structured field's string (RFC 9651).
func printable(r rune) rune {
	if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
		return '_'
	}
	return r
}
