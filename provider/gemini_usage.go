package provider

import (
	"bytes"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// geminiReport is usageMetadata. The prompt has what was read from the cache within, and the candidates do not
// have the thoughts.
type geminiReport struct {
	prompt, candidates, cached, thoughts, toolPrompt count
	promptBy, toolBy, cachedBy, outputBy             geminiDetails
	traffic                                          string // Vertex's
}

// read reads the usage of an answer.
func (r *geminiReport) read(raw []byte) bool {
	in := newReport(raw)
	for in.object(); in.member(); {
		switch string(in.key) {
		case "promptTokenCount":
			in.number(&r.prompt)
		case "candidatesTokenCount":
			in.number(&r.candidates)
		case "cachedContentTokenCount":
			in.number(&r.cached)
		case "thoughtsTokenCount":
			in.number(&r.thoughts)
		case "toolUsePromptTokenCount":
			in.number(&r.toolPrompt)
		case "promptTokensDetails":
			r.promptBy.read(&in)
		case "toolUsePromptTokensDetails":
			r.toolBy.read(&in)
		case "cacheTokensDetails":
			r.cachedBy.read(&in)
		case "candidatesTokensDetails":
			r.outputBy.read(&in)
		case "trafficType":
			in.word(&r.traffic)
		default:
			in.pass()
		}
	}
	return in.done()
}

// geminiDetails are the tokens of a count by what they stand for. The pages of a DOCUMENT are images.
type geminiDetails struct{ audio, image, video part }

func (d *geminiDetails) read(in *reportReader) {
	*d = geminiDetails{}
	for in.list(); in.element(); {
		var to *part
		var tokens count
		for in.object(); in.member(); {
			switch string(in.key) {
			case "modality":
				to = d.of(in.text())
			case "tokenCount":
				in.number(&tokens)
			default:
				in.pass()
			}
		}
		if to != nil {
			to.add(tokens.n)
		}
	}
}

func (d *geminiDetails) of(name []byte) *part {
	switch string(name) {
	case "AUDIO":
		return &d.audio
	case "IMAGE", "DOCUMENT":
		return &d.image
	case "VIDEO":
		return &d.video
	}
	return nil
}

// metered turns a report into usage by classes.
func (r *geminiReport) metered() (Metered, bool) {
	if !r.prompt.set && !r.candidates.set {
		return Metered{}, false
	}
	var c clamp
	in := c.within(c.within(r.prompt.n, maxReported)+c.within(r.toolPrompt.n, maxReported), maxReported)
	cached := c.within(r.cached.n, in)
	cachedAudio := r.cachedBy.audio.within(cached, &c)
	cachedImage := r.cachedBy.image.within(cached-cachedAudio, &c)
	left := in - cached
	take := func(prompt, tool part, cachedOfIt int64) int64 {
		all := c.within(prompt.within(in, &c)+tool.within(in, &c), in)
		n := c.within(max(0, all-cachedOfIt), left)
		left -= n
		return n
	}
	u := sentinel.Usage{
		sentinel.Requests: 1, sentinel.CachedInputTokens: cached - cachedAudio - cachedImage,
		sentinel.CachedAudioTokens: cachedAudio, sentinel.CachedImageTokens: cachedImage,
		sentinel.AudioInputTokens: take(r.promptBy.audio, r.toolBy.audio, cachedAudio),
		sentinel.ImageInputTokens: take(r.promptBy.image, r.toolBy.image, cachedImage),
		sentinel.VideoInputTokens: take(r.promptBy.video, r.toolBy.video, r.cachedBy.video.within(cached, &c)),
		sentinel.ReasoningTokens:  c.within(r.thoughts.n, maxReported),
	}
	u[sentinel.InputTokens] = left
	out := c.within(r.candidates.n, maxReported)
	u[sentinel.AudioOutputTokens] = r.outputBy.audio.within(out, &c)
	u[sentinel.ImageOutputTokens] = r.outputBy.image.within(out, &c)
	u[sentinel.VideoOutputTokens] = r.outputBy.video.within(out, &c)
	u[sentinel.OutputTokens] = c.within(out-u[sentinel.AudioOutputTokens]-u[sentinel.ImageOutputTokens]-u[sentinel.VideoOutputTokens], maxReported)
	return Metered{Usage: u, Method: c.method(), Tier: geminiTraffic(r.traffic), Reported: true}, true
}

// geminiTraffic names the price list of a kind of traffic. Provisioned throughput is paid by the hour: no catalog has its list, so that the entry says so.
func geminiTraffic(kind string) string {
	switch kind {
	case "", "TRAFFIC_TYPE_UNSPECIFIED":
		return ""
	case "ON_DEMAND":
		return "standard"
	}
	return strings.ToLower(clip(strings.TrimPrefix(kind, "ON_DEMAND_")))
}

// geminiServed is the header by which Gemini's API tells the service tier that it gave.
const geminiServed = "x-gemini-service-tier"

// served names the price list of an answer: as its header says, or else its report.
func (s MeterSpec) served(reported string) string {
	if s.Header != nil {
		if tier := s.Header(geminiServed); tier != "" {
			return strings.ToLower(clip(tier))
		}
	}
	return reported
}

var queriesKey = []byte(`"webSearchQueries"`)

// queries tell whether an answer was grounded by a search, however its bytes are split: one with an empty list of queries was not. Within a text the key's
// quotes would be escaped.
type queries struct {
	matched int // bytes of the key: the last that were read, or all of them in front of what was read since
	found   bool
}

func (q *queries) write(chunk []byte) {
	for i := 0; i < len(chunk) && !q.found; {
		switch {
		case q.matched == len(queriesKey):
			if strings.IndexByte(": \t\r\n[", chunk[i]) < 0 {
				q.found, q.matched = chunk[i] == '"', 0
			}
			i++
		case q.matched > 0: // by the end of the chunk before
			if chunk[i] != queriesKey[q.matched] {
				q.matched = 0
				continue // it may begin the key
			}
			q.matched++
			i++
		default:
			at := bytes.Index(chunk[i:], queriesKey)
			if at < 0 {
				q.begun(chunk[i:])
				return
			}
			q.matched = len(queriesKey)
			i += at + len(queriesKey)
		}
	}
}

// begun looks for the beginning of the key at the end of a chunk.
func (q *queries) begun(chunk []byte) {
	if at := bytes.LastIndexByte(chunk, '"'); at >= 0 && bytes.HasPrefix(queriesKey, chunk[at:]) {
		q.matched = len(chunk) - at
	}
}

// geminiMeter reads a JSON answer.
type geminiMeter struct {
	jsonMeter
	queries queries
}

func newGeminiMeter(s MeterSpec) *geminiMeter {
	m := &geminiMeter{jsonMeter: jsonMeter{spec: s, read: geminiUsage, estimates: strings.Contains(s.Endpoint.Name, "mbed")}}
	m.scan.look(geminiMembers)
	return m
}

// Write takes the next bytes.
func (m *geminiMeter) Write(chunk []byte) []byte {
	if billsByPrompt(m.spec.Model) {
		m.queries.write(chunk)
	}
	return m.jsonMeter.Write(chunk)
}

// Finish gives the reported usage, and the search that no report has.
func (m *geminiMeter) Finish(complete bool) Metered {
	got := m.jsonMeter.Finish(complete)
	if !got.Reported {
		return got
	}
	got.Tier = m.spec.served(got.Tier)
	if m.queries.found {
		got.Usage[sentinel.WebSearches] = 1
	}
	return got
}

var geminiMembers = []string{"usageMetadata", "modelVersion"}

// geminiUsage reads the report of a JSON answer.
func geminiUsage(found *scanner) (Metered, bool) {
	var r geminiReport
	if !r.read(found.get("usageMetadata")) {
		return Metered{}, false
	}
	got, ok := r.metered()
	got.Model = unquote(found.get("modelVersion"))
	return got, ok
}

// geminiStream reads a stream, as server-sent events or as a JSON array. Every element may report the totals
// so far; the last report counts, and is whole when an element told why the answer ended.
type geminiStream struct {
	spec    MeterSpec
	version string
	usage   []byte
	last    [2][]byte // the newest elements: they have the totals so far of a stream that is cut, the second maybe in part
	queries queries
	ended   bool
}

func newGeminiStream(s MeterSpec) *geminiStream { return &geminiStream{spec: s} }

var geminiTexts = []textMember{{name: "candidates", in: []textMember{{name: "content", in: []textMember{{name: "parts", in: []textMember{
	{name: "text", take: aString},
	{name: "functionCall", in: []textMember{{name: "name", take: aString}, {name: "args", take: anyValue}}},
}}}}}}}

func (*geminiStream) texts() []textMember { return geminiTexts }

var geminiKeysOfReports = [][]byte{[]byte(`"finishReason"`), []byte(`"promptFeedback"`), queriesKey}

// reports keeps an element that does not end the answer: it is read only if the end never comes.
func (r *geminiStream) reports(data []byte) bool {
	if len(data) < maxUnread {
		r.last[0], r.last[1] = r.last[1], append(r.last[0][:0], data...)
	}
	for _, key := range geminiKeysOfReports {
		if hasValue(data, key) {
			return true
		}
	}
	return false
}

func (r *geminiStream) read(data []byte) bool {
	var usage []byte
	var version string
	ended := false
	in := newReport(data)
	for in.object(); in.member(); {
		switch string(in.key) {
		case "candidates":
			for in.list(); in.element(); {
				ended = hasFinished(&in) || ended
			}
		case "promptFeedback": // of a prompt that was blocked
			in.pass()
			ended = true
		case "usageMetadata":
			usage = in.raw()
		case "modelVersion":
			in.word(&version)
		default:
			in.pass()
		}
	}
	if !in.done() {
		return false
	}
	r.ended = r.ended || ended
	r.queries.write(data)
	if len(usage) > 0 {
		r.usage, r.version = append(r.usage[:0], usage...), version
	}
	return false
}

// hasFinished tells whether a candidate says why it ended.
func hasFinished(in *reportReader) (ended bool) {
	for in.object(); in.member(); {
		if string(in.key) == "finishReason" {
			ended = len(in.text()) > 0
		} else {
			in.pass()
		}
	}
	return ended
}

func (r *geminiStream) result() (Metered, bool) {
	if !r.ended {
		r.read(r.last[0])
		r.read(r.last[1]) // leaves what the first said when it is cut itself
	}
	var report geminiReport
	if !report.read(r.usage) {
		return Metered{}, false
	}
	got, ok := report.metered()
	got.Model, got.Tier = r.version, r.spec.served(got.Tier)
	if r.queries.found && billsByPrompt(r.spec.Model) {
		got.Usage[sentinel.WebSearches] = 1
	}
	return got, ok && r.ended
}
