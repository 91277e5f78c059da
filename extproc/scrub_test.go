package extproc

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
)

const scrubbed = `sk-canary/7d"1c+x`

// spellings has a secret in every form in which an answer may quote it.
func spellings(t *testing.T) map[string]string {
	t.Helper()
	quoted, err := json.Marshal(map[string]string{"message": "Incorrect API key provided: " + scrubbed + "."})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"plain": "no key " + scrubbed + " here", "JSON": string(quoted), "JSON with slashes escaped": strings.ReplaceAll(string(quoted), "/", `\/`),
		"query": "?key=" + url.QueryEscape(scrubbed) + "&x", "path": "/" + url.PathEscape(scrubbed) + "/x", "twice": scrubbed + scrubbed,
		"Basic":                 "Basic " + base64.StdEncoding.EncodeToString([]byte(scrubbed+":")),
		"Basic with a user":     "Basic " + base64.StdEncoding.EncodeToString([]byte("u:"+scrubbed)),
		"Basic of an account":   "Basic " + base64.URLEncoding.EncodeToString([]byte("acct:"+scrubbed+":x")),
		"JSON of .NET":          `{"m":"key ` + strings.NewReplacer(`"`, `\u0022`, "+", `\u002B`).Replace(scrubbed) + `"}`,
		"HTML":                  "<p>" + html.EscapeString(scrubbed) + "</p>",
		"HTML with names":       "<p>" + strings.NewReplacer(`"`, "&quot;", "+", "&#x2B;").Replace(scrubbed) + "</p>",
		"hexadecimal":           "key " + hex.EncodeToString([]byte(scrubbed)) + " was refused",
		"hexadecimal, capitals": "key " + strings.ToUpper(hex.EncodeToString([]byte(scrubbed))) + " was refused",
	}
}

// leaks tells whether a text shows so much of the secret that it could be found out.
func leaks(text string) bool {
	for _, s := range []string{text, strings.ReplaceAll(text, `\`, "")} {
		if strings.Contains(s, "canary") {
			return true
		}
		for _, word := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \"&?*", r) }) {
			if plain, _ := hex.DecodeString(word); bytes.Contains(plain, []byte("canary")) {
				return true
			}
			for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				if plain, _ := e.DecodeString(strings.TrimRight(word, "=")); bytes.Contains(plain, []byte("canary")) {
					return true
				}
			}
		}
	}
	return false
}

func TestSecretsAreBlankedAtEverySplit(t *testing.T) {
	needles := NewNeedles(scrubbed)
	for name, text := range spellings(t) {
		if !leaks(text) && name != "query" && name != "path" {
			t.Fatalf("%s: the test does not see its own secret in %s", name, text)
		}
		for first := 0; first <= len(text); first++ {
			for second := first; second <= len(text); second++ {
				s := scrubber{Needles: needles}
				var out []byte
				for _, part := range []struct {
					text string
					last bool
				}{{text[:first], false}, {text[first:second], false}, {text[second:], true}} {
					out = append(out, s.write([]byte(part.text), part.last)...)
				}
				if len(out) != len(text) || leaks(string(out)) {
					t.Fatalf("%s split at %d and %d: %q became %q", name, first, second, text, out)
				}
			}
		}
	}
}

func TestOtherBytesPassAtOnce(t *testing.T) {
	s := scrubber{Needles: NewNeedles(scrubbed)}
	for _, event := range []string{"data: {\"x\":\"sk-\"}\n\n", "data: [DONE]\n\n", "", "\x00\xff"} {
		in := []byte(event)
		out := s.write(in, false)
		if string(out) != event || len(in) > 0 && &in[0] != &out[0] {
			t.Errorf("%q became %q, or a copy", event, out)
		}
	}
	if got := NewNeedles("short", ""); got != nil {
		t.Errorf("short secrets are looked for: %q", got.list)
	}
	none := scrubber{}
	if got := none.write([]byte(scrubbed), false); string(got) != scrubbed {
		t.Errorf("without secrets %q passes", got)
	}
}

// A text of a few letters begins needles at many places; in pieces it must come out as it does in one.
func TestPiecesMakeNoDifference(t *testing.T) {
	needles := NewNeedles("abababac", "babacaba")
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		text := make([]byte, r.IntN(80))
		for i := range text {
			text[i] = "abac"[r.IntN(4)]
		}
		whole := scrubber{Needles: needles}
		want := string(whole.write(bytes.Clone(text), true))
		parts := scrubber{Needles: needles}
		var got []byte
		for rest := text; ; {
			n := r.IntN(len(rest) + 1)
			got = append(got, parts.write(rest[:n], n == len(rest))...)
			if n == len(rest) {
				break
			}
			rest = rest[n:]
		}
		for _, secret := range []string{"abababac", "babacaba"} {
			if bytes.Contains(got, []byte(secret)) {
				t.Fatalf("%q became %q", text, got)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%q became %q in pieces, %q whole", text, got, want)
		}
	}
}

func TestTextIsRead(t *testing.T) {
	for kind, want := range map[string]bool{
		"": true, "application/json; charset=utf-8": true, "Text/HTML": true, "application/problem+json": true, "application/xml": true,
		"image/png": false, "application/octet-stream": false, "audio/mpeg": false, "application/vnd.amazon.eventstream": false,
	} {
		if textual(kind) != want {
			t.Errorf("textual(%q) = %v", kind, !want)
		}
	}
}

func BenchmarkScrubChunk(b *testing.B) {
	s := scrubber{Needles: NewNeedles("sk-proj-" + strings.Repeat("aB3", 40))}
	chunk := []byte(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" hello"},"finish_reason":null}]}` + "\n\n")
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		s.write(chunk, false)
	}
}
