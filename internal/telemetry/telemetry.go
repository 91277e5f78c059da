// Package telemetry tells an OpenTelemetry collector of the calls that the gateway governs: one client span each, and the
// metrics of generative AI. Names are those of the OpenTelemetry semantic conventions 1.41 (gen_ai, http, error).
package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/semconv/v1.41.0/genaiconv"
	"go.opentelemetry.io/otel/trace"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Options say where to, and as whom.
type Options struct {
	URL      string          // of the collector's OTLP over HTTP, without /v1/traces
	Headers  sentinel.Secret // for the collector, as OTEL_EXPORTER_OTLP_HEADERS has them: name=value,… with percent-encoding
	Sample   float64         // share of the traces that begin here, 0 to 1; a client's own decision goes before it
	Version  string
	Instance string
	Log      zerolog.Logger // of failures to export
}

// Exporter sends in the background, in batches. What the collector cannot take in time is dropped, and said in the log:
// the ledger is what counts, and no call waits for telemetry.
type Exporter struct {
	traces    *sdktrace.TracerProvider
	meters    *metric.MeterProvider
	tracer    trace.Tracer
	tokens    genaiconv.ClientTokenUsage
	durations genaiconv.ClientOperationDuration
}

const (
	scope          = "github.com/saas-sentinel/saas-sentinel"
	maxQueued      = 4096 // spans
	exportTimeout  = 10 * time.Second
	metricInterval = 30 * time.Second
)

// The conventions advise these boundaries: 4^0 to 4^13 tokens, and 10 ms to 82 s by doubling.
func boundaries(first, factor float64) []float64 {
	list := []float64{first}
	for len(list) < 14 {
		list = append(list, list[len(list)-1]*factor)
	}
	return list
}

// New starts an exporter. Nothing is sent before the first call.
func New(ctx context.Context, o Options) (*Exporter, error) {
	at, err := url.Parse(o.URL)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return nil, fmt.Errorf("telemetry.otlp: %q is no URL of a collector: write for instance http://127.0.0.1:4318", o.URL)
	}
	headers, err := parseHeaders(o.Headers.Reveal())
	if err != nil {
		return nil, err
	}
	spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(at.JoinPath("v1", "traces").String()), otlptracehttp.WithHeaders(headers))
	if err != nil {
		return nil, fmt.Errorf("telemetry.otlp: %w", err)
	}
	points, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(at.JoinPath("v1", "metrics").String()), otlpmetrichttp.WithHeaders(headers))
	if err != nil {
		return nil, fmt.Errorf("telemetry.otlp: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Log.Warn().Err(err).Msg("telemetry not delivered") }))
	who := resource.NewWithAttributes(semconv.SchemaURL, semconv.ServiceName("saas-sentinel"), semconv.ServiceVersion(o.Version),
		semconv.ServiceInstanceID(o.Instance))
	e := &Exporter{
		traces: sdktrace.NewTracerProvider(sdktrace.WithResource(who), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(o.Sample))),
			sdktrace.WithBatcher(spans, sdktrace.WithMaxQueueSize(maxQueued), sdktrace.WithExportTimeout(exportTimeout))),
		meters: metric.NewMeterProvider(metric.WithResource(who),
			metric.WithReader(metric.NewPeriodicReader(points, metric.WithInterval(metricInterval), metric.WithTimeout(exportTimeout))),
			metric.WithView(buckets(genaiconv.ClientTokenUsage{}.Name(), 1, 4), buckets(genaiconv.ClientOperationDuration{}.Name(), .01, 2))),
	}
	e.tracer = e.traces.Tracer(scope)
	meter := e.meters.Meter(scope)
	e.tokens, err = genaiconv.NewClientTokenUsage(meter)
	if err == nil {
		e.durations, err = genaiconv.NewClientOperationDuration(meter)
	}
	return e, err
}

// parseHeaders reads the form of the OTLP exporter's specification.
func parseHeaders(text string) (map[string]string, error) {
	list := map[string]string{}
	for _, pair := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		name, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !ok || err != nil || name == "" {
			return nil, errors.New("OTEL_EXPORTER_OTLP_HEADERS: write name=value, more of them after a comma, with percent-encoded values")
		}
		list[name] = value
	}
	return list, nil
}

func buckets(name string, first, factor float64) metric.View {
	return metric.NewView(metric.Instrument{Name: name}, metric.Stream{Aggregation: metric.AggregationExplicitBucketHistogram{Boundaries: boundaries(first, factor)}})
}

// Close sends what waits, until ctx ends.
func (e *Exporter) Close(ctx context.Context) error {
	return errors.Join(e.traces.Shutdown(ctx), e.meters.Shutdown(ctx))
}

// Call is one that ended, or was refused.
type Call struct {
	sentinel.Entry
	Preset string // of its provider; empty for a custom API
	Host   string // of its provider
	Parent string // the client's traceparent header (W3C Trace Context); empty or malformed for none
}

// Ended reports a call. It does not block.
func (e *Exporter) Ended(c Call) {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": c.Parent})
	operation, system, asked := names(c)
	name, about := c.Provider+" "+c.Endpoint, plain(c)
	if operation != "" {
		name = string(operation)
		if c.Model != "" {
			name += " " + c.Model
		}
		about = append(about, generative(c, operation, system, asked)...)
	}
	ctx, span := e.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(c.At), trace.WithAttributes(about...))
	if failed(c) {
		span.SetStatus(codes.Error, string(c.Reason))
	}
	span.End(trace.WithTimestamp(c.At.Add(c.Duration)))
	if operation == "" || c.Action.Refused() {
		return
	}
	team := attribute.String("sentinel.team", c.Caller.Team)
	for kind, n := range map[genaiconv.TokenTypeAttr]int64{genaiconv.TokenTypeInput: c.Usage.InputTokenSum(), genaiconv.TokenTypeOutput: c.Usage.OutputTokenSum()} {
		if n > 0 {
			e.tokens.Record(ctx, n, operation, system, kind, e.tokens.AttrRequestModel(asked), e.tokens.AttrResponseModel(c.Model), e.tokens.AttrServerAddress(c.Host), team)
		}
	}
	more := []attribute.KeyValue{e.durations.AttrRequestModel(asked), e.durations.AttrResponseModel(c.Model), e.durations.AttrServerAddress(c.Host), team}
	if failed(c) {
		more = append(more, e.durations.AttrErrorType(genaiconv.ErrorTypeAttr(errorType(c))))
	}
	e.durations.Record(ctx, c.Duration.Seconds(), operation, system, more...)
}

// plain are the attributes that every call has.
func plain(c Call) []attribute.KeyValue {
	list := []attribute.KeyValue{
		semconv.ServerAddress(c.Host),
		attribute.String("sentinel.call", c.ID.String()), attribute.Int("sentinel.attempt", int(c.Attempt)),
		attribute.String("sentinel.org", c.Caller.Org), attribute.String("sentinel.team", c.Caller.Team), attribute.String("sentinel.service", c.Caller.Service),
		attribute.String("sentinel.provider", c.Provider), attribute.String("sentinel.endpoint", c.Endpoint),
		attribute.String("sentinel.action", c.Action.String()), attribute.Int64("sentinel.cost_nano_usd", int64(c.Cost)),
		attribute.Bool("sentinel.estimated", c.Estimated()),
	}
	if c.Reason != "" {
		list = append(list, attribute.String("sentinel.reason", string(c.Reason)))
	}
	if c.Status != 0 {
		list = append(list, semconv.HTTPResponseStatusCode(c.Status))
	}
	if failed(c) {
		list = append(list, attribute.String(string(semconv.ErrorTypeKey), errorType(c)))
	}
	return list
}

// generative are the attributes of a call to a language model.
func generative(c Call, operation genaiconv.OperationNameAttr, system genaiconv.ProviderNameAttr, asked string) []attribute.KeyValue {
	list := []attribute.KeyValue{
		semconv.GenAIOperationNameKey.String(string(operation)), semconv.GenAIProviderNameKey.String(string(system)),
		semconv.GenAIRequestModel(asked), semconv.GenAIRequestStream(c.Stream),
	}
	if c.Action.Refused() {
		return list
	}
	list = append(list, semconv.GenAIResponseModel(c.Model),
		semconv.GenAIUsageInputTokens(int(c.Usage.InputTokenSum())), semconv.GenAIUsageOutputTokens(int(c.Usage.OutputTokenSum())),
		semconv.GenAIUsageCacheReadInputTokens(int(c.Usage[sentinel.CachedInputTokens]+c.Usage[sentinel.CachedAudioTokens]+c.Usage[sentinel.CachedImageTokens])),
		semconv.GenAIUsageCacheCreationInputTokens(int(c.Usage[sentinel.CacheWriteTokens]+c.Usage[sentinel.CacheWriteLongTokens])),
		semconv.GenAIUsageReasoningOutputTokens(int(c.Usage[sentinel.ReasoningTokens])))
	if c.Stream && c.FirstByte > 0 {
		list = append(list, semconv.GenAIResponseTimeToFirstChunk(c.FirstByte.Seconds()))
	}
	return list
}

const firstFailure = 400 // of HTTP's status codes

func failed(c Call) bool { return c.Action.Refused() || c.Status >= firstFailure }

// errorType is the gateway's reason for a refusal, and the provider's status for a failure.
func errorType(c Call) string {
	if c.Action.Refused() {
		return string(c.Reason)
	}
	return fmt.Sprint(c.Status)
}

// names gives the conventions' words for a call, and the model that was asked for. The operation is empty for what is
// no call of a language model.
func names(c Call) (genaiconv.OperationNameAttr, genaiconv.ProviderNameAttr, string) {
	system, known := systems[c.Preset]
	if !known {
		system = genaiconv.ProviderNameAttr(c.Preset) // the conventions let what they do not list name itself
	}
	return operations[c.Endpoint], system, cmp.Or(c.Asked, c.Model)
}

var operations = map[string]genaiconv.OperationNameAttr{
	"chat.completions": genaiconv.OperationNameChat, "v1.chat.completions": genaiconv.OperationNameChat,
	"responses": genaiconv.OperationNameChat, "v1.responses": genaiconv.OperationNameChat,
	"messages": genaiconv.OperationNameChat, "chat": genaiconv.OperationNameChat,
	"converse": genaiconv.OperationNameChat, "converse-stream": genaiconv.OperationNameChat,
	"invoke": genaiconv.OperationNameTextCompletion, "invoke-with-response-stream": genaiconv.OperationNameTextCompletion,
	"completions":     genaiconv.OperationNameTextCompletion,
	"generateContent": genaiconv.OperationNameGenerateContent, "streamGenerateContent": genaiconv.OperationNameGenerateContent,
	"v1.generateContent": genaiconv.OperationNameGenerateContent, "v1.streamGenerateContent": genaiconv.OperationNameGenerateContent,
	"embeddings": genaiconv.OperationNameEmbeddings, "v1.embeddings": genaiconv.OperationNameEmbeddings, "embed": genaiconv.OperationNameEmbeddings,
	"embedContent": genaiconv.OperationNameEmbeddings, "batchEmbedContents": genaiconv.OperationNameEmbeddings,
	"v1.embedContent": genaiconv.OperationNameEmbeddings, "v1.batchEmbedContents": genaiconv.OperationNameEmbeddings,
}

var systems = map[string]genaiconv.ProviderNameAttr{
	"openai": genaiconv.ProviderNameOpenAI, "azure-openai": genaiconv.ProviderNameAzureAIOpenAI, "anthropic": genaiconv.ProviderNameAnthropic,
	"gemini": genaiconv.ProviderNameGCPGemini, "vertex": genaiconv.ProviderNameGCPVertexAI, "aws-bedrock": genaiconv.ProviderNameAWSBedrock,
	"cohere": genaiconv.ProviderNameCohere, "mistral": genaiconv.ProviderNameMistralAI, "groq": genaiconv.ProviderNameGroq,
	"deepseek": genaiconv.ProviderNameDeepseek, "xai": genaiconv.ProviderNameXAI,
}
