package extproc_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/saas-sentinel/saas-sentinel/extproc"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// framed is a chain whose events end with a bar, and whose signature is capitals.
type framed struct{ rest string }

var errForged = errors.New("aws event: forged")

func (f *framed) Sign(chunk []byte, _ bool, _ time.Time) ([]byte, error) {
	all := f.rest + string(chunk)
	n := strings.LastIndex(all, "|") + 1
	f.rest = all[n:]
	if strings.Contains(all[:n], "forged") {
		return nil, errForged
	}
	return []byte(strings.ToUpper(all[:n])), nil
}

const signedHead = "AWS4-HMAC-SHA256 Credential=SENTINELAPP00001/20261123/us-east-1/transcribe/aws4_request, SignedHeaders=host, Signature=00"

// transcribed judges the head of a request of events, and gives its ticket and what its events continue.
func (r *rig) transcribed(headers ...[2]string) (head *extprocv3.ProcessingResponse, ticket, continues string) {
	r.Helper()
	head, asked := r.judged(ask{route: "transcribe/stream", headers: headers, body: "read by nobody"}, "POST", "/transcribe/stream-transcription")
	if asked != nil {
		r.Fatalf("the guard wants the body in mode %v: it would wait for its end", asked)
	}
	mark := head.GetDynamicMetadata().GetFields()[extproc.Namespace].GetStructValue().GetFields()
	return head, mark["t"].GetStringValue(), mark["h"].GetStringValue()
}

// running opens the stage of a request's events.
func (r *rig) running(ticket, continues string) (extprocv3.ExternalProcessor_ProcessClient, *extprocv3.ProcessingResponse, error) {
	r.Helper()
	st, err := r.client.Process(metadata.AppendToOutgoingContext(r.Context(), extproc.StageKey, extproc.StageEvents))
	must(r, err)
	first := ask{headers: [][2]string{{"authorization", "AWS4-HMAC-SHA256 " + secret}}, body: "events"}.first("POST", "/stream-transcription")
	first.Attributes["envoy.filters.http.ext_proc"] = &structpb.Struct{Fields: map[string]*structpb.Value{
		extproc.TicketAttribute: structpb.NewStringValue(ticket), extproc.HeadAttribute: structpb.NewStringValue(continues),
	}}
	must(r, st.Send(first))
	v, err := st.Recv()
	return st, v, err
}

func chunk(text string, last bool) *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestBody{RequestBody: &extprocv3.HttpBody{Body: []byte(text), EndOfStream: last}}}
}

// Events go on as they come, each as soon as it is whole, signed by what continues the two heads.
func TestEventsGoOnSignedAnew(t *testing.T) {
	r := newRig(t)
	var heads []string
	r.events = func(route governor.Route, id *policy.AWSIdentity, received, sent string) (extproc.Events, error) {
		heads = append(heads, route.Provider.Name, id.Caller.Service, received, sent)
		return &framed{}, nil
	}
	head, ticket, continues := r.transcribed([2]string{"authorization", signedHead})
	if set := setOf(head.GetRequestHeaders().GetResponse().GetHeaderMutation()); len(set["authorization"]) != 1 || set["authorization"][0] != "AWS4-HMAC-SHA256 "+secret {
		t.Errorf("the head goes on with %v", set)
	}
	st, v, err := r.running(ticket, continues)
	must(t, err)
	if v.GetRequestHeaders() == nil {
		t.Fatalf("the head is answered %v", v)
	}
	if want := []string{"transcribe", "app", signedHead, "AWS4-HMAC-SHA256 " + secret}; !slices.Equal(heads, want) {
		t.Errorf("the chain begins with %q, want %q", heads, want)
	}
	var got []string
	for i, c := range []string{"one|tw", "o", "|three|", ""} {
		must(t, st.Send(chunk(c, i == 3)))
		v, err := st.Recv()
		must(t, err)
		m := v.GetRequestBody().GetResponse().GetBodyMutation()
		if len(m.GetBody()) == 0 && !m.GetClearBody() {
			t.Errorf("%q goes on as it came: %v", c, v)
		}
		got = append(got, string(m.GetBody()))
	}
	if want := []string{"ONE|", "", "TWO|THREE|", ""}; !slices.Equal(got, want) {
		t.Errorf("%q goes on, want %q", got, want)
	}
}

// A service that is known otherwise signs its events with whatever its SDK has: they are not looked at.
func TestEventsOfAServiceWithATokenContinueNothing(t *testing.T) {
	r := newRig(t)
	asked := false
	r.events = func(_ governor.Route, id *policy.AWSIdentity, received, _ string) (extproc.Events, error) {
		asked = id == nil && received == ""
		return &framed{}, nil
	}
	_, ticket, continues := r.transcribed([2]string{"x-api-key", token})
	if _, _, err := r.running(ticket, continues); err != nil || !asked {
		t.Errorf("the chain began with a client's identity, or not at all: %v", err)
	}
}

// A forged event ends the request, and nothing of it goes on. What passed before may have been served: the call is booked at what it can cost.
func TestAForgedEventEndsTheRequestAndIsNotFree(t *testing.T) {
	r := newRig(t)
	r.events = func(governor.Route, *policy.AWSIdentity, string, string) (extproc.Events, error) {
		return &framed{}, nil
	}
	_, ticket, continues := r.transcribed([2]string{"authorization", signedHead})
	st, _, err := r.running(ticket, continues)
	must(t, err)
	must(t, st.Send(chunk("one|", false)))
	_, err = st.Recv()
	must(t, err)
	must(t, st.Send(chunk("forged|", false)))
	v, err := st.Recv()
	must(t, err)
	refused := v.GetImmediateResponse()
	if refused.GetStatus().GetCode() != 400 || !strings.Contains(string(refused.GetBody()), errForged.Error()) {
		t.Fatalf("answered %v, want 400", v)
	}
	meter, err := r.client.Process(r.Context())
	must(t, err)
	answer := headerMap([2]string{":status", "400"})
	answer.EndOfStream = true
	must(t, meter.Send(&extprocv3.ProcessingRequest{
		Request: &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: answer},
		Attributes: map[string]*structpb.Struct{"envoy.filters.http.ext_proc": {Fields: map[string]*structpb.Value{
			extproc.TicketAttribute: structpb.NewStringValue(ticket), extproc.OriginAttribute: structpb.NewStringValue(refused.GetDetails()),
		}}},
	}))
	_, err = meter.Recv()
	must(t, err)
	<-r.booked
	if e := r.entries[0]; e.Cost != 100_000_000 || !e.Estimated() {
		t.Errorf("booked %d nUSD of a call that can cost 100,000,000, estimated %v", e.Cost, e.Estimated())
	}
}

// Without a key, or a ticket, or after the caller's key has gone, no event passes.
func TestEventsWithoutAChainDoNotPass(t *testing.T) {
	r := newRig(t)
	r.events = func(governor.Route, *policy.AWSIdentity, string, string) (extproc.Events, error) {
		return nil, errors.New("no key")
	}
	_, ticket, continues := r.transcribed([2]string{"authorization", signedHead})
	if _, _, err := r.running("", continues); status.Code(err) != codes.PermissionDenied {
		t.Errorf("without a ticket: %v", err)
	}
	_, v, err := r.running(ticket, continues)
	must(t, err)
	if code := v.GetImmediateResponse().GetStatus().GetCode(); code != 503 {
		t.Errorf("without a key: answered %v", v)
	}
	r.events = func(governor.Route, *policy.AWSIdentity, string, string) (extproc.Events, error) {
		t.Error("a chain begins for a key that is nobody's")
		return &framed{}, nil
	}
	if _, v, err = r.running(ticket, strings.Replace(continues, "SENTINELAPP00001", "SENTINELGONE0001", 1)); err != nil || v.GetImmediateResponse().GetStatus().GetCode() != 503 {
		t.Errorf("with a key that is gone: answered %v, %v", v, err)
	}
}
