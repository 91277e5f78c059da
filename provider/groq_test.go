package provider

import (
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Groq says how long a sound was only in verbose_json, and could fetch one that no request bounds.
func TestGroqsSoundIsBounded(t *testing.T) {
	for name, tt := range map[string]struct {
		fields  string // name=value, one a line
		refused string // a part of why; empty where it goes out
	}{
		"with its times": {"model=whisper-large-v3\nresponse_format=verbose_json", ""},
		"as JSON":        {"model=whisper-large-v3", "only in verbose_json"},
		"as text":        {"model=whisper-large-v3\nresponse_format=text", "does not say what was used"},
		"from elsewhere": {"model=whisper-large-v3\nresponse_format=verbose_json\nurl=https://a.example/x.mp3", "has no bound"},
	} {
		t.Run(name, func(t *testing.T) {
			var body strings.Builder
			for field := range strings.SplitSeq(tt.fields, "\n") {
				name, value, _ := strings.Cut(field, "=")
				body.WriteString("--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n")
			}
			body.WriteString("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\nID3\r\n--b--\r\n")
			p, e := use(t, "groq", "audio.transcriptions")
			rq, err := p.ReadRequest(e, RawRequest{ContentType: "multipart/form-data; boundary=b", Body: []byte(body.String())})
			switch {
			case tt.refused == "" && (err != nil || rq.Bound[sentinel.Seconds] != 10):
				t.Errorf("bounded by %d seconds, %v, want the least that is billed, 10", rq.Bound[sentinel.Seconds], err)
			case tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused)):
				t.Errorf("read with %v, want it refused because it %s", err, tt.refused)
			}
		})
	}
}
