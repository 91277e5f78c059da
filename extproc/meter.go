package extproc

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// maxBuffered bounds the JSON answers that Envoy holds back as a whole, which keeps their content-length.
// Longer ones, and those of unknown length, are read as they stream past.
const maxBuffered = 256 << 10

// maxSaid bounds what is read of an error for when to come back.
const maxSaid = 16 << 10

// endedGrace is how long a client whose answer is ended has to hang up by itself, as SDKs do; then the provider is.
const endedGrace = time.Second

// endedMessage is what a client is told whose answer is ended.
const endedMessage = "saas-sentinel ended this answer: its provider sent more than it was asked for, and a hard budget holds no more."

// answer is one answer being metered.
type answer struct {
	ticket    governor.Ticket
	status    int
	firstByte time.Duration
	meter     provider.Meter
	scrub     scrubber
	translate provider.Translator // into the client's words; nil where they are the provider's
	ending    *provider.Ending    // nil for an answer that is not ended before its time
	ended     time.Time           // when its last event was given
	body      recording
	said      recording // of an error that may say when to come back
	unseen    bool      // Envoy answers for a provider that may have served the call
	settled   bool
}

// meter reads one answer. It settles on the last chunk, before that is released, or when the
// stream ends without one: a client that hung up, or a reset upstream. What waits for the chunks waits on a small stack: most of a long answer's memory
// is that.
func (s *Server) meter(st *answeredStream, first *extprocv3.ProcessingRequest) error {
	a, ok := answerTo(first)
	if !ok { // a refusal of ours on its way out: it is booked already
		return st.SendFinal(readAnswer(&a.ticket, filterv3.ProcessingMode_NONE, nil, false))
	}
	s.metering.Store(a.ticket.Call.ID, struct{}{})
	defer s.metering.Delete(a.ticket.Call.ID)
	reads, err := s.begin(st, a, first)
	defer s.leave(st, a)
	if err != nil || !reads {
		return err
	}
	return s.chunks(st, a)
}

// leave ends the metering of an answer, however it ended.
func (s *Server) leave(st *answeredStream, a *answer) {
	defer s.abandon(st, a)
	s.captureResponse(a)
}

// answerTo reads whose answer it is. Inlined, it would leave the answer and its ticket on the stack that waits.
//
//go:noinline
func answerTo(first *extprocv3.ProcessingRequest) (a *answer, ok bool) {
	a = new(answer)
	a.ticket, ok = ticketOf(first)
	return a, ok
}

// begin answers the head of an answer, and tells whether its body comes.
func (s *Server) begin(st *answeredStream, a *answer, first *extprocv3.ProcessingRequest) (reads bool, err error) {
	h := headersOf(first.GetResponseHeaders())
	meters := s.open(a, h)
	origin := attribute(first, OriginAttribute)
	// A request of events that is cut has been served until then, whoever answers for the provider.
	a.unseen = unseen(origin) || s.Governor.Route(&a.ticket).Endpoint.Events && origin != "via_upstream"
	ends := first.GetResponseHeaders().GetEndOfStream()
	if !meters || ends {
		s.settle(st, a, true)
	}
	mode := filterv3.ProcessingMode_NONE
	switch n, err := strconv.Atoi(h.get("content-length")); {
	case a.translate != nil && !ends && !isEventStream(h):
		mode = filterv3.ProcessingMode_BUFFERED // its headers wait until its length is known
	case ends, !meters && !a.ticket.Capture.Response && a.said.most == 0 && (a.scrub.Needles == nil || !textual(h.get("content-type"))):
	case err == nil && n <= maxBuffered && !isEventStream(h):
		mode = filterv3.ProcessingMode_BUFFERED
	default:
		mode = filterv3.ProcessingMode_STREAMED
	}
	err = st.SendFinal(readAnswer(&a.ticket, mode, h.blanked(a.scrub.Needles), a.translate != nil))
	return mode != filterv3.ProcessingMode_NONE, err
}

// open begins to meter an answer, and tells whether its body must be read for that.
func (s *Server) open(a *answer, h headers) (meters bool) {
	t := &a.ticket
	a.settled, a.firstByte = t.Failed != 0, max(0, s.Governor.Now().Sub(t.Call.At)) // Redis' clock may be put back
	if t.Capture.Response {
		a.body.most = t.Capture.MaxBytes
	}
	a.status, _ = strconv.Atoi(h.get(":status"))
	route := s.Governor.Route(t)
	if route.Preset.PausesInBody(a.status) {
		a.said.most = maxSaid
	}
	spec := provider.MeterSpec{
		Endpoint: route.Endpoint, Model: route.Provider.Known(t.Call.Model), Stream: t.Call.Stream, HideUsage: t.HideUsage,
		Weight: t.Weight, MilliTokens: s.Governor.MilliTokens(t.Call.Model), Status: a.status, ContentType: h.get("content-type"), Tier: t.Call.Tier, Currencies: route.Currencies, Header: h.get, Bound: t.Bound,
	}
	if t.Call.Stream {
		spec.OutputMilliTokens, spec.Sample = s.Governor.OutputMilliTokens(t.Call.Model), governor.Sampled(t.Call.ID)
	}
	spoken := provider.Speech{Preset: route.Preset, Endpoint: route.Endpoint}
	words := spoken // of the client
	if t.From != "" {
		asked := s.Governor.Asked(t)
		words = provider.Speech{Preset: asked.Preset, Endpoint: asked.Endpoint}
		a.translate = provider.NewTranslator(provider.AnswerSpec{
			Client: words, Provider: spoken,
			Status: a.status, ContentType: spec.ContentType, HideUsage: t.HideUsage, At: t.Call.At,
		})
		spec.HideUsage = t.HideUsage && a.translate == nil
	}
	a.meter = route.Preset.NewMeter(spec)
	if t.Next == "" && t.Attempt == 0 { // the others' answers pass the stage of their attempt
		s.heed(t, a.status, h, nil)
	}
	a.scrub.Needles = s.Credentials.Echoes(route, a.status >= 300)
	if t.Hard && a.status < 300 {
		a.ending = provider.NewEnding(words, spec.ContentType, provider.Refusal{Status: http.StatusTooManyRequests, Code: string(sentinel.ReasonBudget), Message: endedMessage})
	}
	return route.Endpoint.Meters && a.status < 300 && provider.Reads(a.meter)
}

// unseen tells by Envoy's response code details whether an answer is Envoy's own, for a provider that had the request, or a part of it, and
// did not answer: it may bill what the call can cost. What never reached a provider costs nothing.
func unseen(details string) bool {
	if reset, ok := strings.CutPrefix(details, "upstream_reset_before_response_started{"); ok {
		return !slices.ContainsFunc(beforeTheRequest, func(reason string) bool { return strings.HasPrefix(reset, reason) })
	}
	return slices.Contains([]string{"response_timeout", "upstream_per_try_timeout", "upstream_per_try_idle_timeout", "upstream_max_stream_duration_reached", "stream_idle_timeout"}, details)
}

// beforeTheRequest are Envoy's reasons of a reset before the provider could have begun with a request.
var beforeTheRequest = []string{"remote_connection_failure", "local_connection_failure", "connection_timeout", "overflow", "remote_refused_stream_reset"}

// heed keeps calls away from a provider that asks for a pause, with its answer's headers or what is known of its body.
func (s *Server) heed(t *governor.Ticket, status int, h headers, body []byte) {
	if s.Governor.Quarantine(t, status) {
		s.Quarantined(t.Call.Provider)
		s.Log.Error().Str("provider", t.Call.Provider).Int("credential", t.Key).Msg("provider refuses a credential, the others are used")
	}
	s.paused(t, status, s.Governor.Heed(t, status, h.get, body))
}

// paused tells that calls are kept away from a provider for so long.
func (s *Server) paused(t *governor.Ticket, status int, d time.Duration) {
	if d == 0 {
		return
	}
	s.Paused(t.Call.Provider)
	s.Log.Warn().Str("provider", t.Call.Provider).Str("model", t.Call.Model).Int("status", status).Dur("pause", d).Msg("provider asks for a pause")
}

func isEventStream(h headers) bool {
	return strings.HasPrefix(strings.ToLower(h.get("content-type")), "text/event-stream")
}

// chunks feeds the meter until the answer's end. Where nothing is hidden, a chunk goes on before it is metered; one that cannot go on, because Envoy
// has gone meanwhile, is metered too, because the provider has written it. Envoy half-closes the stream of an answer that is cut, and does not reset it
// (envoy.Bootstrap says so): of what has arrived on a stream that is reset, gRPC drops half.
func (s *Server) chunks(st *answeredStream, a *answer) error {
	for {
		r, err := st.Recv()
		if err != nil {
			s.ended(a, err)
			return nil // abandon books what has arrived
		}
		body := r.GetResponseBody()
		if body == nil {
			return status.Errorf(codes.InvalidArgument, "expected a chunk of the answer, got %T", r.Request)
		}
		a.said.write(body.Body)
		if a.overdue(s.Governor.Now()) && !body.EndOfStream {
			a.meter.Write(body.Body)
			s.settle(st, a, false)
			return st.SendFinal(hangUp())
		}
		switch {
		case body.EndOfStream:
			return s.last(st, a, body.Body)
		case a.ticket.HideUsage, a.translate != nil:
			_ = st.Send(passChunk(body.Body, a.onward(a.translated(a.meter.Write(body.Body)), false)))
		default:
			_ = st.Send(passChunk(body.Body, a.onward(body.Body, false)))
			a.meter.Write(body.Body)
		}
		if a.ending != nil && provider.Outgrown(a.meter) && a.ending.End() {
			s.Log.Warn().Str("call", a.ticket.Call.ID.String()).Str("provider", a.ticket.Call.Provider).Str("model", a.ticket.Call.Model).Msg("answer ended, it outgrew its hold")
		}
	}
}

// ended tells, once, of an Envoy that resets the streams of cut answers: they are booked with less than was billed.
func (s *Server) ended(a *answer, err error) {
	if !errors.Is(err, io.EOF) && !s.stopping.Load() {
		s.reset.Do(func() {
			s.Log.Warn().Err(err).Str("call", a.ticket.Call.ID.String()).
				Msg("the stream of an answer was reset, and chunks on it may be lost: if Envoy did not end, start it with a new bootstrap, which has such streams half-closed")
		})
	}
}

// overdue tells whether an answer that was ended still runs: what its provider sends, nobody gets, and somebody pays.
func (a *answer) overdue(now time.Time) bool {
	switch {
	case a.ending == nil || !a.ending.Ended():
		return false
	case a.ended.IsZero():
		a.ended = now
	}
	return now.Sub(a.ended) >= endedGrace
}

// last reads the last chunk, settles, and only then lets it go.
func (s *Server) last(st *answeredStream, a *answer, chunk []byte) error {
	s.paused(&a.ticket, a.status, s.Governor.HeedBody(&a.ticket, a.said.data))
	out := a.translated(a.meter.Write(chunk))
	if tail := s.settle(st, a, true); len(tail) > 0 {
		out = append(append([]byte(nil), out...), a.translated(tail)...)
	}
	if a.translate != nil {
		out = append(out, a.translate.Finish()...)
	}
	return st.Send(passChunk(chunk, a.onward(out, true)))
}

// onward gives the bytes that go to the client: without secrets, and recorded where the policy says so.
func (a *answer) onward(b []byte, last bool) []byte {
	out := a.scrub.write(b, last)
	if a.ending != nil {
		out = a.ending.Write(out)
	}
	a.body.write(out)
	return out
}

// translated puts bytes that the meter has read into the client's words.
func (a *answer) translated(b []byte) []byte {
	if a.translate == nil {
		return b
	}
	return a.translate.Write(b)
}

// settle books the call once, and returns bytes that the meter still held back.
func (s *Server) settle(st *answeredStream, a *answer, complete bool) []byte {
	if a.settled {
		return nil
	}
	a.settled = true
	m := a.meter.Finish(complete)
	if a.unseen {
		m = governor.Unseen(&a.ticket)
	}
	entry, _ := s.book(st, governor.Outcome{Ticket: a.ticket, Metered: m, Status: a.status, FirstByte: a.firstByte})
	s.settled(a.ticket, &entry)
	return m.Tail
}

// abandon settles an answer whose end nobody saw. When this process is the one that goes away, the
// answer itself runs on: its intent is left to the reconciler.
func (s *Server) abandon(st *answeredStream, a *answer) {
	if !a.settled && !s.stopping.Load() {
		s.settle(st, a, false)
	}
}

// told gives the headers that tell a client what became of its call, which went out.
func told(t *governor.Ticket, each func(name, value string)) {
	each("x-sentinel-call", t.Call.ID.String())
	each("x-sentinel-verdict", verdictOf(t))
	if t.Action == sentinel.Downgrade || t.Action == sentinel.Fallback {
		each("x-sentinel-model", t.Call.Model)
	}
	if t.Action == sentinel.Clamp {
		if w, ok := t.Call.Demand.Read(); ok {
			each("x-sentinel-max-tokens", strconv.FormatInt(t.Bound[sentinel.OutputTokens]/max(w.Choices, 1), 10))
		}
	}
}

// ToldOf lists the headers that the answer to an admitted call has of the gateway, whatever its provider answers; names are in lower case.
func ToldOf(t governor.Ticket) map[string]string {
	out := map[string]string{}
	told(&t, func(name, value string) { out[name] = value })
	return out
}

// readAnswer answers the response headers: how the body is to be read, what the client is told, and which headers
// change.
func readAnswer(t *governor.Ticket, mode filterv3.ProcessingMode_BodySendMode, changed []Header, translated bool) *extprocv3.ProcessingResponse {
	common := &extprocv3.CommonResponse{}
	if t.Call.ID != (sentinel.CallID{}) {
		set := make([]*corev3.HeaderValueOption, 0, 4)
		told(t, func(name, value string) { set = append(set, overwrite(name, value)) })
		for _, h := range changed {
			set = append(set, overwrite(h.Name, h.Value))
		}
		common.HeaderMutation = &extprocv3.HeaderMutation{SetHeaders: set}
		if translated { // what comes is of another length
			common.HeaderMutation.RemoveHeaders = []string{"content-length"}
		}
	}
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_ResponseHeaders{ResponseHeaders: &extprocv3.HeadersResponse{Response: common}},
		ModeOverride: &filterv3.ProcessingMode{
			RequestHeaderMode: filterv3.ProcessingMode_SKIP, ResponseHeaderMode: filterv3.ProcessingMode_SEND, ResponseBodyMode: mode,
		},
	}
}

// verdictOf tells a client what became of its call: also why, where that was decided after it had gone out.
func verdictOf(t *governor.Ticket) string {
	if t.Attempt > 0 || t.Action.Refused() {
		return t.Action.String() + "; reason=" + string(t.Reason)
	}
	return t.Action.String()
}

// passChunk lets a chunk go: as it is where out is the same bytes, else replaced.
func passChunk(in, out []byte) *extprocv3.ProcessingResponse {
	var mutation *extprocv3.BodyMutation
	switch {
	case len(in) == len(out) && (len(in) == 0 || &in[0] == &out[0]): // the very same bytes
		return unchanged
	case len(out) == 0:
		mutation = &extprocv3.BodyMutation{Mutation: &extprocv3.BodyMutation_ClearBody{ClearBody: true}}
	default:
		mutation = &extprocv3.BodyMutation{Mutation: &extprocv3.BodyMutation_Body{Body: out}}
	}
	return bodyReply(&extprocv3.CommonResponse{BodyMutation: mutation})
}

// hangUp has Envoy reset a stream whose answer has begun: an answer of ours comes too late for any other use.
func hangUp() *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ImmediateResponse{ImmediateResponse: &extprocv3.ImmediateResponse{
		Status: &typev3.HttpStatus{Code: typev3.StatusCode_BadGateway}, Details: "outgrown_answer_ended",
	}}}
}

func bodyReply(common *extprocv3.CommonResponse) *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_ResponseBody{ResponseBody: &extprocv3.BodyResponse{Response: common}},
	}
}
