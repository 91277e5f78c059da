package envoy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/rs/zerolog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/saas-sentinel/saas-sentinel/internal/envoytest"
)

// call is an id in the shape that the guard writes.
const call = "0197a3c0-0000-7000-8000-000000000001"

// gateway is a real Envoy between a client and a provider's stand-in, configured by a Server.
type gateway struct {
	config    Config
	control   *Server
	processor *fakeProcessor
	upstream  *upstream
	grpc      *grpc.Server
	dir       string
	heap      int // in the place of the configuration's bound; 0: that one
}

func startGateway(t *testing.T, change func(*Config)) *gateway {
	t.Helper()
	return startWithHeap(t, 0, change)
}

// startWithHeap is startGateway with a bound of Envoy's memory that no configuration may have.
func startWithHeap(t *testing.T, heap int, change func(*Config)) *gateway {
	t.Helper()
	needEnvoy(t)
	g := &gateway{processor: &fakeProcessor{}, upstream: newUpstream(t), dir: t.TempDir(), heap: heap}
	control := listen(t)
	g.config = Config{
		NodeID: "egress", Listen: freeAddress(t), Admin: freeAddress(t), Hosts: []string{"127.0.0.1", "gateway.test"},
		Control: control.Addr().String(), AccessLog: filepath.Join(g.dir, "access.json"),
		MaxBodyBytes: 4096, MaxHeapBytes: DefaultConfig().MaxHeapBytes, StreamIdle: DefaultConfig().StreamIdle,
		Providers: []Provider{{
			Name: "api", Host: "api.example.test", Address: g.upstream.address(), Plaintext: true,
			Routes: []Route{
				{Name: "api/chat", Method: "POST", Path: "/v1/chat"},
				{Name: "api/item", Method: "GET", Path: "/v1/items/{id}"},
				{Name: "api/file", Method: "PUT", Path: "/files/{bucket}/{key...}"},
				{Name: "api/stream", Method: "GET", Path: "/stream"},
			},
		}},
	}
	if change != nil {
		change(&g.config)
	}
	g.control = NewServer(zerolog.Nop())
	if err := g.control.Set(g.config); err != nil {
		t.Fatal(err)
	}
	g.serve(t, control)
	bootstrap, err := Bootstrap(g.config)
	if err != nil {
		t.Fatal(err)
	}
	if g.heap > 0 {
		most := strconv.FormatInt(g.config.MaxHeapBytes, 10)
		bootstrap = bytes.ReplaceAll(bootstrap, []byte(most), []byte(strconv.Itoa(g.heap)))
	}
	p, err := envoytest.Start(t.Context(), bootstrap, envoytest.Options{Tools: tools, Dir: g.dir, Admin: g.config.Admin, Concurrency: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return g
}

// serve runs sentinel's part: ext_proc, ADS and health on one port.
func (g *gateway) serve(t *testing.T, l net.Listener) {
	g.grpc = grpc.NewServer(grpc.MaxRecvMsgSize(64 << 20))
	extprocv3.RegisterExternalProcessorServer(g.grpc, g.processor)
	g.control.Register(g.grpc)
	healthv1.RegisterHealthServer(g.grpc, health.NewServer())
	done := make(chan struct{})
	server := g.grpc
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { g.control.Stop(); server.Stop(); <-done })
}

// do sends a request whose path reaches the wire as it is written here.
func (g *gateway) do(t *testing.T, method, path string, header map[string]string, body io.Reader) (*http.Response, string) {
	t.Helper()
	r, err := g.request(t.Context(), method, path, header, body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(b)
}

func (g *gateway) request(ctx context.Context, method, path string, header map[string]string, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+g.config.Listen, body)
	if err != nil {
		return nil, err
	}
	r.URL = &url.URL{Scheme: "http", Host: g.config.Listen, Opaque: path}
	for k, v := range header {
		if k == "host" {
			r.Host = v
		}
		r.Header.Set(k, v)
	}
	r.Header.Del("host")
	return r, nil
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}

// upstream records what a provider would have seen.
type upstream struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
	next chan struct{} // paces the stream, one event a value
}

// quiet is for servers whose clients are expected to break off.
var quiet = log.New(io.Discard, "", 0)

func unstartedUpstream() *upstream {
	u := &upstream{next: make(chan struct{})}
	u.Server = httptest.NewUnstartedServer(u)
	return u
}

func newUpstream(t *testing.T) *upstream {
	u := unstartedUpstream()
	u.Start()
	t.Cleanup(u.Close)
	return u
}

func (u *upstream) address() string { return u.Listener.Addr().String() }

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	u.mu.Lock()
	u.seen = append(u.seen, r)
	u.mu.Unlock()
	w.Header().Set("x-sentinel-verdict", "forged by the provider")
	if r.URL.Path == "/stream" {
		u.stream(w)
		return
	}
	w.Header().Set("content-type", "application/json")
	fmt.Fprintf(w, `{"bytes":%d}`, len(body))
}

const streamEvents = 5

func (u *upstream) stream(w http.ResponseWriter) {
	w.Header().Set("content-type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	for i := range streamEvents {
		fmt.Fprintf(w, "data: %d\n\n", i)
		_ = http.NewResponseController(w).Flush()
		<-u.next
	}
}

// take returns what came since the last call.
func (u *upstream) take() []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := u.seen
	u.seen = nil
	return out
}

// fakeProcessor is an ext_proc server that does as the request's "behave" header says.
type fakeProcessor struct {
	extprocv3.UnimplementedExternalProcessorServer
	mu         sync.Mutex
	attributes map[string]string
	headers    map[string]string
	metadata   map[string]string // of the last answer
	chunks     int
	ends       []error       // what the meters' streams ended with
	slow       chan struct{} // where it is not nil, each meter waits for it before it reads its first chunk
}

func (p *fakeProcessor) Process(st extprocv3.ExternalProcessor_ProcessServer) error {
	first, err := st.Recv()
	if err != nil {
		return err
	}
	if h := first.GetRequestHeaders(); h != nil {
		return p.guard(st, first)
	}
	return p.meter(st, first)
}

func (p *fakeProcessor) guard(st extprocv3.ExternalProcessor_ProcessServer, first *extprocv3.ProcessingRequest) error {
	headers := map[string]string{}
	for _, h := range first.GetRequestHeaders().GetHeaders().GetHeaders() {
		headers[h.Key] = string(h.RawValue)
	}
	attributes := map[string]string{}
	for k, v := range first.GetAttributes()["envoy.filters.http.ext_proc"].GetFields() {
		attributes[k] = v.GetStringValue()
	}
	p.mu.Lock()
	p.headers, p.attributes = headers, attributes
	p.mu.Unlock()
	marked := &structpb.Struct{Fields: map[string]*structpb.Value{Namespace: structpb.NewStructValue(&structpb.Struct{
		Fields: map[string]*structpb.Value{MarkKey: structpb.NewStringValue(call), "t": structpb.NewStringValue(call)},
	})}}
	common := &extprocv3.CommonResponse{HeaderMutation: &extprocv3.HeaderMutation{SetHeaders: []*corev3.HeaderValueOption{{
		Header:       &corev3.HeaderValue{Key: "authorization", RawValue: []byte("Bearer provider-key")},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}}}}
	switch headers["behave"] {
	case "close":
		return nil
	case "unmarked":
		marked = nil
	case "rewrite": // a path that no route lists
		common.HeaderMutation.SetHeaders = append(common.HeaderMutation.SetHeaders, &corev3.HeaderValueOption{
			Header: &corev3.HeaderValue{Key: ":path", RawValue: []byte("/api/v1/rewritten")}, AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD})
	case "elsewhere": // a namespace that guard is not allowed to write
		marked.Fields = map[string]*structpb.Value{"other": marked.Fields[Namespace]}
	case "fail":
		return errors.New("no verdict")
	case "reroute":
		common.ClearRouteCache = true
		common.HeaderMutation.SetHeaders = append(common.HeaderMutation.SetHeaders, &corev3.HeaderValueOption{
			Header: &corev3.HeaderValue{Key: ":path", RawValue: []byte("/nowhere")},
		})
	case "lead": // as to a fallback, or by a chain
		common.ClearRouteCache = true
		for name, value := range map[string]string{":authority": headers["lead-host"], ":path": headers["lead-path"]} {
			common.HeaderMutation.SetHeaders = append(common.HeaderMutation.SetHeaders, &corev3.HeaderValueOption{
				Header: &corev3.HeaderValue{Key: name, RawValue: []byte(value)}, AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
			})
		}
	case "body":
		return p.guardBody(st, marked, common)
	}
	return st.Send(&extprocv3.ProcessingResponse{
		DynamicMetadata: marked,
		Response:        &extprocv3.ProcessingResponse_RequestHeaders{RequestHeaders: &extprocv3.HeadersResponse{Response: common}},
	})
}

func (p *fakeProcessor) guardBody(st extprocv3.ExternalProcessor_ProcessServer, marked *structpb.Struct, common *extprocv3.CommonResponse) error {
	err := st.Send(&extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_RequestHeaders{RequestHeaders: &extprocv3.HeadersResponse{}},
		ModeOverride: &filterv3.ProcessingMode{
			RequestHeaderMode: filterv3.ProcessingMode_SEND, ResponseHeaderMode: filterv3.ProcessingMode_SKIP,
			RequestBodyMode: filterv3.ProcessingMode_BUFFERED,
		},
	})
	if err != nil {
		return err
	}
	next, err := st.Recv()
	if err != nil {
		return err
	}
	if body := next.GetRequestBody(); body == nil || !body.EndOfStream {
		return fmt.Errorf("want the whole body, got %v", next)
	}
	return st.Send(&extprocv3.ProcessingResponse{
		DynamicMetadata: marked,
		Response:        &extprocv3.ProcessingResponse_RequestBody{RequestBody: &extprocv3.BodyResponse{Response: common}},
	})
}

func (p *fakeProcessor) meter(st extprocv3.ExternalProcessor_ProcessServer, first *extprocv3.ProcessingRequest) error {
	metadata := map[string]string{"t": first.GetAttributes()["envoy.filters.http.ext_proc"].GetFields()[TicketAttribute].GetStringValue()}
	p.mu.Lock()
	p.metadata = metadata
	p.mu.Unlock()
	err := st.Send(&extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_ResponseHeaders{ResponseHeaders: &extprocv3.HeadersResponse{Response: &extprocv3.CommonResponse{
			HeaderMutation: &extprocv3.HeaderMutation{SetHeaders: []*corev3.HeaderValueOption{{
				Header: &corev3.HeaderValue{Key: "x-sentinel-call", RawValue: []byte(metadata["t"])},
			}}},
		}}},
		ModeOverride: &filterv3.ProcessingMode{
			RequestHeaderMode: filterv3.ProcessingMode_SKIP, ResponseHeaderMode: filterv3.ProcessingMode_SEND,
			ResponseBodyMode: filterv3.ProcessingMode_STREAMED,
		},
	})
	if p.slow != nil {
		<-p.slow
	}
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ends = append(p.ends, err)
	}()
	for err == nil {
		var r *extprocv3.ProcessingRequest
		if r, err = st.Recv(); errors.Is(err, io.EOF) || status.Code(err) == codes.Canceled {
			return nil
		} else if err != nil {
			return err
		}
		p.mu.Lock()
		p.chunks++
		p.mu.Unlock()
		err = st.Send(&extprocv3.ProcessingResponse{
			Response: &extprocv3.ProcessingResponse_ResponseBody{ResponseBody: &extprocv3.BodyResponse{}},
		})
		if r.GetResponseBody().GetEndOfStream() {
			return nil
		}
	}
	return err
}

// last gives what the guard was told about the latest request.
func (p *fakeProcessor) last() (headers, attributes, metadata map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.headers), maps.Clone(p.attributes), maps.Clone(p.metadata)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// freeAddress is one that was free a moment ago.
func freeAddress(t *testing.T) string {
	l := listen(t)
	defer l.Close()
	return l.Addr().String()
}

// stat reads one of Envoy's counters.
func (g *gateway) stat(t *testing.T, name string) string {
	r, err := client.Get("http://" + g.config.Admin + "/stats?filter=^" + regexp.QuoteMeta(name) + "$")
	if err != nil {
		t.Error(err)
		return ""
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || len(b) == 0 {
		t.Errorf("envoy has no counter %s, error %v", name, err)
	}
	return string(b)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// events reads an event stream to its end.
func events(body io.Reader, each func(string)) (int, error) {
	n, lines := 0, bufio.NewScanner(body)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			n++
			each(data)
		}
	}
	return n, lines.Err()
}
