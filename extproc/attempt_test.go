package extproc_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/extproc"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// tried sends the headers of an attempt at a provider, as Envoy's upstream filter does.
func (r *rig) tried(host, ticket string, headers ...[2]string) (*extprocv3.ProcessingResponse, error) {
	r.Helper()
	st, err := r.client.Process(metadata.AppendToOutgoingContext(r.Context(), extproc.StageKey, extproc.StageAttempt))
	must(r, err)
	first := ask{headers: headers}.first("POST", "/v1/chat/completions")
	first.Attributes["envoy.filters.http.ext_proc"] = &structpb.Struct{Fields: map[string]*structpb.Value{
		extproc.TicketAttribute: structpb.NewStringValue(ticket), extproc.HostAttribute: structpb.NewStringValue(placed(host)),
	}}
	must(r, st.Send(first))
	return st.Recv()
}

// A failed attempt's answer goes to nobody, so what Google says in its body alone is read before it is made good; a provider that says it in a header is not waited for.
func TestAFailedAttemptsAnswerIsReadForWhenToComeBack(t *testing.T) {
	const info = `{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"27.5s"}]}}`
	for name, tt := range map[string]struct {
		provider, endpoint, model string
		body                      string
		headers                   [][2]string
		reads                     bool
		ends                      bool
	}{
		"Google":                {"gemini", "generateContent", "gemini-2.5-flash", info, nil, true, false},
		"Google without a body": {"gemini", "generateContent", "gemini-2.5-flash", "", nil, false, true},
		"OpenAI":                {"openai", "chat.completions", "gpt-5", "", [][2]string{{"retry-after", "27"}}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			places := pauses{}
			r.server.Governor.Pauses = places
			now := r.server.Governor.Now()
			to := governor.Ticket{Call: sentinel.Call{ID: sentinel.NewCallID(now), At: now, Provider: tt.provider, Endpoint: tt.endpoint, Model: tt.model},
				PolicyVersion: r.server.Governor.State().Policy.Version, Next: "anthropic/claude-haiku-4-5", On: policy.FailureLimited}
			st, err := r.client.Process(metadata.AppendToOutgoingContext(r.Context(), extproc.StageKey, extproc.StageAttempt))
			must(t, err)
			first := ask{}.first("POST", "/v1/any")
			first.Attributes["envoy.filters.http.ext_proc"] = &structpb.Struct{Fields: map[string]*structpb.Value{
				extproc.TicketAttribute: structpb.NewStringValue(to.Encode()), extproc.HostAttribute: structpb.NewStringValue(placed(tt.provider)),
			}}
			must(t, st.Send(first))
			_, err = st.Recv()
			must(t, err)
			head := headerMap(append(tt.headers, [2]string{":status", "429"})...)
			head.EndOfStream = tt.ends
			must(t, st.Send(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: head}}))
			got, err := st.Recv()
			must(t, err)
			common := got.GetResponseHeaders().GetResponse()
			if reads := got.GetModeOverride().GetResponseBodyMode() == filterv3.ProcessingMode_BUFFERED_PARTIAL; reads != tt.reads {
				t.Fatalf("its body is asked for: %v, want %v", reads, tt.reads)
			}
			if tt.reads {
				must(t, st.Send(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseBody{ResponseBody: &extprocv3.HttpBody{Body: []byte(tt.body), EndOfStream: true}}}))
				got, err = st.Recv()
				must(t, err)
				common = got.GetResponseBody().GetResponse()
			}
			if set := setOf(common.GetHeaderMutation()); len(set[extproc.RetryHeader]) != 1 || got.GetDynamicMetadata() == nil {
				t.Errorf("the router is told %v, %v", set, got.GetDynamicMetadata())
			}
			if left := places.left(time.Now()); (tt.reads || len(tt.headers) > 0) && (left < 20*time.Second || left > 27500*time.Millisecond) {
				t.Errorf("the provider is left alone for %s, want what it has asked for", left)
			}
			if len(r.entries) != 1 || r.entries[0].Status != 429 || r.entries[0].Cost != 0 {
				t.Errorf("booked %+v", r.entries)
			}
		})
	}
}

// A credential goes to the provider that it belongs to, as Envoy names the host that it has chosen, and to none else.
func TestAnAttemptAtAnotherProviderGetsNoCredential(t *testing.T) {
	r := newRig(t)
	now := r.server.Governor.Now()
	to := governor.Ticket{Call: sentinel.Call{ID: sentinel.NewCallID(now), At: now, Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5"},
		PolicyVersion: r.server.Governor.State().Policy.Version, Next: "anthropic/claude-haiku-4-5"}
	tried, failed := to, to
	tried.Attempt, failed.Failed = 1, 429
	for name, tt := range map[string]struct{ host, ticket string }{
		"no ticket":                      {"openai", ""},
		"a ticket of nobody":             {"openai", "4\x1fopenai"},
		"no host":                        {"", to.Encode()},
		"another provider":               {"stripe", to.Encode()},
		"a provider with a like name":    {"anthropi", to.Encode()},
		"the first one again":            {"openai", failed.Encode()},
		"a third attempt":                {"anthropic", tried.Encode()},
		"another place of the provider":  {"openai@0badc0de", to.Encode()},
		"the provider at no place":       {"openai@", to.Encode()},
		"the first one after the second": {"openai", tried.Encode()},
	} {
		if got, err := r.tried(tt.host, tt.ticket); status.Code(err) != codes.PermissionDenied {
			t.Errorf("%s: answered %v, %v; want a refusal that lets nothing go", name, got, err)
		}
	}
	got, err := r.tried("openai", to.Encode(), [2]string{"x-api-key", "left by another attempt"}, [2]string{"cookie", "a=b"})
	must(t, err)
	m := got.GetRequestHeaders().GetResponse().GetHeaderMutation()
	if set := setOf(m); len(set["authorization"]) != 1 || set["authorization"][0] != "Bearer "+secret || len(m.RemoveHeaders) != 2 {
		t.Errorf("the attempt sets %v and removes %v", set, m.RemoveHeaders)
	}
}
