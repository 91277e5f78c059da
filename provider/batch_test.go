package provider_test

import (
	"bytes"
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/pricing"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// The results are in the shapes that the providers document, and their money is worked out by hand from the published batch prices.
func TestBatchesCostWhatTheirResultsSay(t *testing.T) {
	catalog, err := pricing.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	const chat = `{"id":"batch_req_1","custom_id":"a","response":{"status_code":200,"request_id":"r1","body":{"id":"chatcmpl-1","object":"chat.completion","model":"gpt-5-mini-2025-08-07","choices":[{"index":0,"message":{"role":"assistant","content":"Hello."}}],"usage":{"prompt_tokens":2000,"completion_tokens":300,"total_tokens":2300,"prompt_tokens_details":{"cached_tokens":1000},"completion_tokens_details":{"reasoning_tokens":200}}}},"error":null}`
	for name, tt := range map[string]struct {
		preset, results string
		want            sentinel.NanoUSD
		fault           string
	}{
		// gpt-5-mini at half: 1000×0.125 + 1000×0.0125 + 300×1 = 125 + 12.5 + 300 = 437.5 millionths of a dollar
		"openai, chat": {"openai", chat + "\n", 437_500, ""},
		// a response of gpt-5-mini, 1000×0.125 + 10×1 = 135 millionths, and two of the chat above; what failed or expired is free
		"openai, mixed": {"openai", chat + "\n" + chat + "\n" +
			`{"id":"batch_req_3","custom_id":"c","response":{"status_code":200,"body":{"id":"resp_1","object":"response","model":"gpt-5-mini","output":[],"usage":{"input_tokens":1000,"input_tokens_details":{"cached_tokens":0},"output_tokens":10,"total_tokens":1010}}},"error":null}` + "\n" +
			`{"id":"batch_req_4","custom_id":"d","response":{"status_code":400,"body":{"error":{"message":"bad"}}},"error":null}` + "\n" +
			`{"id":"batch_req_5","custom_id":"e","response":null,"error":{"code":"batch_expired","message":"too late"},"result":{"type":"expired"}}` + "\n", 1_010_000, ""},
		// text-embedding-3-small: 5000×0.01 = 50 millionths
		"openai, embeddings": {"openai", `{"id":"batch_req_6","custom_id":"f","response":{"status_code":200,"body":{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,0.2]}],"model":"text-embedding-3-small","usage":{"prompt_tokens":5000,"total_tokens":5000}}},"error":null}`, 50_000, ""},
		// claude-haiku-4-5 at half: 1000×0.5 + 400×0.625 + 600×1 + 5000×0.05 + 200×2.5 = 500 + 250 + 600 + 250 + 500 = 2,100 millionths
		"anthropic": {"anthropic", `{"custom_id":"first","result":{"type":"succeeded","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5-20251001","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":1000,"cache_creation_input_tokens":1000,"cache_read_input_tokens":5000,"cache_creation":{"ephemeral_5m_input_tokens":400,"ephemeral_1h_input_tokens":600},"output_tokens":200,"service_tier":"batch"}}}}` + "\n" +
			`{"custom_id":"second","result":{"type":"errored","error":{"type":"error","error":{"type":"invalid_request_error","message":"x"}}}}` + "\n" +
			`{"custom_id":"third","result":{"type":"canceled"}}` + "\n" + `{"custom_id":"fourth","result":{"type":"expired"}}`, 2_100_000, ""},
		"nothing":             {"anthropic", "", 0, ""},
		"another file":        {"openai", `{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{}}`, 0, "line 1 is no result"},
		"no JSON":             {"openai", chat + "\nhello", 0, "line 2: "},
		"an answer of nobody": {"openai", `{"response":{"status_code":200,"body":{"object":"list"}}}`, 0, "does not say what it used"},
		"a count that lies":   {"anthropic", `{"result":{"type":"succeeded","message":{"model":"claude-haiku-4-5","usage":{"input_tokens":-5,"output_tokens":1}}}}`, 0, "does not say what it used"},
		"no batches":          {"gemini", chat, 0, "has no batches"},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := provider.Find(tt.preset)
			var sum sentinel.NanoUSD
			err := p.Batch(strings.NewReader(tt.results), func(got provider.Metered) error {
				price, ok := catalog.Find(pricing.Key{Provider: p.Name, Model: got.Model}, on)
				if !ok {
					t.Fatalf("no price of %s", got.Model)
				}
				list, ok := price.For(got.Tier, on)
				if !ok {
					t.Fatalf("%s has no list %q", price.Version, got.Tier)
				}
				cost, err := list.Cost(got.Usage)
				sum += cost
				return err
			})
			if (err != nil) != (tt.fault != "") || err != nil && !strings.Contains(err.Error(), tt.fault) || err == nil && sum != tt.want {
				t.Errorf("Batch = %s, %v; want %s, %q", sum, err, tt.want, tt.fault)
			}
		})
	}
}

// FuzzBatch holds that results are read to possible counts of a model by the batch list, or refused with the line.
func FuzzBatch(f *testing.F) {
	f.Add([]byte(`{"response":{"status_code":200,"body":{"model":"gpt-5-mini","usage":{"prompt_tokens":2000,"completion_tokens":300,"prompt_tokens_details":{"cached_tokens":1000}}}}}` + "\n\n" + `{"response":null,"result":{"type":"expired"}}`))
	f.Add([]byte(`{"result":{"type":"succeeded","message":{"model":"claude-haiku-4-5","usage":{"input_tokens":1,"output_tokens":2}}}}`))
	openAI, _ := provider.Find("openai")
	anthropic, _ := provider.Find("anthropic")
	f.Fuzz(func(t *testing.T, results []byte) {
		for _, p := range []provider.Preset{openAI, anthropic} {
			err := p.Batch(bytes.NewReader(results), func(got provider.Metered) error {
				if got.Model == "" || got.Tier != "batch" {
					t.Errorf("%s: an answer of model %q by the list %q", p.Name, got.Model, got.Tier)
				}
				for u, n := range got.Usage {
					if n < 0 || n > 2_000_000_000 {
						t.Errorf("%s: %d %s", p.Name, n, sentinel.Unit(u))
					}
				}
				return nil
			})
			if err != nil && !strings.HasPrefix(err.Error(), "line ") {
				t.Errorf("%s: %v", p.Name, err)
			}
		}
	})
}
