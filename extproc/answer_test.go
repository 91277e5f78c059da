package extproc_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/types/known/structpb"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/extproc"
)

// answering is a call that was admitted, whose answer begins.
type answering struct {
	*rig
	st   extprocv3.ExternalProcessor_ProcessClient
	stop context.CancelFunc
	id   sentinel.CallID
	head *extprocv3.ProcessingResponse
}

// answer admits a call and begins its answer.
func (r *rig) answer(a ask, line string, head ...[2]string) *answering {
	r.Helper()
	method, path, _ := strings.Cut(line, " ")
	v, _ := r.judged(a, method, path)
	_, mark := common(r.T, v)
	id, err := sentinel.ParseCallID(mark)
	must(r, err)
	out := &answering{rig: r, id: id}
	ctx, cancel := context.WithCancel(r.Context())
	r.Cleanup(cancel)
	out.stop = cancel
	out.st, err = r.client.Process(ctx)
	must(r, err)
	must(r, out.st.Send(&extprocv3.ProcessingRequest{
		Request:    &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: headerMap(head...)},
		Attributes: ticket(v.DynamicMetadata.Fields[extproc.Namespace].GetStructValue().Fields["t"].GetStringValue()),
	}))
	out.head, err = out.st.Recv()
	must(r, err)
	return out
}

// chunk sends bytes of the answer and gives what the client gets.
func (a *answering) chunk(text string, end bool) string {
	a.Helper()
	must(a, a.st.Send(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseBody{
		ResponseBody: &extprocv3.HttpBody{Body: []byte(text), EndOfStream: end},
	}}))
	v, err := a.st.Recv()
	must(a, err)
	switch m := v.GetResponseBody().GetResponse().GetBodyMutation(); {
	case m == nil:
		return text
	case m.GetClearBody():
		return ""
	default:
		return string(m.GetBody())
	}
}

func (a *answering) mode() filterv3.ProcessingMode_BodySendMode {
	return a.head.GetModeOverride().GetResponseBodyMode()
}

var (
	toChat  = ask{route: "openai/chat.completions", headers: [][2]string{bearer}, body: chat}
	streams = ask{route: "openai/chat.completions", headers: [][2]string{bearer}, body: strings.Replace(chat, "{", `{"stream":true,`, 1)}
	asks    = ask{route: "openai/chat.completions", headers: [][2]string{bearer}, body: strings.Replace(chat, "{", `{"stream":true,"stream_options":{"include_usage":true},`, 1)}
)

const (
	chatLine  = "POST /openai/v1/chat/completions"
	chatReply = `{"id":"x","model":"gpt-5-mini","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9,"total_tokens":16}}`
	usage     = `data: {"id":"x","model":"gpt-5-mini","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}` + "\n\n"
)

func delta(text string) string {
	return `data: {"id":"x","model":"gpt-5-mini","choices":[{"index":0,"delta":{"content":` + strconv.Quote(text) + `}}]}` + "\n\n"
}

// only gives the one entry of the one call, when every handler has ended.
func (r *rig) only() sentinel.Entry {
	r.Helper()
	r.finish()
	if len(r.intents) != 1 || len(r.entries) != 1 || len(r.settled) != 1 || r.entries[0].ID != r.intents[0].ID || r.late != nil {
		r.Fatalf("%d intents, entries %+v, settlements %+v, context %v; want one of each", len(r.intents), r.entries, r.settled, r.late)
	}
	if r.server.Metering(r.entries[0].ID) {
		r.Error("the call is still said to be metered")
	}
	return r.entries[0]
}

func TestJSONAnswerIsBookedBeforeItIsReleased(t *testing.T) {
	r := newRig(t)
	a := r.answer(toChat, chatLine, [2]string{":status", "200"}, [2]string{"content-type", "application/json"}, [2]string{"content-length", strconv.Itoa(len(chatReply))})
	if a.mode() != filterv3.ProcessingMode_BUFFERED {
		t.Errorf("a short JSON answer is read as %s", a.mode())
	}
	set := setOf(a.head.GetResponseHeaders().GetResponse().GetHeaderMutation())
	if !slices.Equal(set["x-sentinel-call"], []string{a.id.String()}) || !slices.Equal(set["x-sentinel-verdict"], []string{"allow"}) {
		t.Errorf("the client is told %v", set)
	}
	if !r.server.Metering(a.id) {
		t.Error("the call is not said to be metered")
	}
	if got := a.chunk(chatReply, true); got != chatReply {
		t.Errorf("the answer became %s", got)
	}
	select {
	case <-r.booked:
	default:
		t.Error("the answer was released before it was booked")
	}
	must(t, a.st.CloseSend())
	e := r.only()
	const cost = 7*250 + 9*2000 // at 0.25 and 2 dollars a million tokens
	if e.Cost != cost || e.Source != sentinel.SourceMeter || e.Estimated() || e.Status != 200 || e.Usage.TokenSum() != 16 {
		t.Errorf("booked as %+v, want %d nano-dollars", e, cost)
	}
	if r.settled[0].Actual[sentinel.MeasureCost] != cost {
		t.Errorf("the hold ends with %v", r.settled[0].Actual)
	}
}

func TestAnswersOfUnknownLengthAreReadAsTheyPass(t *testing.T) {
	for name, head := range map[string][][2]string{
		"no length":       {{":status", "200"}, {"content-type", "application/json"}},
		"a great length":  {{":status", "200"}, {"content-type", "application/json"}, {"content-length", "99999999"}},
		"a stream's type": {{":status", "200"}, {"content-type", "text/event-stream; charset=utf-8"}, {"content-length", "10"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newRig(t).answer(toChat, chatLine, head...)
			if a.mode() != filterv3.ProcessingMode_STREAMED {
				t.Errorf("it is read as %s", a.mode())
			}
			for _, part := range []string{chatReply[:20], chatReply[20:50], chatReply[50:]} {
				if got := a.chunk(part, false); got != part {
					t.Errorf("%q became %q", part, got)
				}
			}
			a.chunk("", true)
		})
	}
}

func TestErrorsOfTheProviderCostNothing(t *testing.T) {
	for _, status := range []string{"400", "401", "429", "500", "302"} {
		r := newRig(t)
		a := r.answer(toChat, chatLine, [2]string{":status", status}, [2]string{"content-type", "application/json"})
		if a.mode() != filterv3.ProcessingMode_STREAMED { // it may quote the credential
			t.Errorf("an answer of %s is read as %s", status, a.mode())
		}
		must(t, a.st.CloseSend())
		if e := r.only(); e.Cost != 0 || strconv.Itoa(e.Status) != status || e.Source != sentinel.SourceMeter {
			t.Errorf("an answer of %s is booked as %+v", status, e)
		}
	}
}

// pauses remember places in memory.
type pauses map[string]time.Time

func (p pauses) Pause(place string, until time.Time) { p[place] = until }
func (p pauses) PausedUntil(place string) time.Time  { return p[place] }
func (p pauses) left(now time.Time) (longest time.Duration) {
	for _, until := range p {
		longest = max(longest, until.Sub(now))
	}
	return longest
}

// Google says when to come back in an error's details, and in no header: it may come in pieces, and in a list.
func TestAnErrorOfGooglesSaysWhenToComeBack(t *testing.T) {
	const line, info = "POST /gemini/v1beta/models/gemini-2.5-flash:generateContent", `{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[
		{"@type":"type.googleapis.com/google.rpc.Help","links":[]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"27.5s"}]}}`
	toGemini := ask{route: "gemini/generateContent", headers: [][2]string{bearer}, body: `{"contents":[{"parts":[{"text":"hi"}]}]}`}
	for name, tt := range map[string]struct {
		status, body string
		heeded       bool
	}{
		"a refusal":             {"429", info, true},
		"of a list":             {"503", "[" + info + "\n]", true},
		"without a time":        {"429", strings.ReplaceAll(info, "retryDelay", "other"), false},
		"an answer":             {"200", info, false},
		"an error of its own":   {"500", info, false},
		"more than anyone says": {"429", strings.Repeat(" ", 17<<10) + info, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			places := pauses{}
			r.server.Governor.Pauses = places
			var told []string
			r.server.Paused = func(provider string) { told = append(told, provider) }
			a := r.answer(toGemini, line, [2]string{":status", tt.status}, [2]string{"content-type", "application/json"})
			if got := a.chunk(tt.body[:90], false) + a.chunk(tt.body[90:], true); got != tt.body {
				t.Errorf("the client gets %s", got)
			}
			must(t, a.st.CloseSend())
			r.only()
			left := places.left(time.Now())
			if (left > 27*time.Second && left <= 27500*time.Millisecond) != tt.heeded || slices.Equal(told, []string{"gemini"}) != tt.heeded {
				t.Errorf("it is left alone for %s, told %q; want that: %v", left, told, tt.heeded)
			}
		})
	}
}

func TestFlatPriceIsBookedWithTheHeaders(t *testing.T) {
	r := newRig(t)
	a := r.answer(ask{route: "weather/forecast", headers: [][2]string{{"x-api-key", token}}}, "GET /weather/v1/forecast/lima", [2]string{":status", "200"}, [2]string{"content-type", "image/png"})
	if a.mode() != filterv3.ProcessingMode_NONE {
		t.Errorf("the body is read as %s", a.mode())
	}
	must(t, a.st.CloseSend())
	if e := r.only(); e.Cost != sentinel.USD/10 {
		t.Errorf("it cost %s, want $0.10", e.Cost)
	}
}

func TestUsageEventIsHiddenFromThoseWhoDidNotAsk(t *testing.T) {
	for name, tt := range map[string]struct {
		ask  ask
		want string
	}{
		"not asked for": {streams, delta("a") + delta("b") + "data: [DONE]\n\n"},
		"asked for":     {asks, delta("a") + delta("b") + usage + "data: [DONE]\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			a := r.answer(tt.ask, chatLine, [2]string{":status", "200"}, [2]string{"content-type", "text/event-stream"})
			if a.mode() != filterv3.ProcessingMode_STREAMED {
				t.Errorf("a stream is read as %s", a.mode())
			}
			got := a.chunk(delta("a"), false)
			if got != delta("a") {
				t.Errorf("a whole event was held back: %q", got)
			}
			got += a.chunk(delta("b")+usage[:30], false)
			got += a.chunk(usage[30:]+"data: [DONE]\n\n", false)
			got += a.chunk("", true)
			if got != tt.want {
				t.Errorf("the client gets\n%s\nwant\n%s", got, tt.want)
			}
			must(t, a.st.CloseSend())
			if e := r.only(); e.Usage.TokenSum() != 10 || e.Source != sentinel.SourceMeter || e.Cost != 7*250+3*2000 || !e.Stream {
				t.Errorf("booked as %+v", e)
			}
		})
	}
}

func TestCutAnswersAreBookedOnceByWhatWasSent(t *testing.T) {
	for name, cut := range map[string]func(a *answering){
		"Envoy ends the stream":     func(a *answering) { must(a, a.st.CloseSend()) },
		"the client hangs up":       func(a *answering) { a.stop() },
		"something else than bytes": func(a *answering) { must(a, a.st.Send(&extprocv3.ProcessingRequest{})) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			a := r.answer(streams, chatLine, [2]string{":status", "200"}, [2]string{"content-type", "text/event-stream"})
			a.chunk(delta("one two three"), false)
			cut(a)
			e := r.only()
			if out := e.Usage[sentinel.OutputTokens]; out != 3 || e.Source != sentinel.SourcePartial || !e.Estimated() {
				t.Errorf("three words were sent; booked as %d tokens by %s, method %q", out, e.Source, e.Method)
			}
		})
	}
}

// The answer runs on without its meter: what it will have used is not what was seen of it.
func TestStoppingServerLeavesAnswersToTheReconciler(t *testing.T) {
	r := newRig(t)
	a := r.answer(streams, chatLine, [2]string{":status", "200"}, [2]string{"content-type", "text/event-stream"})
	a.chunk(delta("one two three"), false)
	r.server.Stop()
	r.grpc.Stop()
	if _, err := a.st.Recv(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v", err)
	}
	if len(r.intents) != 1 || len(r.entries) != 0 || len(r.settled) != 0 {
		t.Errorf("%d intents, entries %+v, settlements %+v; want the intent alone", len(r.intents), r.entries, r.settled)
	}
}

func TestAnswerThatEndsWhileTheServerStopsIsBooked(t *testing.T) {
	r := newRig(t)
	a := r.answer(toChat, chatLine, [2]string{":status", "200"}, [2]string{"content-type", "application/json"})
	r.server.Stop()
	a.chunk(chatReply, true)
	must(t, a.st.CloseSend())
	if e := r.only(); e.Source != sentinel.SourceMeter {
		t.Errorf("booked by %s", e.Source)
	}
}

// A ticket that is not ours must neither cut the answer nor reach the ledger.
func TestForeignTicketsPassAndAreNotBooked(t *testing.T) {
	for name, text := range map[string]string{"none": "", "noise": "noise", "another version": "9\x1f\x1f"} {
		r := newRig(t)
		st, err := r.client.Process(t.Context())
		must(t, err)
		must(t, st.Send(&extprocv3.ProcessingRequest{
			Request:    &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: headerMap([2]string{":status", "200"})},
			Attributes: ticket(text),
		}))
		v, err := st.Recv()
		if err != nil || v.GetModeOverride().GetResponseBodyMode() != filterv3.ProcessingMode_NONE || v.GetResponseHeaders() == nil {
			t.Errorf("%s: the answer got %v, %v", name, v, err)
		}
		r.finish()
		if len(r.entries) > 0 {
			t.Errorf("%s: booked %+v", name, r.entries)
		}
	}
}

// ticket is how Envoy hands meter the ticket that guard left.
func ticket(text string) map[string]*structpb.Struct {
	return map[string]*structpb.Struct{"envoy.filters.http.ext_proc": {Fields: map[string]*structpb.Value{extproc.TicketAttribute: structpb.NewStringValue(text)}}}
}

func part(b []byte, end bool) *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseBody{ResponseBody: &extprocv3.HttpBody{Body: b, EndOfStream: end}}}
}

// A provider that quotes its credential must not tell it to the caller: in no header, no body, and at no split.
func TestTheCredentialIsBlankedInAnswers(t *testing.T) {
	const quote = `{"error":{"message":"Incorrect API key provided: ` + secret + `"}}`
	weather := ask{route: "weather/forecast", headers: [][2]string{{"x-api-key", token}}}
	for name, tt := range map[string]struct {
		ask          ask
		line, status string
		text         string
	}{
		"an error": {toChat, chatLine, "401", quote}, "a metered answer": {toChat, chatLine, "200", quote}, "a stream": {asks, chatLine, "200", "data: " + quote + "\n\n"},
		"a stream whose usage is hidden": {streams, chatLine, "200", "data: " + quote + "\n\n"}, "an unmetered answer": {weather, "GET /weather/v1/forecast/lima", "200", quote},
	} {
		t.Run(name, func(t *testing.T) {
			kind := "application/json"
			if strings.HasPrefix(tt.text, "data") {
				kind = "text/event-stream"
			}
			for at := 0; at <= len(tt.text); at += 5 {
				a := newRig(t).answer(tt.ask, tt.line, [2]string{":status", tt.status}, [2]string{"content-type", kind}, [2]string{"x-debug", "key=" + secret})
				if got := setOf(a.head.GetResponseHeaders().GetResponse().GetHeaderMutation())["x-debug"]; len(got) != 1 || got[0] != "key="+strings.Repeat("*", len(secret)) {
					t.Fatalf("the header became %q", got)
				}
				got := a.chunk(tt.text[:at], false) + a.chunk(tt.text[at:], true)
				if want := strings.Replace(tt.text, secret, strings.Repeat("*", len(secret)), 1); got != want {
					t.Fatalf("split at %d it became %q", at, got)
				}
			}
		})
	}
}
