package provider

// hosts are the APIs that speak as OpenAI's does, by their names in the catalog. Their paths begin with a
// prefix of their own.
var hosts = []Preset{
	mistral,
	compatible("groq", "api.groq.com", "/openai/v1", openAIDialect{}),
	compatible("deepseek", "api.deepseek.com", "/v1", openAIDialect{}),
	compatible("xai", "api.x.ai", "/v1", openAIDialect{reasoningApart: true}),
	compatible("together", "api.together.xyz", "/v1", openAIDialect{}),
	compatible("fireworks", "api.fireworks.ai", "/inference/v1", openAIDialect{}),
	compatible("openrouter", "openrouter.ai", "/api/v1", openAIDialect{}),
	compatible("cerebras", "api.cerebras.ai", "/v1", openAIDialect{}),
	compatible("moonshotai", "api.moonshot.ai", "/v1", openAIDialect{}),
	compatible("zai", "api.z.ai", "/api/paas/v4", openAIDialect{}),
	compatible("novita", "api.novita.ai", "/openai/v1", openAIDialect{}),
	compatible("baseten", "inference.baseten.co", "/v1", openAIDialect{}),
	compatible("openai-compatible", "", "/v1", openAIDialect{}), // the policy names the host
}

// compatible makes the preset of a host that speaks as OpenAI does.
func compatible(name, host, prefix string, d openAIDialect) Preset {
	return Preset{Name: name, Host: host, Credential: "bearer", dialect: d, Endpoints: []Endpoint{
		{Name: "chat.completions", Method: "POST", Path: prefix + "/chat/completions", Body: BodyJSON, Meters: true},
		{Name: "completions", Method: "POST", Path: prefix + "/completions", Body: BodyJSON, Meters: true},
		{Name: "embeddings", Method: "POST", Path: prefix + "/embeddings", Body: BodyJSON, Meters: true},
		{Name: "models.list", Method: "GET", Path: prefix + "/models"},
	}}
}
