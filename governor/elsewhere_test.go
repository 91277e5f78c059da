package governor_test

import (
	"slices"
	"testing"

	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

const azure = "  azure: {preset: azure-openai, host: acme.openai.azure.com, models: {our-chat: gpt-5-mini}, credential: \"vault:secret/azure#key\"}\n"

// A deployment of Azure's is priced as the model that it has, and asked where a request names it in its body.
func TestACallFallsBackToADeploymentOfAzures(t *testing.T) {
	w := newWorld(t, azure+"policies:\n  - {name: big, match: {model: gpt-5}, budget: {usd: 9/day}, on_exceed: [{fallback: [azure/our-chat]}], failover: {to: [azure/our-chat]}}\n")
	r := w.request("app", chat, large)
	a := w.admit(r)
	ask := w.limiter.asks[0]
	if len(ask.Candidates) != 2 || ask.Candidates[1].Provider != "azure" || ask.Candidates[1].Bound[0] == 0 {
		t.Fatalf("the limiter was asked for %+v", ask.Candidates)
	}
	if a.Chain != "openai~azure" {
		t.Fatalf("the call goes by %q", a.Chain)
	}
	a.Ticket.Failed = 429
	second, err := w.Failover(t.Context(), governor.Failed{Ticket: a.Ticket, Raw: r.Raw})
	if err != nil || second.To == nil {
		t.Fatalf("the second attempt: %+v, %v", second.Verdict, err)
	}
	if in := w.journal.intents[1]; second.Path != "/openai/v1/chat/completions" || second.To.Provider.Host != "acme.openai.azure.com" || in.Endpoint != "v1.chat.completions" || in.Model != "our-chat" {
		t.Errorf("it goes to %s at %s, and is booked as %s at %s", second.Path, second.To.Provider.Host, in.Model, in.Endpoint)
	}
}

func TestWhatOfAProvidersCanGoToAnother(t *testing.T) {
	at := func(preset string, allow ...string) policy.Provider {
		return policy.Provider{Name: preset, Preset: preset, Host: "api.example.com", Region: "us-east-1", Allow: allow}
	}
	for name, tt := range map[string]struct {
		from, to policy.Provider
		want     []string
	}{
		"chats":                                 {at("openai"), at("anthropic"), []string{"chat.completions"}},
		"messages":                              {at("anthropic"), at("openai"), []string{"messages"}},
		"to Azure":                              {at("openai"), at("azure-openai"), []string{"responses", "chat.completions", "embeddings", "images.generations"}},
		"from Azure":                            {at("azure-openai"), at("anthropic"), []string{"chat.completions", "v1.chat.completions"}},
		"what the other may not be asked":       {at("openai"), at("azure-openai", "v1.embeddings"), []string{"embeddings"}},
		"what may not be asked of it":           {at("openai", "embeddings"), at("azure-openai"), []string{"embeddings"}},
		"Azure's older API alone":               {at("openai"), at("azure-openai", "chat.completions"), nil},
		"Google speaks otherwise":               {at("openai"), at("gemini"), nil},
		"what is signed":                        {at("anthropic"), at("aws-bedrock"), nil},
		"payments":                              {at("stripe"), at("openai"), nil},
		"a preset that is not there, of a file": {at("nobody"), at("openai"), nil},
	} {
		got := governor.Counterparts(tt.from, tt.to)
		slices.Sort(got)
		slices.Sort(tt.want)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
