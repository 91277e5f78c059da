package export

import (
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// service is where a provider stands in FOCUS's fixed list of categories.
type service struct {
	provider, name, category, subcategory string
}

const (
	ai           = "AI and Machine Learning"
	generativeAI = "Generative AI"
)

// known are providers by the first word of their name in the policy file.
var known = map[string]service{
	"openai":     {"OpenAI", "OpenAI API", ai, generativeAI},
	"azure":      {"Microsoft", "Azure OpenAI", ai, generativeAI},
	"anthropic":  {"Anthropic", "Claude API", ai, generativeAI},
	"gemini":     {"Google", "Gemini API", ai, generativeAI},
	"vertex":     {"Google", "Vertex AI", ai, generativeAI},
	"bedrock":    {"AWS", "Amazon Bedrock", ai, generativeAI},
	"cohere":     {"Cohere", "Cohere API", ai, generativeAI},
	"mistral":    {"Mistral AI", "Mistral API", ai, generativeAI},
	"groq":       {"Groq", "Groq API", ai, generativeAI},
	"deepseek":   {"DeepSeek", "DeepSeek API", ai, generativeAI},
	"together":   {"Together AI", "Together API", ai, generativeAI},
	"fireworks":  {"Fireworks AI", "Fireworks API", ai, generativeAI},
	"openrouter": {"OpenRouter", "OpenRouter API", ai, generativeAI},
	"xai":        {"xAI", "xAI API", ai, generativeAI},
	"perplexity": {"Perplexity", "Perplexity API", ai, generativeAI},
	"stripe":     {"Stripe", "Stripe API", "Business Applications", "Other (Business Applications)"},
	"twilio":     {"Twilio", "Twilio API", "Integration", "Messaging"},
	"sendgrid":   {"Twilio", "SendGrid", "Integration", "Messaging"},
	"google":     {"Google", "Google Maps Platform", "Web", "Other (Web)"},
	"s3":         {"AWS", "Amazon S3", "Storage", "Other (Storage)"},
	"aws":        {"AWS", "AWS", "Other", "Other (Other)"},
}

// serviceOf names a charge's service. An API that no list has heard of stands under its own name: as AI when tokens were
// consumed, else under Other.
func serviceOf(c sentinel.Charge) service {
	name := strings.ToLower(c.Provider)
	first, _, _ := strings.Cut(strings.ReplaceAll(name, "_", "-"), "-")
	for _, key := range []string{name, first} {
		if s, ok := known[key]; ok {
			return s
		}
	}
	own := text(c.Provider)
	if c.Usage.TokenSum() > 0 {
		return service{own, own, ai, generativeAI}
	}
	return service{own, own, "Other", "Other (Other)"}
}
