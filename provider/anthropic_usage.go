package provider

import (
	"bytes"
	"encoding/json"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// anthropicReport is the usage object of messages. Its classes of input do not overlap. An absent count
// is not a count of nothing: the events of a stream leave out what an earlier one has said.
type anthropicReport struct {
	Input      *int64 `json:"input_tokens"`
	CacheRead  *int64 `json:"cache_read_input_tokens"`
	CacheWrite *int64 `json:"cache_creation_input_tokens"`
	Lifetimes  *struct {
		Hour int64 `json:"ephemeral_1h_input_tokens"`
	} `json:"cache_creation"`
	Output *int64 `json:"output_tokens"`
	Tools  *struct {
		WebSearches int64 `json:"web_search_requests"`
	} `json:"server_tool_use"`
	Tier  string `json:"service_tier"`
	Speed string `json:"speed"`
	Geo   string `json:"inference_geo"`
	// Iterations are the samplings of the answer. Those that compact the context are not within the counts above.
	Iterations []anthropicIteration `json:"iterations"`
}

// anthropicIteration is one sampling.
type anthropicIteration struct {
	Type string `json:"type"`
	anthropicCounts
}

// anthropicCounts are the classes of one sampling.
type anthropicCounts struct {
	Input      int64 `json:"input_tokens"`
	CacheRead  int64 `json:"cache_read_input_tokens"`
	CacheWrite int64 `json:"cache_creation_input_tokens"`
	Lifetimes  struct {
		Hour int64 `json:"ephemeral_1h_input_tokens"`
	} `json:"cache_creation"`
	Output int64 `json:"output_tokens"`
}

// addTo adds what a compaction used.
func (n anthropicCounts) addTo(u *sentinel.Usage, c *clamp) {
	written := c.within(n.CacheWrite, maxReported)
	long := c.within(n.Lifetimes.Hour, written)
	for unit, more := range map[sentinel.Unit]int64{
		sentinel.InputTokens: n.Input, sentinel.CachedInputTokens: n.CacheRead, sentinel.CacheWriteTokens: written - long,
		sentinel.CacheWriteLongTokens: long, sentinel.OutputTokens: n.Output,
	} {
		u[unit] = c.within(u[unit]+c.within(more, maxReported), maxReported)
	}
}

// update takes what a later event says: its counts are totals, so they take the place of earlier ones
// and are never added to them.
func (r *anthropicReport) update(later anthropicReport) {
	for _, f := range [...]struct{ to, from **int64 }{
		{&r.Input, &later.Input}, {&r.CacheRead, &later.CacheRead}, {&r.CacheWrite, &later.CacheWrite}, {&r.Output, &later.Output},
	} {
		if *f.from != nil {
			*f.to = *f.from
		}
	}
	if later.Lifetimes != nil {
		r.Lifetimes = later.Lifetimes
	}
	if later.Tools != nil {
		r.Tools = later.Tools
	}
	if later.Tier != "" {
		r.Tier = later.Tier
	}
	if later.Speed != "" {
		r.Speed = later.Speed
	}
	if later.Geo != "" {
		r.Geo = later.Geo
	}
	if later.Iterations != nil {
		r.Iterations = later.Iterations
	}
}

// metered turns a report into usage by classes. It is not ok when nothing was counted.
func (r *anthropicReport) metered() (Metered, bool) {
	if r.Input == nil && r.Output == nil {
		return Metered{}, false
	}
	var c clamp
	written := c.count(r.CacheWrite)
	u := sentinel.Usage{
		sentinel.Requests: 1, sentinel.InputTokens: c.count(r.Input), sentinel.CachedInputTokens: c.count(r.CacheRead),
		sentinel.CacheWriteTokens: written, sentinel.OutputTokens: c.count(r.Output),
	}
	if r.Lifetimes != nil { // the sum of all lifetimes is cache_creation_input_tokens
		long := c.within(r.Lifetimes.Hour, written)
		u[sentinel.CacheWriteLongTokens], u[sentinel.CacheWriteTokens] = long, written-long
	}
	if r.Tools != nil {
		u[sentinel.WebSearches] = c.within(r.Tools.WebSearches, maxReported)
	}
	for _, i := range r.Iterations {
		if i.Type == "compaction" {
			i.addTo(&u, &c)
		}
	}
	return Metered{Usage: u, Method: c.method(), Tier: r.tier(), Reported: true}, true
}

// tier names the price list: "fast" is a speed, the others are service tiers. A workspace may have its calls answered in one country, which costs
// more; no catalog has that list, so that the entry says so.
func (r *anthropicReport) tier() string {
	if r.Geo != "" && r.Geo != "global" && r.Geo != "not_available" {
		return "geo_" + clip(r.Geo)
	}
	if r.Speed == "fast" {
		return "fast"
	}
	return r.Tier
}

// anthropicUsage reads the usage of a JSON answer.
func anthropicUsage(found *scanner) (Metered, bool) {
	var r anthropicReport
	if len(found.get("usage")) == 0 || json.Unmarshal(found.get("usage"), &r) != nil {
		return Metered{}, false
	}
	got, ok := r.metered()
	got.Model = unquote(found.get("model"))
	return got, ok
}

// anthropicStream reads a stream of messages: message_start reports the input, message_delta the totals of all.
type anthropicStream struct {
	model  string
	report anthropicReport
	ended  bool // message_delta was seen
	broken bool // a report could not be read
}

// anthropicEvent is one event.
type anthropicEvent struct {
	Type    string `json:"type"`
	Message struct {
		Model string          `json:"model"`
		Usage json.RawMessage `json:"usage"`
	} `json:"message"`
	Usage json.RawMessage `json:"usage"`
}

var anthropicTexts = []textMember{
	{name: "content_block", in: textMembers("name", "text")}, {name: "delta", in: textMembers("text", "thinking", "partial_json")},
}

func (*anthropicStream) texts() []textMember { return anthropicTexts }

func (*anthropicStream) reports(data []byte) bool { return bytes.Contains(data, usageKey) }

func (r *anthropicStream) read(data []byte) bool {
	var e anthropicEvent
	if json.Unmarshal(data, &e) != nil {
		return false
	}
	switch e.Type {
	case "message_start":
		r.model = e.Message.Model
		r.take(e.Message.Usage)
	case "message_delta":
		r.ended = r.take(e.Usage) || r.ended
	}
	return false
}

func (r *anthropicStream) take(usage json.RawMessage) bool {
	var later anthropicReport
	if len(usage) == 0 || json.Unmarshal(usage, &later) != nil {
		r.broken = r.broken || len(usage) > 0
		return false
	}
	r.report.update(later)
	return later.Output != nil
}

func (r *anthropicStream) result() (Metered, bool) {
	got, ok := r.report.metered()
	got.Model = r.model
	return got, ok && r.ended && !r.broken
}
