package provider

import (
	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// openAIReport is the usage object of chat completions, completions, embeddings, responses and images together,
// with the members that the hosts add which speak as OpenAI does.
type openAIReport struct {
	prompt, completion, input, output, total count
	cacheHit, cached                         count // DeepSeek's and Moonshot's
	in, out                                  openAIDetails
}

// openAIDetails are parts of a count. An answer has them under the names of one of the two APIs.
type openAIDetails struct {
	cached, written, audio, image, text, reasoning count
	cachedAudio, cachedImage                       count
}

// read reads a usage object.
func (r *openAIReport) read(raw []byte) bool {
	in := newReport(raw)
	for in.object(); in.member(); {
		switch string(in.key) {
		case "prompt_tokens":
			in.number(&r.prompt)
		case "completion_tokens":
			in.number(&r.completion)
		case "input_tokens":
			in.number(&r.input)
		case "output_tokens":
			in.number(&r.output)
		case "total_tokens":
			in.number(&r.total)
		case "prompt_cache_hit_tokens":
			in.number(&r.cacheHit)
		case "cached_tokens":
			in.number(&r.cached)
		case "prompt_tokens_details", "input_tokens_details", "input_token_details":
			r.in.read(&in)
		case "completion_tokens_details", "output_tokens_details":
			r.out.read(&in)
		default:
			in.pass()
		}
	}
	return in.done()
}

func (d *openAIDetails) read(in *reportReader) {
	for in.object(); in.member(); {
		switch string(in.key) {
		case "cached_tokens":
			in.number(&d.cached)
		case "cache_write_tokens":
			in.number(&d.written)
		case "text_tokens":
			in.number(&d.text)
		case "reasoning_tokens":
			in.number(&d.reasoning)
		case "audio_tokens":
			in.number(&d.audio)
		case "image_tokens":
			in.number(&d.image)
		case "cached_tokens_details":
			d.readCached(in)
		default:
			in.pass()
		}
	}
}

func (d *openAIDetails) readCached(in *reportReader) {
	for in.object(); in.member(); {
		switch string(in.key) {
		case "audio_tokens":
			in.number(&d.cachedAudio)
		case "image_tokens":
			in.number(&d.cachedImage)
		default:
			in.pass()
		}
	}
}

var openAIMembers = []string{"usage", "model", "service_tier"}

// The readers of JSON answers, made once.
var (
	usageWithin = openAIDialect{}.usage
	usageApart  = openAIDialect{reasoningApart: true}.usage
)

func (d openAIDialect) jsonUsage() func(found *scanner) (Metered, bool) {
	if d.reasoningApart {
		return usageApart
	}
	return usageWithin
}

// usage reads the usage of a JSON answer.
func (d openAIDialect) usage(found *scanner) (Metered, bool) {
	got, ok := d.report(found.get("usage"))
	if ok {
		got.Model, got.Tier = unquote(found.get("model")), openAITier(found.get("service_tier"))
	}
	return got, ok
}

// report reads a usage object. The provider counts cached tokens within the prompt and reasoning within the
// completion; our classes do not overlap.
func (d openAIDialect) report(raw []byte) (Metered, bool) {
	var r openAIReport
	if !r.read(raw) {
		return Metered{}, false
	}
	if !r.prompt.set && !r.completion.set && !r.input.set && !r.output.set {
		return Metered{}, false // an object without a count reports nothing, and must not make the call free
	}
	var c clamp
	u := sentinel.Usage{sentinel.Requests: 1}
	r.inputs(&u, &c)
	r.outputs(&u, &c, d.reasoningApart)
	if d.draws && !r.out.image.set && !r.out.text.set {
		u[sentinel.ImageOutputTokens], u[sentinel.OutputTokens] = u[sentinel.OutputTokens], 0
	}
	return Metered{Usage: u, Method: c.method(), Reported: true}, true
}

// inputs takes the classes of the prompt. Each count is clamped before a sum, which could wrap otherwise.
func (r *openAIReport) inputs(u *sentinel.Usage, c *clamp) {
	in := c.within(c.within(r.prompt.n, maxReported)+c.within(r.input.n, maxReported), maxReported)
	cached := c.within(max(r.in.cached.n, r.cacheHit.n, r.cached.n), in)
	cachedAudio := c.within(r.in.cachedAudio.n, min(cached, max(0, r.in.audio.n)))
	cachedImage := c.within(r.in.cachedImage.n, min(cached-cachedAudio, max(0, r.in.image.n)))
	audio := c.within(r.in.audio.n-cachedAudio, in-cached)
	image := c.within(r.in.image.n-cachedImage, in-cached-audio)
	u[sentinel.InputTokens] = in - cached - audio - image
	u[sentinel.AudioInputTokens], u[sentinel.ImageInputTokens] = audio, image
	left := c.within(r.in.written.n, in-cached)
	u[sentinel.CacheWriteTokens] = left
	for _, class := range [...]sentinel.Unit{sentinel.InputTokens, sentinel.ImageInputTokens, sentinel.AudioInputTokens} { // what was written is of no other class
		n := min(left, u[class])
		u[class], left = u[class]-n, left-n
	}
	u[sentinel.CachedInputTokens] = cached - cachedAudio - cachedImage
	u[sentinel.CachedAudioTokens], u[sentinel.CachedImageTokens] = cachedAudio, cachedImage
}

// outputs takes the classes of the completion. Where reasoning is counted apart, the total tells; a total that
// has no place for it says that it is within.
func (r *openAIReport) outputs(u *sentinel.Usage, c *clamp, apart bool) {
	out := c.within(c.within(r.completion.n, maxReported)+c.within(r.output.n, maxReported), maxReported)
	if apart && r.total.n != r.prompt.n+out {
		out = c.within(out+c.within(r.out.reasoning.n, maxReported), maxReported)
	}
	reasoning := c.within(r.out.reasoning.n, out)
	audio := c.within(r.out.audio.n, out-reasoning)
	image := c.within(r.out.image.n, out-reasoning-audio)
	u[sentinel.OutputTokens] = out - reasoning - audio - image
	u[sentinel.ReasoningTokens], u[sentinel.AudioOutputTokens], u[sentinel.ImageOutputTokens] = reasoning, audio, image
}

// openAITier gives the price list that an answer names; "auto" and Groq's "on_demand" name none. The usual
// names allocate nothing.
func openAITier(quoted []byte) string {
	switch string(quoted) {
	case "", "null", `"auto"`, `"on_demand"`:
		return ""
	case `"default"`:
		return "default"
	}
	return unquote(quoted)
}
