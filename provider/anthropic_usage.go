package provider

import (
	"bytes"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// anthropicReport is the usage object of messages. Its classes of input do not overlap. An absent count
// is not a count of nothing: the events of a stream leave out what an earlier one has said.
type anthropicReport struct {
	anthropicCounts
	searches         count
	tier, speed, geo string
	// compactions are the samplings of the answer that compact the context. They are not within the counts above.
	compactions struct {
		used   sentinel.Usage
		clamp  clamp
		listed bool // the samplings are, whatever they were for
	}
}

// anthropicCounts are the classes of one sampling, or of all.
type anthropicCounts struct {
	input, cacheRead, cacheWrite, output count
	hour                                 count // of what was written, as long as it is kept for an hour
}

// read reads a usage object.
func (r *anthropicReport) read(raw []byte) bool {
	in := newReport(raw)
	for in.object(); in.member(); {
		switch string(in.key) {
		case "server_tool_use":
			inner(&in, "web_search_requests", &r.searches)
		case "service_tier":
			in.word(&r.tier)
		case "speed":
			in.word(&r.speed)
		case "inference_geo":
			in.word(&r.geo)
		case "iterations":
			r.readIterations(&in)
		default:
			r.readMember(&in)
		}
	}
	return in.done()
}

func (n *anthropicCounts) readMember(in *reportReader) {
	switch string(in.key) {
	case "input_tokens":
		in.number(&n.input)
	case "cache_read_input_tokens":
		in.number(&n.cacheRead)
	case "cache_creation_input_tokens":
		in.number(&n.cacheWrite)
	case "cache_creation":
		inner(in, "ephemeral_1h_input_tokens", &n.hour)
	case "output_tokens":
		in.number(&n.output)
	default:
		in.pass()
	}
}

// inner reads the one number that is wanted of an object. Where the object is there, it is 0 without it.
func inner(in *reportReader, name string, to *count) {
	if in.object() {
		*to = count{set: true}
	}
	for in.member() {
		if string(in.key) == name {
			in.number(to)
		} else {
			in.pass()
		}
	}
}

func (r *anthropicReport) readIterations(in *reportReader) {
	c := &r.compactions
	for c.listed = in.list(); in.element(); {
		var n anthropicCounts
		compacts := false
		for in.object(); in.member(); {
			if string(in.key) == "type" {
				compacts = string(in.text()) == "compaction"
			} else {
				n.readMember(in)
			}
		}
		if compacts {
			n.addTo(&c.used, &c.clamp)
		}
	}
}

// addTo adds what a compaction used.
func (n anthropicCounts) addTo(u *sentinel.Usage, c *clamp) {
	written := c.within(n.cacheWrite.n, maxReported)
	long := c.within(n.hour.n, written)
	for _, class := range [...]struct {
		unit sentinel.Unit
		more int64
	}{
		{sentinel.InputTokens, n.input.n}, {sentinel.CachedInputTokens, n.cacheRead.n}, {sentinel.CacheWriteTokens, written - long},
		{sentinel.CacheWriteLongTokens, long}, {sentinel.OutputTokens, n.output.n},
	} {
		u[class.unit] = c.within(u[class.unit]+c.within(class.more, maxReported), maxReported)
	}
}

// update takes what a later event says: its counts are totals, so they take the place of earlier ones
// and are never added to them.
func (r *anthropicReport) update(later *anthropicReport) {
	for _, f := range [...]struct{ to, from *count }{
		{&r.input, &later.input}, {&r.cacheRead, &later.cacheRead}, {&r.cacheWrite, &later.cacheWrite}, {&r.output, &later.output},
		{&r.hour, &later.hour}, {&r.searches, &later.searches},
	} {
		if f.from.set {
			*f.to = *f.from
		}
	}
	for _, f := range [...]struct{ to, from *string }{{&r.tier, &later.tier}, {&r.speed, &later.speed}, {&r.geo, &later.geo}} {
		if *f.from != "" {
			*f.to = *f.from
		}
	}
	if later.compactions.listed {
		r.compactions = later.compactions
	}
}

// metered turns a report into usage by classes. It is not ok when nothing was counted.
func (r *anthropicReport) metered() (Metered, bool) {
	if !r.input.set && !r.output.set {
		return Metered{}, false
	}
	u, c := r.compactions.used, r.compactions.clamp
	u[sentinel.Requests], u[sentinel.WebSearches] = 1, c.within(r.searches.n, maxReported)
	r.addTo(&u, &c) // the sum of all lifetimes is cache_creation_input_tokens
	return Metered{Usage: u, Method: c.method(), Tier: r.priceList(), Reported: true}, true
}

// priceList names it: "fast" is a speed, the others are service tiers. A workspace may have its calls answered in one country, which costs
// more; no catalog has that list, so that the entry says so.
func (r *anthropicReport) priceList() string {
	if r.geo != "" && r.geo != "global" && r.geo != "not_available" {
		return "geo_" + clip(r.geo)
	}
	if r.speed == "fast" {
		return "fast"
	}
	return r.tier
}

var anthropicMembers = []string{"usage", "model"}

// anthropicUsage reads the usage of a JSON answer.
func anthropicUsage(found *scanner) (Metered, bool) {
	var r anthropicReport
	if !r.read(found.get("usage")) {
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

var anthropicTexts = []textMember{
	{name: "content_block", in: textMembers("name", "text")}, {name: "delta", in: textMembers("text", "thinking", "partial_json")},
}

func (*anthropicStream) texts() []textMember { return anthropicTexts }

func (*anthropicStream) reports(data []byte) bool { return bytes.Contains(data, usageKey) }

func (r *anthropicStream) read(data []byte) bool {
	var kind, usage, ofMessage []byte
	var model string
	in := newReport(data)
	for in.object(); in.member(); {
		switch string(in.key) {
		case "type":
			kind = in.text()
		case "usage":
			usage = in.raw()
		case "message":
			for in.object(); in.member(); {
				switch string(in.key) {
				case "model":
					in.word(&model)
				case "usage":
					ofMessage = in.raw()
				default:
					in.pass()
				}
			}
		default:
			in.pass()
		}
	}
	if !in.done() {
		return false
	}
	switch string(kind) {
	case "message_start":
		r.model = model
		r.take(ofMessage)
	case "message_delta":
		r.ended = r.take(usage) || r.ended
	}
	return false
}

func (r *anthropicStream) take(usage []byte) bool {
	var later anthropicReport
	if !later.read(usage) {
		r.broken = r.broken || len(usage) > 0
		return false
	}
	r.report.update(&later)
	return later.output.set
}

func (r *anthropicStream) result() (Metered, bool) {
	got, ok := r.report.metered()
	got.Model = r.model
	return got, ok && r.ended && !r.broken
}
