package policy

import (
	"strings"
	"testing"
)

func TestADefaultTierIsOneThatTheProviderHas(t *testing.T) {
	o := Options{Presets: []string{"openai", "anthropic"}, DefaultTiers: func(preset string) []string {
		return map[string][]string{"openai": {"default", "priority"}}[preset]
	}}
	for provider, want := range map[string]string{
		"{preset: openai, default_tier: priority": "",
		"{preset: openai, default_tier: golden":   `there is no price list "golden": known are default, priority`,
		`{preset: openai, default_tier: ""`:       "there is no price list",
		"{preset: anthropic, default_tier: flex":  "only OpenAI and Azure OpenAI have such a setting",
		"{host: a.example, endpoints: [{name: a, method: GET, path: /a, price: {per_request_usd: 1}}], default_tier: flex": "only OpenAI and Azure OpenAI",
	} {
		text := "org: acme\nteams: {core: {}}\nservices: {app: {team: core, identity: {token: svc_app_1234}}}\nproviders:\n  p: " + provider + ", credential: \"vault:secret/p#key\"}\n"
		set, err := Compile(File{Name: "p.yaml", Data: []byte(text)}, o)
		switch {
		case want == "" && (err != nil || set.Providers[0].DefaultTier != "priority"):
			t.Errorf("%s: %v", provider, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "providers.p.default_tier")):
			t.Errorf("%s: %v, want %q", provider, err, want)
		}
	}
}
