package mockapi

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// piece is what a client reads of an element of Google's.
type piece struct {
	Candidates []struct {
		Content struct {
			Parts []struct{ Text string }
		}
		FinishReason string
	}
	UsageMetadata struct {
		PromptTokenCount, CandidatesTokenCount, ThoughtsTokenCount, CachedContentTokenCount, TotalTokenCount int64
	}
}

const ask4 = `{"contents":[{"role":"user","parts":[{"text":"one two three four"}]}],"generationConfig":{"maxOutputTokens":12}}`

// Four prompt tokens, half of them cached, and twelve of output of which five are thoughts:
// 2×0.3 + 2×0.03 + 7×2.5 + 5×2.5 = 30.66 millionths of a dollar.
func TestGeminiSaysTheSameInOnePieceAndInMany(t *testing.T) {
	c := quick()
	c.Answers.CachedPercent, c.Answers.ReasoningTokens = 50, 5
	for name, path := range map[string]string{
		"one piece": ":generateContent", "events": ":streamGenerateContent?alt=sse", "an array": ":streamGenerateContent",
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, c)
			status, body := post(t, s, "/gemini/v1beta/models/gemini-2.5-flash"+path, ask4)
			if status != 200 {
				t.Fatalf("answered %d %s", status, body)
			}
			list, text, last := pieces(t, name, body), "", piece{}
			for _, p := range list {
				text += p.Candidates[0].Content.Parts[0].Text
				last = p
			}
			u := last.UsageMetadata
			if countTokens(text) != 7 || last.Candidates[0].FinishReason != "MAX_TOKENS" || name != "one piece" && len(list) != 8 {
				t.Errorf("%d pieces of %q, ended by %s", len(list), text, last.Candidates[0].FinishReason)
			}
			if u.PromptTokenCount != 4 || u.CachedContentTokenCount != 2 || u.CandidatesTokenCount != 7 || u.ThoughtsTokenCount != 5 || u.TotalTokenCount != 16 {
				t.Errorf("usage %+v", u)
			}
			if got := s.Stats().CostNanoUSD; got != 30_660 {
				t.Errorf("billed %d nano-dollars, want 30660", got)
			}
		})
	}
}

func pieces(t *testing.T, form, body string) (list []piece) {
	t.Helper()
	switch form {
	case "one piece":
		body = "[" + body + "]"
	case "events":
		if !strings.HasPrefix(body, "data: {") || !strings.HasSuffix(body, "}\r\n\r\n") {
			t.Fatalf("no events of Google's: %q", body)
		}
		body = "[" + strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(body, "data: "), "\r\n\r\n"), "\r\n\r\ndata: ", ",") + "]"
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return list
}

func TestGeminiCountsForNothingAndEmbedsForItsPrompt(t *testing.T) {
	s := newServer(t, quick())
	for path, want := range map[string]string{
		"gemini-2.5-flash:countTokens":             `{"promptTokensDetails":[{"modality":"TEXT","tokenCount":4}],"totalTokens":4}`,
		"gemini-embedding-2:batchEmbedContents":    `"usageMetadata":{"promptTokenCount":3,`,
		"gemini-embedding-001:batchEmbedContents":  `{"embeddings":[{"values":[`,
		"gemini-2.5-flash:nothing":                 `"status":"NOT_FOUND"`,
		"gemini-2.5-flash:streamGenerateContent?x": `"finishReason":"MAX_TOKENS"`,
	} {
		body := ask4
		if strings.Contains(path, "mbed") {
			body = `{"requests":[{"content":{"parts":[{"text":"one two"}]}},{"content":{"parts":[{"text":"three"}]}}]}`
		}
		if _, got := post(t, s, "/gemini/v1beta/models/"+path, body); !strings.Contains(got, want) {
			t.Errorf("%s = %s, want %s in it", path, got, want)
		}
	}
	costs := map[string]int64{}
	for _, r := range s.Stats().Rows {
		costs[r.Endpoint+" "+r.Model] = r.CostNanoUSD
	}
	want := map[string]int64{
		"countTokens gemini-2.5-flash": 0, "batchEmbedContents gemini-embedding-2": 600, "batchEmbedContents gemini-embedding-001": 450,
		"streamGenerateContent gemini-2.5-flash": 31_200, "unknown ": 0, // 4×0.3 + 12×2.5
	}
	if diff := cmp.Diff(want, costs); diff != "" {
		t.Errorf("nano-dollars (-want +got):\n%s", diff)
	}
}

func TestTwilioBillsBySegments(t *testing.T) {
	for name, tt := range map[string]struct {
		form     url.Values
		reported string
		cost     int64
	}{
		"a short text":             {url.Values{"Body": {"hello"}}, "1", 8_300_000},
		"160 characters":           {url.Values{"Body": {strings.Repeat("a", 160)}}, "1", 8_300_000},
		"161 characters":           {url.Values{"Body": {strings.Repeat("a", 161)}}, "2", 16_600_000},
		"306 and one in brackets":  {url.Values{"Body": {strings.Repeat("a", 305) + "["}}, "3", 24_900_000},
		"70 with a mark":           {url.Values{"Body": {strings.Repeat("✓", 70)}}, "1", 8_300_000},
		"71 with a mark":           {url.Values{"Body": {strings.Repeat("✓", 71)}}, "2", 16_600_000},
		"a face that is not split": {url.Values{"Body": {strings.Repeat("a", 66) + "😀" + strings.Repeat("a", 66)}}, "3", 24_900_000},
		"a picture":                {url.Values{"Body": {strings.Repeat("a", 400)}, "MediaUrl": {"https://a.example/1.png"}}, "1", 22_000_000},
		"by a messaging service":   {url.Values{"Body": {strings.Repeat("a", 161)}, "From": nil, "MessagingServiceSid": {"MG1"}}, "0", 16_600_000},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, quick())
			form := url.Values{"To": {"+14155550100"}, "From": {"+14155550199"}}
			for k, v := range tt.form {
				form[k] = v
			}
			status, body := post(t, s, "/twilio/2010-04-01/Accounts/AC1/Messages.json", form.Encode())
			if got := s.Stats().CostNanoUSD; status != 201 || got != tt.cost || !strings.Contains(body, fmt.Sprintf(`"num_segments":%q`, tt.reported)) {
				t.Errorf("%d %s for %d nano-dollars, want 201, %s segments and %d", status, body, got, tt.reported, tt.cost)
			}
		})
	}
	s := newServer(t, quick())
	if status, body := post(t, s, "/twilio/2010-04-01/Accounts/AC1/Messages.json", "To=1&From=2&Body=x"); status != 400 || !strings.Contains(body, `"code":21211`) || s.Stats().CostNanoUSD != 0 {
		t.Errorf("a number that is none got %d %s for %d nano-dollars", status, body, s.Stats().CostNanoUSD)
	}
}

func TestCallsThatTheirClientsNamedAreKeptOneByOne(t *testing.T) {
	s := newServer(t, quick())
	post(t, s, "/gemini/v1beta/models/gemini-2.5-flash:generateContent", ask4, "X-Client-Request-Id", "7")
	post(t, s, "/gemini/v1beta/models/gemini-2.5-flash:generateContent", `{}`, "X-Client-Request-Id", "8")
	post(t, s, "/gemini/v1beta/models/gemini-2.5-flash:generateContent", ask4)
	calls := s.Calls()
	if len(calls) != 2 || calls[0].Name != "7" || calls[0].CostNanoUSD != 31_200 || calls[0].Failed || calls[1].Name != "8" || !calls[1].Failed {
		t.Errorf("calls = %+v", calls)
	}
	s.Reset()
	if n := len(s.Calls()); n != 0 {
		t.Errorf("%d calls after a reset", n)
	}
}
