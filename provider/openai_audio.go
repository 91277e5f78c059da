package provider

import (
	"cmp"
	"encoding/json"
	"math"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// leastBitrate is what a second of speech takes at least: Opus has no lower rate (RFC 6716, section 2.1.1).
const leastBitrate = 6000

// readForm reads a request in parts: of a transcription, a translation or the change of an image. Where the path names the model, a part need not.
func (d openAIDialect) readForm(e Endpoint, r RawRequest, pathModel string) (Request, error) {
	rq := flatRequest()
	rq.Fixed = true
	p, err := readParts(r)
	if err != nil {
		return rq, err
	}
	if rq.Model = cmp.Or(pathModel, p.texts["model"]); !isModelName(rq.Model) {
		return rq, badRequest("model", "name a model, in printable ASCII of at most %d bytes", maxModel)
	}
	rq.Weight = weightOf(p.texts["prompt"])
	if e.Name == "images.edits" {
		return rq, d.imageForm(p, &rq, r)
	}
	return rq, d.sound(e, p, &rq, r)
}

// sound bounds the transcription of a file. Whisper is billed by the second, the other models by tokens, and an answer says what it used only in
// some formats.
func (d openAIDialect) sound(e Endpoint, p parts, rq *Request, r RawRequest) error {
	rq.Stream = p.texts["stream"] == "true"
	format := p.texts["response_format"]
	bySecond := strings.HasPrefix(r.known(rq.Model), "whisper")
	switch {
	case format == "text" || format == "srt" || format == "vtt":
		return badRequest("response_format", "%s does not say what was used: ask for json or verbose_json", format)
	case p.texts["url"] != "":
		return badRequest("url", "sound elsewhere has no bound: send the file")
	case d.leastSeconds > 0 && format != "verbose_json":
		return badRequest("response_format", "an answer says how long the sound was only in verbose_json")
	case e.Name == "audio.translations" && format != "verbose_json":
		return badRequest("response_format", "a translation says how long the sound was only in verbose_json")
	case bySecond:
		rq.Bound[sentinel.Seconds] = max(p.bytes*8/leastBitrate+1, d.leastSeconds)
	default:
		rq.Bound[sentinel.InputTokens], rq.Bound[sentinel.OutputTokens] = AsModelAllows, AsModelAllows
	}
	return nil
}

// soundMembers are what an answer's price depends on.
var soundMembers = []string{"usage", "duration"}

// soundUsage reads the usage of a transcription: tokens, or seconds, which are billed to the nearest whole one (https://openai.com/api/pricing).
func (d openAIDialect) soundUsage(found *scanner) (Metered, bool) {
	if got, ok := d.report(found.get("usage")); ok {
		return got, true
	}
	var usage struct {
		Seconds *float64 `json:"seconds"`
	}
	if raw := found.get("usage"); raw != nil && json.Unmarshal(raw, &usage) != nil {
		return Metered{}, false
	}
	if raw := found.get("duration"); usage.Seconds == nil && raw != nil {
		usage.Seconds = new(float64)
		if json.Unmarshal(raw, usage.Seconds) != nil && json.Unmarshal([]byte(unquote(raw)), usage.Seconds) != nil { // it was a text once
			return Metered{}, false
		}
	}
	if usage.Seconds == nil {
		return Metered{}, false
	}
	var c clamp
	seconds := c.within(int64(math.Round(max(-1, min(*usage.Seconds, 2*maxReported)))), maxReported)
	seconds = max(seconds, d.leastSeconds)
	return Metered{Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.Seconds: seconds}, Method: c.method(), Reported: true}, true
}
