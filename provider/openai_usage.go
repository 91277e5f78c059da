package provider

import (
	"encoding/json"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// openAIReport is the usage object of chat completions, completions, embeddings, responses and images together,
// with the members that the hosts add which speak as OpenAI does.
type openAIReport struct {
	Prompt            *int64        `json:"prompt_tokens"`
	Completion        *int64        `json:"completion_tokens"`
	Input             *int64        `json:"input_tokens"`
	Output            *int64        `json:"output_tokens"`
	Total             int64         `json:"total_tokens"`
	CacheHit          int64         `json:"prompt_cache_hit_tokens"` // DeepSeek
	Cached            int64         `json:"cached_tokens"`           // Moonshot
	PromptDetails     openAIDetails `json:"prompt_tokens_details"`
	InputDetails      openAIDetails `json:"input_tokens_details"`
	CompletionDetails openAIDetails `json:"completion_tokens_details"`
	OutputDetails     openAIDetails `json:"output_tokens_details"`
}

type openAIDetails struct {
	Cached       int64 `json:"cached_tokens"`
	Audio        int64 `json:"audio_tokens"`
	Image        int64 `json:"image_tokens"`
	Reasoning    int64 `json:"reasoning_tokens"`
	CachedOfKind struct {
		Audio int64 `json:"audio_tokens"`
		Image int64 `json:"image_tokens"`
	} `json:"cached_tokens_details"`
}

// sum joins the details of the two APIs, of which an answer has one.
func (d openAIDetails) sum(o openAIDetails, c *clamp, most int64) openAIDetails {
	for _, f := range [...]struct {
		to   *int64
		from int64
	}{
		{&d.Cached, o.Cached}, {&d.Audio, o.Audio}, {&d.Image, o.Image}, {&d.Reasoning, o.Reasoning},
		{&d.CachedOfKind.Audio, o.CachedOfKind.Audio}, {&d.CachedOfKind.Image, o.CachedOfKind.Image},
	} {
		*f.to = c.within(c.within(*f.to, most)+c.within(f.from, most), most)
	}
	return d
}

// usage reads a usage object. The provider counts cached tokens within the prompt and reasoning within the
// completion; our classes do not overlap.
func (d openAIDialect) usage(found map[string][]byte) (Metered, bool) {
	raw := found["usage"]
	if len(raw) == 0 || string(raw) == "null" {
		return Metered{}, false
	}
	var r openAIReport
	if err := json.Unmarshal(raw, &r); err != nil {
		return Metered{}, false
	}
	if r.Prompt == nil && r.Completion == nil && r.Input == nil && r.Output == nil {
		return Metered{}, false // an object without a count reports nothing, and must not make the call free
	}
	var c clamp
	u := sentinel.Usage{sentinel.Requests: 1}
	r.input(&u, &c)
	r.output(&u, &c, d.reasoningApart)
	return Metered{
		Usage: u, Model: unquote(found["model"]), Method: c.method(), Reported: true, Tier: openAITier(unquote(found["service_tier"])),
	}, true
}

// input takes the classes of the prompt. Each count is clamped before a sum, which could wrap otherwise.
func (r *openAIReport) input(u *sentinel.Usage, c *clamp) {
	in := c.within(c.count(r.Prompt)+c.count(r.Input), maxReported)
	d := r.PromptDetails.sum(r.InputDetails, c, in)
	cached := max(d.Cached, c.within(max(r.CacheHit, r.Cached), in))
	cachedAudio := c.within(d.CachedOfKind.Audio, min(cached, d.Audio))
	cachedImage := c.within(d.CachedOfKind.Image, min(cached-cachedAudio, d.Image))
	audio := c.within(d.Audio-cachedAudio, in-cached)
	image := c.within(d.Image-cachedImage, in-cached-audio)
	u[sentinel.InputTokens] = in - cached - audio - image
	u[sentinel.CachedInputTokens] = cached - cachedAudio - cachedImage
	u[sentinel.CachedAudioTokens], u[sentinel.CachedImageTokens] = cachedAudio, cachedImage
	u[sentinel.AudioInputTokens], u[sentinel.ImageInputTokens] = audio, image
}

// output takes the classes of the completion. Where reasoning is counted apart, the total tells; a total that
// has no place for it says that it is within.
func (r *openAIReport) output(u *sentinel.Usage, c *clamp, apart bool) {
	out := c.within(c.count(r.Completion)+c.count(r.Output), maxReported)
	most := out
	if apart {
		most = maxReported
	}
	d := r.CompletionDetails.sum(r.OutputDetails, c, most)
	if apart && r.Total != c.count(r.Prompt)+out {
		out = c.within(out+d.Reasoning, maxReported)
	}
	reasoning := c.within(d.Reasoning, out)
	audio := c.within(d.Audio, out-reasoning)
	image := c.within(d.Image, out-reasoning-audio)
	u[sentinel.OutputTokens] = out - reasoning - audio - image
	u[sentinel.ReasoningTokens], u[sentinel.AudioOutputTokens], u[sentinel.ImageOutputTokens] = reasoning, audio, image
}

// openAITier gives the price list that an answer names; "auto" names none.
func openAITier(tier string) string {
	if tier == "auto" || tier == "on_demand" {
		return ""
	}
	return tier
}
