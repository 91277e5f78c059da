package provider

import (
	"bytes"
	"encoding/json"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// geminiReport is usageMetadata. The prompt has what was read from the cache within, and the candidates do not
// have the thoughts.
type geminiReport struct {
	Prompt     *int64        `json:"promptTokenCount"`
	Candidates *int64        `json:"candidatesTokenCount"`
	Cached     int64         `json:"cachedContentTokenCount"`
	Thoughts   int64         `json:"thoughtsTokenCount"`
	ToolPrompt int64         `json:"toolUsePromptTokenCount"`
	PromptBy   geminiDetails `json:"promptTokensDetails"`
	ToolBy     geminiDetails `json:"toolUsePromptTokensDetails"`
	CachedBy   geminiDetails `json:"cacheTokensDetails"`
	OutputBy   geminiDetails `json:"candidatesTokensDetails"`
	Traffic    string        `json:"trafficType"` // Vertex's
}

type geminiDetails []struct {
	Modality string `json:"modality"`
	Tokens   int64  `json:"tokenCount"`
}

// of sums one modality. The pages of a DOCUMENT are images.
func (d geminiDetails) of(modality string, c *clamp, most int64) int64 {
	var n int64
	for _, m := range d {
		if m.Modality == modality || modality == "IMAGE" && m.Modality == "DOCUMENT" {
			n = c.within(n+c.within(m.Tokens, most), most)
		}
	}
	return n
}

// metered turns a report into usage by classes.
func (r *geminiReport) metered() (Metered, bool) {
	if r.Prompt == nil && r.Candidates == nil {
		return Metered{}, false
	}
	var c clamp
	in := c.within(c.count(r.Prompt)+c.within(r.ToolPrompt, maxReported), maxReported)
	cached := c.within(r.Cached, in)
	cachedAudio := r.CachedBy.of("AUDIO", &c, cached)
	cachedImage := r.CachedBy.of("IMAGE", &c, cached-cachedAudio)
	left := in - cached
	take := func(modality string, cachedOfIt int64) int64 {
		all := c.within(r.PromptBy.of(modality, &c, in)+r.ToolBy.of(modality, &c, in), in)
		n := c.within(max(0, all-cachedOfIt), left)
		left -= n
		return n
	}
	u := sentinel.Usage{
		sentinel.Requests: 1, sentinel.CachedInputTokens: cached - cachedAudio - cachedImage,
		sentinel.CachedAudioTokens: cachedAudio, sentinel.CachedImageTokens: cachedImage,
		sentinel.AudioInputTokens: take("AUDIO", cachedAudio), sentinel.ImageInputTokens: take("IMAGE", cachedImage),
		sentinel.VideoInputTokens: take("VIDEO", r.CachedBy.of("VIDEO", &c, cached)),
		sentinel.ReasoningTokens:  c.within(r.Thoughts, maxReported),
	}
	u[sentinel.InputTokens] = left
	out := c.count(r.Candidates)
	for _, by := range [...]struct { // no map, which would be made for every answer
		modality string
		unit     sentinel.Unit
	}{{"AUDIO", sentinel.AudioOutputTokens}, {"IMAGE", sentinel.ImageOutputTokens}, {"VIDEO", sentinel.VideoOutputTokens}} {
		u[by.unit] = r.OutputBy.of(by.modality, &c, c.count(r.Candidates))
		out -= u[by.unit]
	}
	u[sentinel.OutputTokens] = c.within(out, maxReported)
	return Metered{Usage: u, Method: c.method(), Tier: geminiTraffic(r.Traffic), Reported: true}, true
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

// searched tells whether an answer was grounded by a search: one with an empty list of queries was not.
func searched(candidates []byte) bool {
	at := bytes.Index(candidates, queriesKey)
	if at < 0 {
		return false
	}
	rest := bytes.TrimLeft(candidates[at+len(queriesKey):], ": \t\r\n[")
	return len(rest) > 0 && rest[0] == '"'
}

// geminiUsage reads a JSON answer.
// An answer that is too long to be looked into is taken for grounded when it has the key of the queries.
func geminiUsage(s MeterSpec, found *scanner, queries *watch) (Metered, bool) {
	var r geminiReport
	if len(found.get("usageMetadata")) == 0 || json.Unmarshal(found.get("usageMetadata"), &r) != nil {
		return Metered{}, false
	}
	got, ok := r.metered()
	got.Model, got.Tier = unquote(found.get("modelVersion")), s.served(got.Tier)
	candidates := found.get("candidates")
	if billsByPrompt(s.Model) && (searched(candidates) || candidates == nil && queries.n > 0) {
		got.Usage[sentinel.WebSearches] = 1
	}
	return got, ok
}

// geminiStream reads a stream, as server-sent events or as a JSON array. Every element may report the totals
// so far; the last report counts, and is whole when an element told why the answer ended.
type geminiStream struct {
	spec     MeterSpec
	version  string
	usage    []byte
	last     [2][]byte // the newest elements: they have the totals so far of a stream that is cut, the second maybe in part
	searched bool
	ended    bool
}

func newGeminiStream(s MeterSpec) *geminiStream { return &geminiStream{spec: s} }

// geminiElement is one part of an answer.
type geminiElement struct {
	Candidates []struct {
		Finish string `json:"finishReason"`
	} `json:"candidates"`
	Feedback json.RawMessage `json:"promptFeedback"` // of a prompt that was blocked
	Usage    json.RawMessage `json:"usageMetadata"`
	Version  string          `json:"modelVersion"`
}

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
	var e geminiElement
	if json.Unmarshal(data, &e) != nil {
		return false
	}
	for _, c := range e.Candidates {
		r.ended = r.ended || c.Finish != ""
	}
	r.ended = r.ended || len(e.Feedback) > 0
	r.searched = r.searched || searched(data)
	if len(e.Usage) > 0 {
		r.usage = append(r.usage[:0], e.Usage...)
		r.version = e.Version
	}
	return false
}

func (r *geminiStream) result() (Metered, bool) {
	if !r.ended {
		r.read(r.last[0])
		r.read(r.last[1]) // leaves what the first said when it is cut itself
	}
	var report geminiReport
	if len(r.usage) == 0 || json.Unmarshal(r.usage, &report) != nil {
		return Metered{}, false
	}
	got, ok := report.metered()
	got.Model, got.Tier = r.version, r.spec.served(got.Tier)
	if r.searched && billsByPrompt(r.spec.Model) {
		got.Usage[sentinel.WebSearches] = 1
	}
	return got, ok && r.ended
}
