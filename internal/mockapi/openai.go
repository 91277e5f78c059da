package mockapi

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// epoch dates everything that the stand-ins make, so that a run can be repeated to the byte.
const epoch = 1_767_225_600 // 2026-01-01T00:00:00Z

func openAI(x *exchange) {
	switch {
	case x.r.Method == http.MethodPost && x.path == "/v1/chat/completions":
		x.chat()
	case x.r.Method == http.MethodPost && x.path == "/v1/responses":
		x.responses()
	case x.r.Method == http.MethodPost && x.path == "/v1/embeddings":
		x.embeddings()
	case x.r.Method == http.MethodPost && x.path == "/v1/audio/speech":
		x.audioSpeech()
	case x.r.Method == http.MethodGet && (x.path == "/v1/models" || strings.HasPrefix(x.path, "/v1/models/")):
		x.models()
	case strings.HasPrefix(x.path, projectsPath):
		x.serviceAccounts()
	case x.r.Method == http.MethodGet && strings.HasPrefix(x.path, "/v1/organization/"):
		x.openAIReport(strings.TrimPrefix(x.path, "/v1/organization/"))
	default:
		x.endpoint = "unknown"
		x.refuse(http.StatusNotFound, "unknown_url", "Unknown request URL: "+x.r.Method+" "+x.path)
	}
}

// decode reads the body, and answers itself when it cannot.
func (x *exchange) decode(endpoint string, into any) bool {
	if err := json.Unmarshal(x.body, into); err != nil {
		x.endpoint = endpoint
		x.refuse(http.StatusBadRequest, "invalid_request_error", "We could not parse the JSON body of your request: "+err.Error())
		return false
	}
	return true
}

type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

// promptTokens counts as OpenAI's cookbook does for its chat models: 3 tokens a message, its role
// and its text, and 3 for the start of the answer.
func promptTokens(messages []message) int64 {
	n := int64(3)
	for _, m := range messages {
		n += 3 + countTokens(m.Role) + countTokens(parts(m.Content))
	}
	return n
}

// tokens splits counts into the classes that are billed; none overlaps another.
func tokens(a Answers, prompt, output, reasoning int64) sentinel.Usage {
	cached := prompt * a.CachedPercent / 100
	var u sentinel.Usage
	u[sentinel.Requests] = 1
	u[sentinel.InputTokens] = prompt - cached
	u[sentinel.CachedInputTokens] = cached
	u[sentinel.OutputTokens] = output - reasoning
	u[sentinel.ReasoningTokens] = reasoning
	return u
}

// models lists the configured models, or shows one.
func (x *exchange) models() {
	name := strings.TrimPrefix(strings.TrimPrefix(x.path, "/v1/models"), "/")
	endpoint := "models.list"
	if name != "" {
		endpoint = "models.get"
	}
	if _, ok := x.begin(endpoint, ""); !ok {
		return
	}
	model := func(id string) map[string]any {
		return map[string]any{"id": id, "object": "model", "created": epoch, "owned_by": "mock"}
	}
	if name != "" {
		x.answer(http.StatusOK, model(name), sentinel.Usage{})
		return
	}
	ids := []string{}
	for _, p := range x.rules.Prices {
		if p.Provider == "openai" && p.Model != "" && !slices.Contains(ids, p.Model) {
			ids = append(ids, p.Model)
		}
	}
	list := make([]map[string]any, 0, len(ids))
	for _, id := range ids {
		list = append(list, model(id))
	}
	x.answer(http.StatusOK, map[string]any{"object": "list", "data": list}, sentinel.Usage{})
}

func (x *exchange) embeddings() {
	var q struct {
		Model          string          `json:"model"`
		Input          json.RawMessage `json:"input"`
		EncodingFormat string          `json:"encoding_format"`
	}
	if !x.decode("embeddings", &q) {
		return
	}
	a, ok := x.begin("embeddings", q.Model)
	if !ok {
		return
	}
	var inputs []string
	if json.Unmarshal(q.Input, &inputs) != nil {
		inputs = []string{parts(q.Input)}
	}
	prompt, data := int64(0), make([]map[string]any, 0, len(inputs))
	for i, text := range inputs {
		prompt += countTokens(text)
		data = append(data, map[string]any{"object": "embedding", "index": i, "embedding": embedding(x.draw()+uint64(i), q.EncodingFormat)})
	}
	x.answer(http.StatusOK, map[string]any{
		"object": "list", "model": q.Model, "data": data,
		"usage": map[string]any{"prompt_tokens": prompt, "total_tokens": prompt},
	}, tokens(Answers{Latency: a.Latency}, prompt, 0, 0))
}

// embedding is a short vector; the official clients ask for base64 of little-endian float32.
func embedding(draw uint64, format string) any {
	const dimensions = 8
	vector := make([]float32, dimensions)
	packed := make([]byte, 0, 4*dimensions)
	for i := range vector {
		vector[i] = float32(draw>>(8*i)&0xff)/256 - 0.5
		packed = binary.LittleEndian.AppendUint32(packed, math.Float32bits(vector[i]))
	}
	if format == "base64" {
		return packed // encoding/json writes bytes as base64
	}
	return vector
}
