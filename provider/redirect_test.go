package provider

import (
	"strings"
	"testing"
)

func TestURLsThatLeadInside(t *testing.T) {
	for text, want := range map[string]bool{
		"https://img.example/a.png": false, "data:image/png;base64,AA==": false, "https://8.8.8.8/a": false, "s3://bucket/key": false, "a text": false, "https://[2606:4700::1]/": false,
		"http://127.0.0.1/": true, "http://169.254.169.254/latest/meta-data/": true, "http://10.1.2.3/": true, "http://192.168.0.1": true, "http://172.20.0.1:8080/x": true, "http://100.64.1.1/": true,
		"http://[::1]/": true, "http://[::ffff:10.0.0.1]/": true, "http://[fd00::1]/": true, "http://[fe80::1%25eth0]/": true, "http://[64:ff9b::a00:1]/": true, "http://0.0.0.0/": true,
		"http://2130706433/": true, "http://0x7f.1/": true, "http://127.1/": true, "http://0177.0.0.1/": true,
		"http://localhost/": true, "http://LOCALHOST./": true, "http://metadata/": true, "http://metadata.google.internal/": true, "http://printer.local": true,
		"file:///etc/passwd": true, "FILE:///etc/passwd": true, "gopher://x/": true, "https://img.example@127.0.0.1/": true, "https://img.example\\@127.0.0.1/": true, "http:///x": true, " http://127.0.0.1/": true, "//127.0.0.1/x": true, "// a comment": true, "//img.example/a.png": false, "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/": true, "http://\uff4cocalhost/": true,
		"http://127\u30020\u30020\u30021/": true, "http://m\u00fcller.example/a.png": false, "http://[::1": true,
	} {
		if got := leadsInside(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestMembersThatRedirectAServer(t *testing.T) {
	for body, want := range map[string]string{
		`{"model":"m","messages":[{"content":"see http://127.0.0.1/ for the url"}]}`:                                                   "",
		`{"model":"m","tools":[{"type":"function","function":{"parameters":{"properties":{"base_url":{"type":"string"}}}}}]}`:          "",
		`{"model":"m","api_base":"https://evil.example"}`:                                                                              "api_base",
		`{"model":"m","mcp_servers":[{"type":"url","name":"x"}]}`:                                                                      "mcp_servers",
		`{"requests":[{"custom_id":"1","params":{"model":"m","mcp_servers":[]}}]}`:                                                     "mcp_servers",
		`{"requests":[{"custom_id":"1","params":{"tools":[{"input_schema":{"properties":{"mcp_servers":{}}}}]}}]}`:                     "",
		`{"session":{"tools":[{"type":"mcp","server_url":"https://evil.example"}]}}`:                                                   "tools",
		`{"session":{"tools":[{"server_url":"https://evil.example","type":"mcp"}]}}`:                                                   "server_url",
		`{"session":{"tools":[{"Connector_ID":"connector_gmail"}]}}`:                                                                   "connector_id",
		`{"input":"x","tools":[{"type":"function"},{"type":"MCP","tunnel":"x"}]}`:                                                      "tools",
		`{"tools":[{"type":"function","parameters":{"properties":{"server_url":{"type":"mcp"},"connector_id":{}}}}]}`:                  "",
		`{"model":"m","API_Base":"https://evil.example"}`:                                                                              "api_base",
		`{"model":"m","\u0061pi_base":"https://evil.example"}`:                                                                         "api_base",
		`{"messages":[{"content":[{"type":"image_url","image_url":{"url":"http://169.254.169.254/"}}]}]}`:                              "url",
		`{"messages":[{"content":[{"type":"image_url","image_url":{"u\u0072l":"http:\/\/169.254.169.254\/"}}]}]}`:                      "url",
		`{"input":[{"content":[{"type":"input_image","image_url":"file:///etc/passwd"}]}]}`:                                            "image_url",
		`{"contents":[{"parts":[{"fileData":{"fileUri":"http://10.0.0.1/"}}]}]}`:                                                       "fileuri",
		`{"messages":[{"content":[{"type":"image_url","image_url":{"url":"https://img.example/a.png","detail":"http://10.0.0.1"}}]}]}`: "",
		`{"urls":["x"],"image_url":["https://img.example/", "http://10.0.0.1/"]}`:                                                      "image_url",
	} {
		if got := redirects([]byte(body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

// Forms, forms with parts and queries redirect a server as JSON does.
func TestFieldsThatRedirectAServer(t *testing.T) {
	const inside, charge = "http://10.0.0.1/", "amount=100&currency=usd&source=tok_visa"
	sound := func(name, value string) string {
		return "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--x\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value +
			"\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--x--\r\n"
	}
	for name, tt := range map[string]struct{ preset, endpoint, query, body, fault string }{
		"a part":                     {"openai", "audio.transcriptions", "", sound("prompt", "see http://10.0.0.1/"), ""},
		"a part that redirects":      {"openai", "audio.transcriptions", "", sound("api_base", "https://evil.example"), "api_base"},
		"one in another case":        {"openai", "audio.transcriptions", "", sound("API_Base", "https://evil.example"), "API_Base"},
		"one of several":             {"openai", "audio.transcriptions", "", sound("image_url[]", inside), "image_url[]"},
		"a part of a part":           {"openai", "audio.transcriptions", "", sound("image[url]", inside), "image[url]"},
		"JSON in a part":             {"openai", "audio.transcriptions", "", sound("source", `{"url":"`+inside+`"}`), "source"},
		"a picture elsewhere":        {"openai", "images.edits", "", strings.Replace(sound("image_url", inside), "whisper-1", "gpt-image-1", 1), "image_url"},
		"a query of JSON":            {"openai", "moderations", "base_url=https%3A%2F%2Fevil.example", `{"input":"x"}`, "base_url"},
		"an escaped query":           {"openai", "moderations", "a=b;%62ase_url=x", `{"input":"x"}`, "base_url"},
		"a key of the caller's":      {"openai", "audio.transcriptions", "", sound("api_key", "sk-evil"), "api_key"},
		"a key's place in a query":   {"openai", "moderations", "api_key=x", `{"input":"x"}`, ""},
		"a plain query":              {"openai", "moderations", "timeout=5&url=https://img.example/", `{"input":"x"}`, ""},
		"a field":                    {"stripe", "charges.create", "", charge + "&description=" + inside, ""},
		"a field that leads inside":  {"stripe", "charges.create", "", charge + "&statement%5Burl%5D=http%3A%2F%2F10.0.0.1%2F", "statement[url]"},
		"a page of a developer's":    {"stripe", "payment_intents.create", "", "amount=100&currency=usd&return_url=http%3A%2F%2Flocalhost%3A4242%2F", ""},
		"a note about an address":    {"stripe", "charges.create", "", charge + "&metadata[shop_url]=" + inside, ""},
		"a message's private medium": {"twilio", "messages.create", "", "To=%2B15005550006&From=%2B15005550006&MediaUrl=" + inside, "MediaUrl"},
	} {
		t.Run(name, func(t *testing.T) {
			p, e := use(t, tt.preset, tt.endpoint)
			kind := map[BodyKind]string{BodyParts: "multipart/form-data; boundary=x", BodyForm: "application/x-www-form-urlencoded"}[e.Body]
			r := RawRequest{Path: e.Path, Query: tt.query, ContentType: kind, Body: []byte(tt.body)}
			_, err := p.ReadRequest(e, r)
			redirected := err != nil && strings.HasPrefix(err.Error(), tt.fault+": it would send the provider's server")
			if tt.fault == "" && err != nil || tt.fault != "" && !redirected {
				t.Errorf("%s?%s: %v, want %q", tt.body, tt.query, err, tt.fault)
			}
			r.Redirects = true
			if _, err := p.ReadRequest(e, r); err != nil && strings.Contains(err.Error(), "it would send") {
				t.Errorf("what the policy allows: %v", err)
			}
		})
	}
}
