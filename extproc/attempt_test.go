package extproc_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/extproc"
	"github.com/saas-sentinel/saas-sentinel/governor"
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
