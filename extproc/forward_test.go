package extproc_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/extproc"
)

// common gives what an admitted request is changed by, and the mark that lets it pass.
func common(t *testing.T, v *extprocv3.ProcessingResponse) (*extprocv3.CommonResponse, string) {
	t.Helper()
	mark := v.GetDynamicMetadata().GetFields()[extproc.Namespace].GetStructValue().GetFields()["id"].GetStringValue()
	if _, err := sentinel.ParseCallID(mark); err != nil {
		t.Fatalf("the call was not let through: %v", v)
	}
	if c := v.GetRequestBody().GetResponse(); c != nil {
		return c, mark
	}
	return v.GetRequestHeaders().GetResponse(), mark
}

func TestBodyIsAskedForWholeAndOnlyWhereItIsRead(t *testing.T) {
	r := newRig(t)
	v, asked := r.judged(ask{route: "openai/chat.completions", headers: [][2]string{bearer}, body: chat}, "POST", "/openai/v1/chat/completions")
	if asked.GetRequestBodyMode() != filterv3.ProcessingMode_BUFFERED || asked.GetRequestHeaderMode() != filterv3.ProcessingMode_SEND {
		t.Errorf("the body of a chat was asked for as %v", asked)
	}
	if c, _ := common(t, v); c.BodyMutation != nil || len(setOf(c.HeaderMutation)["content-length"]) > 0 {
		t.Errorf("a body that needs no change was changed: %v", c)
	}
	for route, line := range map[string]string{
		"weather/forecast": "GET /weather/v1/forecast/lima", "s3/object.put": "PUT /s3/bucket/key", "openai/models.list": "GET /openai/v1/models",
	} {
		method, path, _ := strings.Cut(line, " ")
		v, asked := r.judged(ask{route: route, spiffe: "spiffe://acme/app", body: "unread"}, method, path)
		if asked != nil || v.GetRequestHeaders() == nil {
			t.Errorf("%s was judged by its body: %v", route, asked)
		}
		common(t, v)
	}
}

// A call that costs nothing is judged by its body, and under its model's rules, as others are.
func TestFreeCallsAreJudgedByTheirBody(t *testing.T) {
	for name, tt := range map[string]struct{ route, path, body, model, fault string }{
		"moderated":          {"openai/moderations", "/openai/v1/moderations", `{"model":"gpt-5","input":"x"}`, "gpt-5", ""},
		"counted":            {"bedrock/count-tokens", "/bedrock/model/amazon.nova-pro-v1:0/count-tokens", `{"input":{"converse":{"messages":[]}}}`, "amazon.nova-pro-v1:0", ""},
		"a private picture":  {"openai/moderations", "/openai/v1/moderations", `{"input":[{"type":"image_url","image_url":{"url":"http://169.254.169.254/"}}]}`, "", "private network"},
		"another model":      {"openai/moderations", "/openai/v1/moderations", `{"model":"a","model":"b","input":"x"}`, "", "twice"},
		"the caller's token": {"openai/moderations", "/openai/v1/moderations", `{"input":"` + token + `"}`, "", "the service's token stands in it"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			v, asked := r.judged(ask{route: tt.route, headers: [][2]string{bearer}, body: tt.body}, "POST", tt.path)
			if asked.GetRequestBodyMode() != filterv3.ProcessingMode_BUFFERED {
				t.Errorf("its body was asked for as %v", asked)
			}
			if tt.fault != "" {
				if refused := v.GetImmediateResponse(); refused == nil || !strings.Contains(string(refused.Body), tt.fault) {
					t.Errorf("%s was answered by %v, want %q", tt.body, v, tt.fault)
				}
				return
			}
			c, _ := common(t, v)
			if i := r.intents[0]; i.Model != tt.model || i.BoundCost != 0 || i.Action != sentinel.Allow || c.BodyMutation != nil {
				t.Errorf("it went out as %+v, changed by %v", i, c.BodyMutation)
			}
		})
	}
}

func TestTheEndUsersHeaderStaysAtTheGateway(t *testing.T) {
	r := newRig(t)
	v, _ := r.judged(ask{route: "openai/chat.completions", headers: [][2]string{bearer, {"x-end-user", "ada"}}, body: chat}, "POST", "/openai/v1/chat/completions")
	if c, _ := common(t, v); !slices.Contains(c.GetHeaderMutation().GetRemoveHeaders(), "x-end-user") {
		t.Errorf("a provider gets the end user's name: %v", c.GetHeaderMutation())
	}
	if user := r.intents[0].Demand.User(); user != sentinel.Pseudonym("acme", "user", "ada") {
		t.Errorf("the call is for %q", user)
	}
}

func TestChangedBodyCarriesItsNewLength(t *testing.T) {
	r := newRig(t)
	body := strings.Replace(chat, "{", `{"stream":true,`, 1)
	v, _ := r.judged(ask{route: "openai/chat.completions", headers: [][2]string{bearer}, body: body, length: strconv.Itoa(len(body))}, "POST", "/openai/v1/chat/completions")
	c, _ := common(t, v)
	out := string(c.GetBodyMutation().GetBody())
	if !strings.Contains(out, `"include_usage":true`) {
		t.Errorf("the usage is not asked for: %s", out)
	}
	if n := setOf(c.HeaderMutation)["content-length"]; !slices.Equal(n, []string{strconv.Itoa(len(out))}) {
		t.Errorf("content-length is set to %q, the body has %d bytes", n, len(out))
	}
}

func TestClientsCredentialGoesAndExactlyOneComes(t *testing.T) {
	everywhere := [][2]string{bearer, {"x-api-key", token}, {"api-key", token}, {"cookie", token}, {"proxy-authorization", token}, {"x-amz-security-token", token}}
	for name, tt := range map[string]struct {
		ask  ask
		line string
		set  string
	}{
		"bearer":                   {ask{route: "openai/chat.completions", headers: everywhere, body: chat}, "POST /openai/v1/chat/completions", "authorization"},
		"a header":                 {ask{route: "weather/forecast", headers: everywhere}, "GET /weather/v1/forecast/lima", "x-api-key"},
		"by certificate":           {ask{route: "weather/forecast", spiffe: "spiffe://acme/app", headers: everywhere}, "GET /weather/v1/forecast/lima", "x-api-key"},
		"through an earlier Envoy": {ask{route: "weather/forecast", spiffe: "spiffe://acme/app", older: true, headers: everywhere}, "GET /weather/v1/forecast/lima", "x-api-key"},
		"a signature":              {ask{route: "s3/object.get", headers: everywhere}, "GET /s3/bucket/key", "authorization"},
		"basic, as Stripe":         {ask{route: "stripe/get", headers: [][2]string{{"authorization", "Basic c3ZjX2FwcF8xMjM0Og=="}, {"cookie", token}}}, "GET /stripe/v1/customers", "authorization"},
		"by the host's name":       {ask{route: "openai/models.list", host: "openai", headers: [][2]string{bearer}}, "GET /v1/models", "authorization"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			method, path, _ := strings.Cut(tt.line, " ")
			v, _ := r.judged(tt.ask, method, path)
			c, _ := common(t, v)
			set := setOf(c.HeaderMutation)
			if len(set[tt.set]) != 1 || !strings.Contains(set[tt.set][0], secret) {
				t.Errorf("%s is set to %q", tt.set, set[tt.set])
			}
			for _, h := range tt.ask.headers {
				if !slices.Contains(c.HeaderMutation.RemoveHeaders, h[0]) && len(set[h[0]]) == 0 {
					t.Errorf("the client's %s goes on to the provider", h[0])
				}
			}
			text := v.String()
			if strings.Contains(text, token) || strings.Count(text, secret) != 1 {
				t.Errorf("want the provider's secret once and the client's never: %s", text)
			}
		})
	}
}

func TestDowngradeReplacesTheModelWhereItStands(t *testing.T) {
	r := newRig(t)
	r.reserve = func(sentinel.Ask) (sentinel.Reservation, error) {
		return sentinel.Reservation{Chosen: 1, Hold: "hold"}, nil
	}
	v, _ := r.judged(ask{route: "bedrock/converse", spiffe: "spiffe://acme/app", body: `{"messages":[],"inferenceConfig":{"maxTokens":5}}`},
		"POST", "/bedrock/model/amazon.nova-pro-v1:0/converse?x=1")
	c, _ := common(t, v)
	if p := setOf(c.HeaderMutation)[":path"]; !slices.Equal(p, []string{"/bedrock/model/amazon.nova-lite-v1:0/converse?x=1"}) && !slices.Equal(p, []string{"/bedrock/model/amazon.nova-lite-v1%3A0/converse?x=1"}) {
		t.Errorf("the path is set to %q", p)
	}
	v, _ = r.judged(ask{route: "openai/chat.completions", headers: [][2]string{bearer}, body: strings.Replace(chat, "gpt-5-mini", "gpt-5", 1)}, "POST", "/openai/v1/chat/completions")
	c, _ = common(t, v)
	if b := string(c.GetBodyMutation().GetBody()); b != chat || len(setOf(c.HeaderMutation)[":path"]) > 0 {
		t.Errorf("the body is %s, want %s", b, chat)
	}
}

// Through a tunnel the proxy's credential decides, whatever the client holds for its provider, in the forms that clients send.
func TestTunnelsAreKnownByTheProxysCredential(t *testing.T) {
	r := newRig(t)
	basic := func(userinfo string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(userinfo)) }
	for name, proxy := range map[string]string{"name and token": basic("app:" + token), "token alone": basic(token + ":"), "bearer": "Bearer " + token} {
		v, _ := r.judged(ask{route: "openai/chat.completions", headers: [][2]string{{"authorization", "Bearer sk-of-nobody"}}, body: chat, proxy: proxy, tunnel: "Gateway.local:443", sni: "gateway.local"}, "POST", "/openai/v1/chat/completions")
		if c, _ := common(t, v); strings.Contains(v.String(), "sk-of-nobody") || setOf(c.HeaderMutation)["authorization"][0] != "Bearer "+secret {
			t.Errorf("%s: %v", name, v)
		}
	}
}

// A verdict that Envoy cannot get any more lets nothing through, so it must not be charged at its bound.
func TestHangingUpBeforeTheVerdictCostsNothing(t *testing.T) {
	r := newRig(t)
	ctx, hangUp := context.WithCancel(t.Context())
	r.hangUp = hangUp
	st, err := r.client.Process(ctx)
	must(t, err)
	must(t, st.Send(ask{route: "weather/forecast", headers: [][2]string{{"x-api-key", token}}}.first("GET", "/weather/v1/forecast/lima")))
	if _, err := st.Recv(); err == nil {
		t.Error("a stream that was cut got a verdict")
	}
	r.finish()
	if len(r.intents) != 1 || len(r.entries) != 1 || r.entries[0].ID != r.intents[0].ID || r.entries[0].Cost != 0 || r.late != nil {
		t.Errorf("intents %+v, entries %+v, context %v; want one each, at nothing", r.intents, r.entries, r.late)
	}
	r.bookedAs(sentinel.ReasonUndelivered, 0, false)
}

func TestGuardThatEndsEarlyIsAnErrorOfTheStream(t *testing.T) {
	for name, tt := range map[string]struct {
		arrange func(*parts)
		second  *extprocv3.ProcessingRequest
	}{
		"a panic": {arrange: func(p *parts) {
			p.reserve = func(sentinel.Ask) (sentinel.Reservation, error) { panic("a fault in the limiter") }
		}},
		"a stream that ends before the body": {},
		"half of a body":                     {second: &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestBody{RequestBody: &extprocv3.HttpBody{Body: []byte("{")}}}},
		"something else in the body's place": {second: &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: headerMap()}}},
		"a message without anything":         {second: &extprocv3.ProcessingRequest{}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if tt.arrange != nil {
				tt.arrange(r.parts)
				tt.second = &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestBody{RequestBody: &extprocv3.HttpBody{Body: []byte(chat), EndOfStream: true}}}
			}
			st, err := r.client.Process(t.Context())
			must(t, err)
			must(t, st.Send(ask{route: "openai/chat.completions", headers: [][2]string{bearer}, body: chat}.first("POST", "/openai/v1/chat/completions")))
			_, err = st.Recv()
			must(t, err) // the order to send the body
			if tt.second == nil {
				must(t, st.CloseSend())
			} else {
				must(t, st.Send(tt.second))
			}
			if v, err := st.Recv(); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("the stream gave %v and ended with %v: Envoy would let the request through", v, err)
			}
			r.finish()
			if len(r.entries) > 0 || len(r.intents) > 0 {
				t.Errorf("booked %+v, %+v", r.intents, r.entries)
			}
		})
	}
}

// A call that falls back is led to its provider by the policy's place of it: an Envoy that has it elsewhere must not send its key there.
func TestAFallbackNamesThePlaceThatItsKeyIsFor(t *testing.T) {
	r := newRig(t)
	r.reserve = func(sentinel.Ask) (sentinel.Reservation, error) {
		return sentinel.Reservation{Chosen: 1, Hold: "hold"}, nil
	}
	v, _ := r.judged(ask{route: "openai/chat.completions", headers: [][2]string{bearer}, body: strings.Replace(chat, "gpt-5-mini", "gpt-4.1", 1)}, "POST", "/openai/v1/chat/completions")
	c, _ := common(t, v)
	set, place := setOf(c.HeaderMutation), strings.TrimPrefix(placed("anthropic"), "anthropic@")
	want := "anthropic." + place + "." + extproc.FallbackHost
	if !slices.Equal(set[":authority"], []string{want}) || !c.ClearRouteCache || !slices.Equal(set[":path"], []string{"/v1/messages"}) {
		t.Errorf("led to %q %q, want %s", set[":authority"], set[":path"], want)
	}
}
