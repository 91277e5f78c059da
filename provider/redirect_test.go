package provider

import "testing"

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
