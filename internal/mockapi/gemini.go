package mockapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// geminiContent is a message, or the system's instruction, of Google's API.
type geminiContent struct {
	Parts []struct {
		Text string `json:"text"`
	} `json:"parts"`
}

func (c geminiContent) tokens() int64 {
	n := int64(0)
	for _, p := range c.Parts {
		n += countTokens(p.Text)
	}
	return n
}

type geminiRequest struct {
	Contents []geminiContent `json:"contents"`
	System   geminiContent   `json:"systemInstruction"`
	Config   struct {
		MaxOutputTokens int64 `json:"maxOutputTokens"`
		CandidateCount  int64 `json:"candidateCount"`
	} `json:"generationConfig"`
	Content  geminiContent `json:"content"` // of an embedding
	Requests []struct {
		Content geminiContent `json:"content"`
	} `json:"requests"` // of several embeddings
}

func (q geminiRequest) promptTokens() int64 {
	n := q.System.tokens()
	for _, c := range q.Contents {
		n += c.tokens()
	}
	return n
}

// gemini serves POST /{version}/models/{model}:{method} of v1 and v1beta, as https://ai.google.dev/api describes it.
func gemini(x *exchange) {
	path := strings.TrimPrefix(strings.TrimPrefix(x.path, "/v1beta/models/"), "/v1/models/")
	escaped, method, _ := strings.Cut(path, ":")
	model, err := url.PathUnescape(escaped)
	if err != nil || model == "" || strings.Contains(escaped, "/") || x.r.Method != http.MethodPost {
		x.endpoint = "unknown"
		x.refuse(http.StatusNotFound, "NOT_FOUND", "no such method: "+x.r.Method+" "+x.path)
		return
	}
	var q geminiRequest
	if !x.decode(method, &q) {
		return
	}
	switch method {
	case "generateContent", "streamGenerateContent":
		x.generate(method, model, q)
	case "countTokens":
		if _, ok := x.begin(method, model); ok {
			n := q.promptTokens()
			x.answer(http.StatusOK, map[string]any{"totalTokens": n, "promptTokensDetails": ofText(n)}, sentinel.Usage{})
		}
	case "embedContent", "batchEmbedContents":
		x.embedContents(method, model, q)
	default:
		x.endpoint = "unknown"
		x.refuse(http.StatusNotFound, "NOT_FOUND", "no such method: "+method)
	}
}

func (x *exchange) generate(method, model string, q geminiRequest) {
	n := max(q.Config.CandidateCount, 1)
	if len(q.Contents) == 0 || q.Config.CandidateCount < 0 || n > maxChoices {
		x.endpoint, x.model = method, model
		x.refuse(http.StatusBadRequest, "INVALID_ARGUMENT", fmt.Sprintf("contents are required, and candidateCount is at most %d", maxChoices))
		return
	}
	a, ok := x.begin(method, model)
	if !ok {
		return
	}
	s := x.speak(a, q.Config.MaxOutputTokens)
	prompt := q.promptTokens()
	if method == "streamGenerateContent" {
		x.generateStream(a, s, prompt, n)
		return
	}
	candidates := make([]any, n)
	for i := range candidates {
		candidates[i] = candidate(int64(i), say(s.draw+uint64(i), s.visible), s.geminiFinish())
	}
	u := tokens(a, prompt, n*s.total(), n*s.reasoning)
	x.answer(http.StatusOK, x.geminiObject(s, candidates, u), u)
}

func (s speech) geminiFinish() string {
	if s.cut {
		return "MAX_TOKENS"
	}
	return "STOP"
}

// candidate is one answer or a piece of it. Only the last piece of a stream says why it ended.
func candidate(index int64, text, finish string) map[string]any {
	v := map[string]any{"index": index, "content": map[string]any{"role": "model", "parts": []any{map[string]any{"text": text}}}}
	if finish != "" {
		v["finishReason"] = finish
	}
	return v
}

// geminiObject has the usage so far: the prompt with what was cached within, and the candidates without the thoughts.
func (x *exchange) geminiObject(s speech, candidates []any, u sentinel.Usage) map[string]any {
	usage := map[string]any{
		"promptTokenCount": u.InputTokenSum(), "candidatesTokenCount": u[sentinel.OutputTokens], "totalTokenCount": u.TokenSum(),
		"promptTokensDetails": ofText(u.InputTokenSum()),
	}
	if n := u[sentinel.ReasoningTokens]; n > 0 {
		usage["thoughtsTokenCount"] = n
	}
	if n := u[sentinel.CachedInputTokens]; n > 0 {
		usage["cachedContentTokenCount"], usage["cacheTokensDetails"] = n, ofText(n)
	}
	return map[string]any{"candidates": candidates, "usageMetadata": usage, "modelVersion": x.model, "responseId": fmt.Sprintf("%016x", s.draw)}
}

func ofText(n int64) []any { return []any{map[string]any{"modality": "TEXT", "tokenCount": n}} }

// generateStream sends a piece for each token, each with the usage so far: as server-sent events where the query
// asks for alt=sse, else as the elements of a JSON array.
func (x *exchange) generateStream(a Answers, s speech, prompt, n int64) {
	begin := x.arrayStream
	if x.r.URL.Query().Get("alt") == "sse" {
		begin = x.stream
	}
	out := begin(a)
	thoughts := n * s.reasoning
	sofar := func(output int64) sentinel.Usage { return tokens(a, prompt, output+thoughts, thoughts) }
	// A cut stream has cost what was sent of it, and the thoughts before it.
	bill := func() { x.account(sofar(out.sent), outcomeAborted) }
	defer bill()
	for c := range n {
		for i := range s.visible {
			piece := []any{candidate(c, word(s.draw+uint64(c), i), "")}
			if !out.paced() || !out.token("", x.geminiObject(s, piece, sofar(out.sent+1)), bill) {
				return
			}
		}
		if c < n-1 && !out.event("", x.geminiObject(s, []any{candidate(c, "", s.geminiFinish())}, sofar(out.sent))) {
			return
		}
	}
	u := sofar(out.sent)
	x.account(u, outcomeServed) // before the end, so that a client that has it finds it in the account
	_ = out.event("", x.geminiObject(s, []any{candidate(n-1, "", s.geminiFinish())}, u)) && out.end()
}

// embedContents answers with a usage, which the models before gemini-embedding-2 do not give.
func (x *exchange) embedContents(method, model string, q geminiRequest) {
	a, ok := x.begin(method, model)
	if !ok {
		return
	}
	contents := []geminiContent{q.Content}
	if method == "batchEmbedContents" {
		contents = contents[:0]
		for _, r := range q.Requests {
			contents = append(contents, r.Content)
		}
	}
	prompt, list := int64(0), make([]any, 0, len(contents))
	for i, c := range contents {
		prompt += c.tokens()
		list = append(list, map[string]any{"values": embedding(x.draw()+uint64(i), "float")})
	}
	v := map[string]any{"embeddings": list}
	if method == "embedContent" {
		v = map[string]any{"embedding": list[0]}
	}
	if model != "gemini-embedding-001" {
		v["usageMetadata"] = map[string]any{"promptTokenCount": prompt, "promptTokenDetails": ofText(prompt)}
	}
	x.answer(http.StatusOK, v, tokens(Answers{Latency: a.Latency}, prompt, 0, 0))
}
