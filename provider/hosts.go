package provider

// hosts are the APIs that speak as OpenAI's does, by their names in the catalog. Their paths begin with a
// prefix of their own.
var hosts = []Preset{
	mistral,
	groq,
	compatible("deepseek", "api.deepseek.com", "/v1", openAIDialect{host: deepseekFit}),
	compatible("xai", "api.x.ai", "/v1", openAIDialect{reasoningApart: true, host: xaiFit}),
	compatible("together", "api.together.xyz", "/v1", openAIDialect{}),
	compatible("fireworks", "api.fireworks.ai", "/inference/v1", openAIDialect{}),
	compatible("openrouter", "openrouter.ai", "/api/v1", openAIDialect{}),
	compatible("cerebras", "api.cerebras.ai", "/v1", openAIDialect{host: cerebrasFit}),
	compatible("moonshotai", "api.moonshot.ai", "/v1", openAIDialect{}),
	compatible("zai", "api.z.ai", "/api/paas/v4", openAIDialect{}),
	compatible("novita", "api.novita.ai", "/openai/v1", openAIDialect{}),
	compatible("baseten", "inference.baseten.co", "/v1", openAIDialect{}),
	compatible("openai-compatible", "", "/v1", openAIDialect{}), // the policy names the host
}

// groq also reads speech aloud, and writes it down: by the second, at least ten (https://console.groq.com/docs/speech-to-text).
var groq = func() Preset {
	const prefix = "/openai/v1"
	p := compatible("groq", "api.groq.com", prefix, openAIDialect{leastSeconds: 10, host: groqFit})
	p.Endpoints = append(p.Endpoints,
		Endpoint{Name: "audio.speech", Method: "POST", Path: prefix + "/audio/speech", Body: BodyJSON},
		Endpoint{Name: "audio.transcriptions", Method: "POST", Path: prefix + "/audio/transcriptions", Body: BodyParts, Meters: true},
		Endpoint{Name: "audio.translations", Method: "POST", Path: prefix + "/audio/translations", Body: BodyParts, Meters: true})
	return p
}()

// compatible makes the preset of a host that speaks as OpenAI does.
func compatible(name, host, prefix string, d openAIDialect) Preset {
	return Preset{Name: name, Host: host, Credential: "bearer", dialect: d, Endpoints: []Endpoint{
		{Name: "chat.completions", Method: "POST", Path: prefix + "/chat/completions", Body: BodyJSON, Meters: true},
		{Name: "completions", Method: "POST", Path: prefix + "/completions", Body: BodyJSON, Meters: true},
		{Name: "embeddings", Method: "POST", Path: prefix + "/embeddings", Body: BodyJSON, Meters: true},
		{Name: "models.list", Method: "GET", Path: prefix + "/models"},
	}}
}
