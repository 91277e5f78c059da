package mockapi

import (
	"encoding/base64"
	"net/http"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// spoken is what OpenAI's price by the minute comes to beside that by the token: 1.5 tokens of sound a character.
func spoken(text string) int64 { return (int64(len([]rune(text)))*3 + 1) / 2 }

// audioSpeech answers as gpt-4o-mini-tts does with stream_format sse: pieces of sound, and the usage at the end
// (https://platform.openai.com/docs/api-reference/audio/speech-audio-done-event).
func (x *exchange) audioSpeech() {
	const endpoint = "audio.speech"
	var q struct {
		Model  string `json:"model"`
		Input  string `json:"input"`
		Voice  string `json:"voice"`
		Format string `json:"stream_format"`
	}
	if !x.decode(endpoint, &q) {
		return
	}
	if q.Model == "" || q.Input == "" || q.Voice == "" || q.Format != "sse" {
		x.endpoint, x.model = endpoint, q.Model
		x.refuse(http.StatusBadRequest, "invalid_request_error", "model, input and voice are required, and only stream_format sse is served")
		return
	}
	a, ok := x.begin(endpoint, q.Model)
	if !ok {
		return
	}
	u := tokens(Answers{}, countTokens(q.Input), spoken(q.Input), 0)
	out := x.stream(a)
	bill := func() { x.account(u, outcomeAborted) } // the text was spoken before the client left
	defer bill()
	for i := range u[sentinel.OutputTokens] {
		if !out.paced() || !out.token("", map[string]any{"type": "speech.audio.delta", "audio": base64.StdEncoding.EncodeToString([]byte{byte(i), byte(i >> 8)})}, bill) {
			return
		}
	}
	x.account(u, outcomeServed) // before the end, so that a client that has it finds it in the account
	out.event("", map[string]any{"type": "speech.audio.done", "usage": map[string]any{
		"input_tokens": u[sentinel.InputTokens], "output_tokens": u[sentinel.OutputTokens], "total_tokens": u.TokenSum(),
	}})
}
