package extproc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/structpb"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/extproc"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/pricing"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token   = "svc_app_1234" // what the client sends
	secret  = "sk-vault-1234"
	tooLong = 1 << 20
)

const rules = `org: acme
teams: {core: {budget: {usd: 100/day}}}
services:
  app: {team: core, identity: {token: svc_app_1234, spiffe: "spiffe://acme/app", aws: {access_key_id: SENTINELAPP00001, secret: "vault:secret/app#secret"}}}
providers:
  openai: {preset: openai, credential: "vault:secret/openai#api_key"}
  anthropic: {preset: anthropic, credential: "vault:secret/anthropic#api_key"}
  stripe: {preset: stripe, credential: "vault:secret/stripe#api_key"}
  gemini: {preset: gemini, credential: "vault:secret/gemini#key"}
  bedrock: {preset: aws-bedrock, region: us-east-1, credential: "vault:secret/aws"}
  s3: {preset: aws-s3, region: us-east-1, credential: "vault:secret/aws"}
  weather:
    host: api.weather.example
    credential: {vault: "secret/weather#key", header: x-api-key}
    endpoints: [{name: forecast, method: GET, path: "/v1/forecast/{city}", price: {per_request_usd: 0.10}}]
  transcribe:
    host: transcribestreaming.us-east-1.amazonaws.com
    region: us-east-1
    credential: {vault: "secret/aws", type: sigv4, service: transcribe}
    endpoints: [{name: stream, method: POST, path: /stream-transcription, body: events, price: {per_request_usd: 0.10}}]
subjects: {user: {header: X-End-User}}
policies:
  - {name: unusual, match: {service: app}, anomaly: {above: 0.99}, then: [deny]}
  - {name: large, match: {model: gpt-5}, budget: {usd: 1/day}, on_exceed: [{downgrade: [gpt-5-mini]}]}
  - {name: elsewhere, match: {model: gpt-4.1}, budget: {usd: 1/day}, on_exceed: [{fallback: [anthropic/claude-haiku-4-5]}]}
  - {name: pro, match: {model: "amazon.nova-pro-v1:0"}, budget: {usd: 1/day}, on_exceed: [{downgrade: ["amazon.nova-lite-v1:0"]}]}
`

// parts are everything around a server, as the governor and the guard see it.
type parts struct {
	mu       sync.Mutex
	reserve  func(sentinel.Ask) (sentinel.Reservation, error)
	hangUp   func() // what the client does while the limiter is asked
	inject   func(governor.Route, extproc.Outgoing) ([]extproc.Header, error)
	verify   error
	events   func(r governor.Route, id *policy.AWSIdentity, received, sent string) (extproc.Events, error)
	fault    error // of the journal
	intents  []sentinel.Intent
	entries  []sentinel.Entry
	booked   chan struct{} // one for each entry
	late     error         // of the context of the latest entry
	settled  []sentinel.Settlement
	observed []extproc.Observation
}

func (p *parts) Reserve(ctx context.Context, a sentinel.Ask) (sentinel.Reservation, error) {
	if p.hangUp != nil {
		p.hangUp()
		<-ctx.Done()
	}
	if p.reserve == nil {
		return sentinel.Reservation{Hold: "hold"}, nil
	}
	return p.reserve(a)
}

func (p *parts) Settle(_ context.Context, s sentinel.Settlement) (sentinel.Settled, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settled = append(p.settled, s)
	return sentinel.Settled{}, nil
}

func (p *parts) Append(ctx context.Context, r sentinel.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault != nil {
		return p.fault
	}
	if r.Intent != nil {
		p.intents = append(p.intents, *r.Intent)
		return nil
	}
	p.entries, p.late = append(p.entries, *r.Entry), ctx.Err()
	p.booked <- struct{}{}
	return nil
}

// Inject gives a credential in the place where the route's provider wants it.
func (p *parts) Inject(r governor.Route, o extproc.Outgoing, _ time.Time) ([]extproc.Header, error) {
	switch {
	case p.inject != nil:
		return p.inject(r, o)
	case r.Provider.Name == "weather":
		return []extproc.Header{{Name: "x-api-key", Value: secret}}, nil
	case strings.HasPrefix(r.Provider.Preset, "aws-"), r.Provider.Name == "transcribe":
		return []extproc.Header{{Name: "authorization", Value: "AWS4-HMAC-SHA256 " + secret}, {Name: "x-amz-date", Value: "20261123T120000Z"}}, nil
	default:
		return []extproc.Header{{Name: "authorization", Value: "Bearer " + secret}}, nil
	}
}

func (*parts) CallerByToken(set *policy.Set, token string, _ time.Time) (sentinel.Caller, error) {
	if c, ok := set.CallerByToken(token); ok {
		return c, nil
	}
	return sentinel.Caller{}, extproc.ErrUnknownToken
}

func (p *parts) VerifyAWS(policy.AWSIdentity, string, extproc.Outgoing, time.Time) error {
	return p.verify
}

func (p *parts) SignEvents(r governor.Route, id *policy.AWSIdentity, received, sent string) (extproc.Events, error) {
	return p.events(r, id, received, sent)
}

func (*parts) AccessKeyID(authorization string) (string, bool) {
	_, key, ok := strings.Cut(authorization, "Credential=")
	return strings.Split(key, "/")[0], ok
}

func (*parts) Echoes(governor.Route, bool) *extproc.Needles { return extproc.NewNeedles(secret) }

func (*parts) Withheld(policy.Provider) []string {
	return []string{"authorization", "x-api-key", "api-key", "proxy-authorization", "cookie", "x-amz-security-token"}
}

// rulesAndPrices are compiled once: they never change.
var rulesAndPrices = sync.OnceValues(func() (*governor.State, error) { return stateOf(rules) })

// stateOf compiles rules.
func stateOf(text string) (*governor.State, error) {
	catalog, err := pricing.Embedded()
	if err != nil {
		return nil, err
	}
	set, err := policy.Compile(policy.File{Name: "policies.yaml", Data: []byte(text)}, policy.Options{Presets: provider.Names()})
	if err != nil {
		return nil, err
	}
	return governor.NewState(set, catalog)
}

func newServer(t testing.TB) (*extproc.Server, *parts) {
	t.Helper()
	p := &parts{booked: make(chan struct{}, 10)}
	state, err := rulesAndPrices()
	must(t, err)
	g := governor.New(governor.Options{Limiter: p, Journal: p, Instance: "boot-1", HoldTTL: time.Minute, Now: func() time.Time { return time.Now().UTC() }}, state)
	return extproc.New(extproc.Options{Governor: g, Credentials: p, Log: zerolog.Nop(), MaxBodyBytes: tooLong, Observe: func(o extproc.Observation) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.observed = append(p.observed, o)
	}}), p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rig is a server behind an in-memory connection, as Envoy reaches it.
type rig struct {
	*testing.T
	*parts
	server   *extproc.Server
	grpc     *grpc.Server
	listener *bufconn.Listener
	client   extprocv3.ExternalProcessorClient
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, grpc: grpc.NewServer(grpc.ForceServerCodecV2(extproc.Codec()), grpc.WaitForHandlers(true))}
	r.server, r.parts = newServer(t)
	r.server.Register(r.grpc)
	r.listener = bufconn.Listen(1 << 20)
	go func() { _ = r.grpc.Serve(r.listener) }()
	conn, err := grpc.NewClient("passthrough:///buffer", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return r.listener.DialContext(ctx) }))
	must(t, err)
	t.Cleanup(func() {
		_ = conn.Close()
		r.grpc.Stop()
	})
	r.client = extprocv3.NewExternalProcessorClient(conn)
	return r
}

// finish waits until every handler has ended.
func (r *rig) finish() { r.grpc.GracefulStop() }

// ask is a request as Envoy describes it.
type ask struct {
	route, host        string
	headers            [][2]string
	body               string
	spiffe             string // the URIs of its certificate, joined by commas
	older              bool   // of an Envoy that tells the first of them alone
	proxy, sni         string // of a tunnel
	tunnel, redirected string // the host that it was made to, or the source of a redirected connection
	length             string // content-length that the client announces
}

func headerMap(pairs ...[2]string) *extprocv3.HttpHeaders {
	list := make([]*corev3.HeaderValue, 0, len(pairs))
	for _, p := range pairs {
		list = append(list, &corev3.HeaderValue{Key: p[0], RawValue: []byte(p[1])})
	}
	return &extprocv3.HttpHeaders{Headers: &corev3.HeaderMap{Headers: list}}
}

func (a ask) first(method, path string) *extprocv3.ProcessingRequest {
	pairs := append([][2]string{{":method", method}, {":path", path}, {":authority", "gateway.local"}}, a.headers...)
	if a.length != "" {
		pairs = append(pairs, [2]string{"content-length", a.length})
	}
	h := headerMap(pairs...)
	h.EndOfStream = a.body == ""
	host := a.host
	if host == "" {
		host = "gateway"
	}
	uris := a.spiffe
	firstURI, _, _ := strings.Cut(uris, ",")
	if a.older {
		uris = ""
	}
	return &extprocv3.ProcessingRequest{
		Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: h},
		Attributes: map[string]*structpb.Struct{"envoy.filters.http.ext_proc": {Fields: map[string]*structpb.Value{
			"xds.route_name": structpb.NewStringValue(placed(a.route)), "xds.virtual_host_name": structpb.NewStringValue(host),
			"connection.uri_san_peer_certificate": structpb.NewStringValue(firstURI), extproc.PeerAttribute: structpb.NewStringValue(uris),
			extproc.TunnelAttribute: structpb.NewStringValue(a.tunnel), extproc.RedirectedAttribute: structpb.NewStringValue(a.redirected),
			extproc.ProxyAttribute: structpb.NewStringValue(a.proxy), "connection.requested_server_name": structpb.NewStringValue(a.sni),
		}}},
	}
}

// placed is a route's or a provider's name as Envoy has it, with where the provider is.
func placed(name string) string {
	state, _ := rulesAndPrices() // newServer fails without them
	for _, r := range state.Ordered {
		if r.Name == name || r.Provider.Name == name {
			return name + "@" + r.Place
		}
	}
	return name
}

// judged sends a request and gives the verdict; asked tells how its body was wanted.
func (r *rig) judged(a ask, method, path string) (v *extprocv3.ProcessingResponse, asked *filterv3.ProcessingMode) {
	r.Helper()
	st, err := r.client.Process(r.Context())
	must(r, err)
	must(r, st.Send(a.first(method, path)))
	v, err = st.Recv()
	must(r, err)
	if v.ModeOverride != nil && v.GetImmediateResponse() == nil {
		asked = v.ModeOverride
		must(r, st.Send(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestBody{
			RequestBody: &extprocv3.HttpBody{Body: []byte(a.body), EndOfStream: true},
		}}))
		v, err = st.Recv()
		must(r, err)
	}
	if _, err := st.Recv(); !errors.Is(err, io.EOF) {
		r.Errorf("guard's stream goes on after its verdict: %v", err)
	}
	return v, asked
}

// setOf gives the headers that a reply sets.
func setOf(m *extprocv3.HeaderMutation) map[string][]string {
	out := map[string][]string{}
	for _, h := range m.GetSetHeaders() {
		out[h.Header.Key] = append(out[h.Header.Key], string(h.Header.RawValue))
	}
	return out
}

// bearer is the client's own credential where OpenAI's and Stripe's SDKs put it.
var bearer = [2]string{"authorization", "Bearer " + token}

const chat = `{"model":"gpt-5-mini","max_completion_tokens":50,"messages":[{"role":"user","content":"hello"}]}`
