package provider

import (
	"maps"
	"strings"
)

// hostFit is how a host that speaks as OpenAI does differs in what its chat completions take, as its documents said on 2026-11-30. What they do not
// speak of is sent as it is.
type hostFit struct {
	lacks   map[string]string           // as of a fit: of all of its models
	efforts func(model string) []string // those that a model knows; none: it refuses to be asked for one. Nil: those of the model's maker
	reasons func(model string) bool     // takes no request that says where to stop; nil: none does
	oneOnly bool                        // a request has one answer
}

// Tiers that are sent elsewhere are the usual one, and verbosity is of OpenAI's own models.
var (
	// https://console.groq.com/docs/openai and https://console.groq.com/docs/reasoning
	groqFit = &hostFit{
		lacks:   map[string]string{"logprobs": "", "top_logprobs": "", "logit_bias": "", "verbosity": "", "service_tier": ""},
		efforts: openWeightEfforts, oneOnly: true,
	}
	// https://inference-docs.cerebras.ai/resources/openai
	cerebrasFit = &hostFit{
		lacks:   map[string]string{"frequency_penalty": "", "presence_penalty": "", "logit_bias": "", "parallel_tool_calls": "", "verbosity": "", "service_tier": ""},
		efforts: openWeightEfforts,
	}
	// https://docs.mistral.ai/api, as generated into ChatCompletionRequest of mistralai/client-python 02e327f: every member that it does not list is refused
	// (extra_forbidden, https://github.com/editor-code-assistant/eca/issues/231).
	mistralFit = &hostFit{
		lacks: map[string]string{
			"max_completion_tokens": "max_tokens", "seed": "random_seed", "stream_options": "", "logprobs": "", "top_logprobs": "", "logit_bias": "", "user": "",
			"safety_identifier": "", "prompt_cache_retention": "", "store": "", "verbosity": "", "service_tier": "",
		},
		efforts: mistralEfforts,
	}
	// https://api-docs.deepseek.com/api/create-chat-completion: an answer's length has one name, and another is passed over
	// (https://github.com/earendil-works/pi/issues/8018: 76 tokens for 5). https://api-docs.deepseek.com/guides/thinking_mode: penalties and temperature are passed over while it
	// thinks; efforts from low to max have a place, none has a member of its own.
	deepseekFit = &hostFit{
		lacks:   map[string]string{"max_completion_tokens": "max_tokens", "logit_bias": "", "verbosity": "", "service_tier": ""},
		efforts: func(string) []string { return between("low", "max") },
	}
	// https://docs.x.ai/docs/api-reference and https://docs.x.ai/docs/guides/reasoning. It says that penalties are for models that do not reason; the API refuses them for those, too
	// (Grok 3: https://github.com/n8n-io/n8n/issues/14581; 4.20 without reasoning: https://github.com/miaoxworld/NativeTavern/issues/83).
	xaiFit = &hostFit{
		lacks:   map[string]string{"frequency_penalty": "", "presence_penalty": "", "logit_bias": "", "verbosity": ""},
		efforts: grokEfforts, reasons: grokReasons,
	}
)

// openWeightEfforts are those of models that anybody may serve: OpenAI's open ones take three, others know no word for it.
func openWeightEfforts(model string) []string {
	if isOf(withoutZone(model), "gpt-oss") {
		return between("low", "high")
	}
	return []string{}
}

// mistralEfforts are those of Mistral's models that think or not, as they are asked (https://docs.mistral.ai/capabilities/reasoning/adjustable); Magistral always does.
func mistralEfforts(model string) []string {
	if isOf(model, "mistral-small-latest", "mistral-small-2603", "mistral-medium-3-5", "mistral-medium-3.5") {
		return []string{"none", "high"}
	}
	return []string{}
}

// grokEfforts are those of xAI's models: from 4.3 they can be chosen, before in the small one alone. Of models that are not listed nobody knows.
func grokEfforts(model string) []string {
	switch {
	case isOf(model, "grok-3-mini"):
		return []string{"low", "high"}
	case isOf(model, "grok-4.3"):
		return append([]string{"none"}, between("low", "high")...)
	case isOf(model, "grok-4.5"):
		return between("low", "high")
	case model == "grok-4" || isOf(model, "grok-2", "grok-3", "grok-4-0709", "grok-4-latest", "grok-4-fast", "grok-4-1-fast", "grok-4.20", "grok-code", "grok-build"):
		return []string{}
	}
	return nil
}

// grokReasons tells whether a model of xAI's reasons: such a one refuses stop sequences.
func grokReasons(model string) bool {
	return !strings.Contains(model, "non-reasoning") && isOf(model, "grok-3-mini", "grok-4", "grok-code", "grok-build", "grok-latest")
}

// fitTo adds to what a model refuses what its host does.
func (h *hostFit) fitTo(f *fit) {
	if h != nil {
		maps.Copy(f.lacks, h.lacks)
	}
}

// effortsOf are those that a model knows on a host; nothing where nobody knows which.
func (h *hostFit) effortsOf(model string) []string {
	if h == nil || h.efforts == nil {
		return openAIEfforts(withoutZone(model))
	}
	return h.efforts(model)
}

// refuses says why a host cannot serve a request for a model, whatever is left out of it.
func (h *hostFit) refuses(body []byte, rq Request, model string) error {
	if h != nil && h.oneOnly && rq.Choices > 1 {
		return cannot("n", "there is one answer only")
	}
	if h == nil || h.reasons == nil || !h.reasons(model) {
		return nil
	}
	o, err := readObject(body, []string{"stop"})
	if err != nil {
		return err
	}
	if o.has("stop") {
		return cannot("stop", "%s does not take it", model)
	}
	return nil
}
