package provider

import (
	"slices"
	"strconv"
	"strings"
)

// efforts are the words for how much a model is to think, from weak to strong.
var efforts = []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"}

// between lists efforts from one to another.
func between(weakest, strongest string) []string {
	return efforts[slices.Index(efforts, weakest) : slices.Index(efforts, strongest)+1]
}

// weakened gives for every effort that a model does not know the next weaker one that it knows, or else its weakest; nothing where nobody knows which.
func weakened(known []string) map[string]string {
	if known == nil {
		return nil
	}
	out, weaker := map[string]string{}, ""
	for _, e := range efforts {
		if weaker == "" && slices.Contains(known, e) {
			weaker = e
		}
	}
	for _, e := range efforts {
		if slices.Contains(known, e) {
			weaker = e
		} else {
			out[e] = weaker
		}
	}
	return out
}

// openAIEfforts are those of OpenAI's models, as read on 2026-11-29: reasoning_effort in https://platform.openai.com/docs/api-reference/chat/create says those of
// GPT-5.1, GPT-5 pro and all before, the refusals of the API ("Supported values are: …") those of later ones. Of models that are not listed nobody knows.
func openAIEfforts(model string) []string {
	switch {
	case strings.Contains(model, "-chat"):
	case isOf(model, "o1", "o3", "o4", "gpt-5-codex", "gpt-5.1-codex") && !isOf(model, "gpt-5.1-codex-max"):
		return between("low", "high")
	case isOf(model, "gpt-5.1-codex-max", "gpt-5.2-codex", "gpt-5.3-codex"):
		return between("low", "xhigh")
	case isOf(model, "gpt-5-pro"):
		return []string{"high"}
	case isOf(model, "gpt-5.2-pro", "gpt-5.4-pro", "gpt-5.5-pro"):
		return between("medium", "xhigh")
	case isOf(model, "gpt-5.1"):
		return append([]string{"none"}, between("low", "high")...)
	case isOf(model, "gpt-5.2", "gpt-5.4", "gpt-5.5"):
		return append([]string{"none"}, between("low", "xhigh")...)
	case model == "gpt-5" || isOf(model, "gpt-5-mini", "gpt-5-nano", "gpt-5-2025"):
		return between("minimal", "high")
	}
	return nil
}

// Claude's generations of thinking (https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking and …/effort, read on 2026-11-29): up to 4.5 by a budget
// of tokens; 4.6 also as it likes; since 4.7 only so, and without parameters of sampling. Effort came with Opus 4.5, max with 4.6, xhigh with 4.7.
const (
	claudeAdaptive     = 406
	claudeAdaptiveOnly = 407
	claudeKnown        = 499 // the latest whose efforts are known
)

// unthinking are Anthropic's models without extended thinking (https://docs.claude.com/en/docs/build-with-claude/extended-thinking).
var unthinking = []string{"claude-2", "claude-instant", "claude-3-haiku", "claude-3-sonnet", "claude-3-opus", "claude-3-5"}

// claudeFit says what a model of Anthropic's refuses of a request whose parameters stand under a prefix.
func claudeFit(prefix, model string) fit {
	thinking, asked := prefix+"thinking", prefix+"output_config.effort"
	budgeted := []string{thinking}
	if prefix != "" { // Converse's own name of the same
		budgeted = append(budgeted, prefix+"reasoning_config")
	}
	f := fit{lacks: map[string]string{}, kinds: map[string]string{}, words: map[string]map[string]string{}}
	version := claudeVersion(model)
	known := claudeEfforts(model, version)
	switch {
	case known != nil:
		f.words[asked] = weakened(known)
	case version > 0 && version < claudeAdaptive:
		f.lacks[asked] = ""
	}
	switch {
	case slices.ContainsFunc(unthinking, func(n string) bool { return strings.HasPrefix(model, n) }):
		for _, name := range budgeted {
			f.lacks[name] = ""
		}
	case version >= claudeAdaptiveOnly:
		for _, name := range budgeted {
			f.words[name+".type"], f.lacks[name+".budget_tokens"] = map[string]string{"enabled": "adaptive"}, ""
		}
		for _, name := range []string{"temperature", "top_p", "top_k"} {
			f.lacks[prefix+name] = ""
		}
		if prefix != "" {
			f.lacks["inferenceConfig.temperature"], f.lacks["inferenceConfig.topP"] = "", ""
		}
	case version > 0 && version < claudeAdaptive:
		f.kinds[thinking] = "adaptive"
	}
	return f
}

// claudeEfforts are those that a model of Anthropic's knows; nothing where it knows none, or nobody knows which.
func claudeEfforts(model string, version int) []string {
	switch {
	case version == claudeAdaptive-1 && strings.HasPrefix(model, "claude-opus"):
		return between("low", "high")
	case version == claudeAdaptive:
		return append([]string{"max"}, between("low", "high")...)
	case version >= claudeAdaptiveOnly && version <= claudeKnown:
		return between("low", "max")
	}
	return nil
}

// claudeVersion is 405 of claude-haiku-4-5-20251001 and 307 of claude-3-7-sonnet; 0 where the name does not say it.
func claudeVersion(model string) int {
	version := 0
	for _, part := range strings.FieldsFunc(model, func(r rune) bool { return strings.ContainsRune("-@:.", r) }) {
		n, err := strconv.Atoi(part)
		switch numbered := err == nil && len(part) <= 2; {
		case version == 0 && numbered:
			version = n * 100
		case version > 0 && numbered:
			return version + n
		case version > 0:
			return version
		}
	}
	return version
}
