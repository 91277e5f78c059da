package provider

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// message encodes one message of an AWS event stream, as its specification says.
func message(kind, payload string) []byte {
	headers := append([]byte{11}, ":event-type"...)
	headers = append(binary.BigEndian.AppendUint16(append(headers, stringType), uint16(len(kind))), kind...)
	headers = append(append(headers, 3), "num\x04\x00\x00\x00\x07"...) // a header of another type
	b := binary.BigEndian.AppendUint32(nil, uint32(smallest+len(headers)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, headers...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// read cuts a stream in two and gives the events, and whether the bytes passed unchanged.
func readFrames(stream []byte, at int) (string, bool) {
	var got strings.Builder
	f := &frames{each: func(kind string, payload []byte) { got.WriteString(kind + " " + string(payload) + "\n") }}
	out := append(bytes.Clone(f.write(stream[:at])), f.write(stream[at:])...)
	return got.String(), bytes.Equal(append(out, f.finish()...), stream)
}

func TestFramesAreCutAnywhere(t *testing.T) {
	stream := append(append(message("a", `{"x":1}`), message("b", "")...), message("c", "{}")...)
	for at := range stream {
		if got, same := readFrames(stream, at); got != "a {\"x\":1}\nb \nc {}\n" || !same {
			t.Fatalf("cut at %d: %q", at, got)
		}
	}
}

// After a byte that is not as it was sent nothing is read: neither its message nor any behind it.
func TestBrokenFramesAreNotRead(t *testing.T) {
	good := append(message("a", `{"x":1}`), message("b", "{}")...)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		got, same := readFrames(bad, 0)
		if want := ""; !same || got != want && (i < len(message("a", `{"x":1}`)) || got != "a {\"x\":1}\n") {
			t.Fatalf("byte %d flipped: %q", i, got)
		}
	}
}

func TestLongFramesAreSkipped(t *testing.T) {
	long := message("long", strings.Repeat("x", maxEvent))
	stream := slices.Concat(long, message("b", "{}"))
	f := &frames{}
	var got []string
	f.each = func(kind string, _ []byte) { got = append(got, kind) }
	for at := 0; at < len(stream); at += 10_000 {
		f.write(stream[at:min(at+10_000, len(stream))])
	}
	if len(got) != 1 || got[0] != "b" || cap(f.buf) > maxEvent {
		t.Errorf("read %q, holding %d bytes", got, cap(f.buf))
	}
}

func TestElementsAreCutAnywhere(t *testing.T) {
	stream := []byte("[{\"a\":\"}{\\\"[\"}\r\n,\n{\"b\":[{\"c\":1}]},7,\"{\"]\n")
	for at := range stream {
		var got strings.Builder
		s := &elements{each: func(data []byte) { got.WriteString(string(data) + "\n") }}
		out := append(bytes.Clone(s.write(stream[:at])), s.write(stream[at:])...)
		if want := "{\"a\":\"}{\\\"[\"}\n{\"b\":[{\"c\":1}]}\n"; got.String() != want || !bytes.Equal(out, stream) {
			t.Fatalf("cut at %d: %q, want %q", at, got.String(), want)
		}
	}
}

func TestLongElementsAreNotRead(t *testing.T) {
	var got []string
	s := &elements{each: func(data []byte) { got = append(got, string(data)) }}
	s.write([]byte(`[{"a":"`))
	for range 3 * maxEvent / 10_000 {
		s.write(bytes.Repeat([]byte("x"), 10_000))
	}
	s.write([]byte(`"},{"b":1}]`))
	if len(got) != 1 || got[0] != `{"b":1}` || cap(s.object) > 2*maxEvent {
		t.Errorf("read %.40q, holding %d bytes", got, cap(s.object))
	}
}

func TestWatchCountsAcrossAnySplit(t *testing.T) {
	text := []byte(`{"type":"web_search_call"},"\"web_search_call\"",["web_search_call","web_search_call"]`)
	for i := range text {
		for j := i; j < len(text); j += 7 {
			w := watch{token: webSearchCall}
			for _, part := range [][]byte{text[:i], text[i:j], text[j:]} {
				w.write(part)
			}
			if w.n != 3 {
				t.Fatalf("cut at %d and %d: %d, want 3", i, j, w.n)
			}
		}
	}
	w := watch{token: webSearchCall}
	for i := range text {
		w.write(text[i : i+1])
	}
	if w.n != 3 {
		t.Errorf("byte by byte: %d, want 3", w.n)
	}
}

func TestQueriesAreFoundAcrossAnySplit(t *testing.T) {
	for text, want := range map[string]bool{
		`{"a":1,"webSearchQueries":["a"]}`:                                true,
		"{\"webSearchQueries\" : [\r\n\t \"a\" ] }":                       true,
		`[{"webSearchQueries":[]},{"webSearchQueries":["b"]}]`:            true,
		`{"a":"","webSearchQueries":["a"]}`:                               true,
		`{"webSearchQueries":[]}`:                                         false,
		`{"webSearchQueries":null,"b":"c"}`:                               false,
		`{"text":"\"webSearchQueries\":[\"a\"]"}`:                         false,
		`{"webSearchQuerie":["a"],"webSearchQueriess":["a"],"web":"webS"`: false,
	} {
		for i := range text {
			for j := i; j <= len(text); j++ {
				var q queries
				for _, part := range []string{text[:i], text[i:j], text[j:]} {
					q.write([]byte(part))
				}
				if q.found != want {
					t.Fatalf("%s cut at %d and %d: %t, want %t", text, i, j, q.found, want)
				}
			}
		}
	}
}

func TestALongGroundedAnswerIsBilledForItsSearch(t *testing.T) {
	p, e := use(t, "gemini", "generateContent")
	for list, want := range map[string]int64{`["a"]`: 1, `[]`: 0} {
		m := p.NewMeter(MeterSpec{Endpoint: e, Model: "gemini-2.5-flash", Status: 200})
		m.Write([]byte(`{"candidates":[{"content":{"parts":[{"text":"` + strings.Repeat("x", 2*maxCapture) + `"}]},"groundingMetadata":{"webSearchQueries":` + list + `}}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4}}`))
		if got := m.Finish(true); got.Usage[sentinel.WebSearches] != want || got.Usage[sentinel.OutputTokens] != 4 {
			t.Errorf("%s: used %v", list, got.Usage)
		}
	}
}
