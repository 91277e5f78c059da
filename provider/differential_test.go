package provider

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// FuzzJSONReadersAgree: of a body that the strict decoder accepts, two other parsers read the same members and the same texts, at every
// depth. encoding/json takes the last of repeated names in any case, gjson the first: where they agree, there was one.
func FuzzJSONReadersAgree(f *testing.F) {
	for _, seed := range []string{
		`{"model":"gpt-5","stream":true,"messages":[{"role":"user","content":"x"}]}`, `{"a":1,"a":2}`, `{"a":{"b":1,"\u0062":2}}`, `{"model":"a","Model":"b"}`,
		`{"a":"\ud800"}`, `{"a":"\ud83d\ude00"}`, "{\"a\":\"\xff\"}", `{"a":1e400,"b":-0,"c":01}`, `{"a":[{"x":1},{"x":1}]}`, `{"":{"":""}}`, `{"a":"\u0000"}`, "\ufeff{}", `{"a":1}{"b":2}`,
		`{"a\u0000b":1,"a":2}`, `{"a.b":1,"a":{"b":2}}`, `{"*":1,"a":2}`, `{"__proto__":{"model":"x"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := readObject(body, []string{"model", "stream"})
		if err != nil {
			return
		}
		var std map[string]json.RawMessage
		if err := json.Unmarshal(body, &std); err != nil {
			t.Fatalf("encoding/json refuses %q: %v", body, err)
		}
		other := gjson.ParseBytes(body)
		if !gjson.ValidBytes(body) || !other.IsObject() {
			t.Fatalf("gjson refuses %q", body)
		}
		if n := len(other.Map()); len(std) != len(o.members) || n != len(o.members) {
			t.Fatalf("%q has %d members, and %d and %d to others", body, len(o.members), len(std), n)
		}
		for name, m := range o.members {
			if _, ok := std[name]; !ok {
				t.Errorf("encoding/json does not find %q in %q", name, body)
			}
			agree(t, m.value, std[name], other.Map()[name])
		}
	})
}

// agree holds that three readers see one value.
func agree(t *testing.T, ours, std json.RawMessage, other gjson.Result) {
	t.Helper()
	var a, b any
	if err := unmarshal(ours, &a); err != nil {
		t.Fatalf("%q: %v", ours, err)
	}
	if err := unmarshal(std, &b); err != nil {
		t.Fatalf("%q: %v", std, err)
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	z, _ := json.Marshal(valueOf(other))
	if !bytes.Equal(x, y) || !bytes.Equal(x, z) {
		t.Errorf("%q is %s, to encoding/json %s, to gjson %s", ours, x, y, z)
	}
}

func unmarshal(b []byte, into *any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode(into)
}

// valueOf is what gjson reads, with numbers as they are written.
func valueOf(r gjson.Result) any {
	switch {
	case r.IsObject():
		out := map[string]any{}
		r.ForEach(func(k, v gjson.Result) bool {
			if _, twice := out[k.String()]; !twice { // as its own look-up by name does
				out[k.String()] = valueOf(v)
			}
			return true
		})
		return out
	case r.IsArray():
		out := []any{}
		r.ForEach(func(_, v gjson.Result) bool {
			out = append(out, valueOf(v))
			return true
		})
		return out
	case r.Type == gjson.Number:
		return json.Number(r.Raw)
	case r.Type == gjson.String:
		return r.String()
	default:
		return r.Value()
	}
}

// FuzzMultipartReadersAgree: of a body in parts that is accepted, the reader that Go's servers use sees the same texts, once each, and as
// many bytes of files.
func FuzzMultipartReadersAgree(f *testing.F) {
	const boundary = "multipart/form-data; boundary=b"
	part := func(head, text string) string { return "--b\r\n" + head + "\r\n\r\n" + text + "\r\n" }
	model := part(`Content-Disposition: form-data; name="model"`, "whisper-1")
	file := part(`Content-Disposition: form-data; name="file"; filename="a.mp3"`+"\r\nContent-Type: audio/mpeg", "\x00\x01")
	for _, body := range []string{
		model + file + "--b--\r\n", model + model + "--b--", part(`Content-Disposition: form-data; name*=UTF-8''model`, "x") + "--b--",
		part("Content-Disposition: form-data; name=\"model\"\r\nContent-Transfer-Encoding: base64", "eA==") + "--b--",
		part(`Content-Disposition: form-data; name="a[]"`, "1") + part(`Content-Disposition: form-data; name="a[]"`, "2") + "--b--", "--b\n\n--b--", model + "--b", "preamble\r\n" + model + "--b--epilogue",
		part(`Content-Disposition: form-data; name="mod\"el"; name=model`, "x") + "--b--", part("content-disposition:form-data;name=model", "x") + "--b--",
	} {
		f.Add(boundary, []byte(body))
	}
	f.Add(`multipart/form-data; boundary="b"; charset=utf-7`, []byte(model+"--b--"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		p, err := readParts(RawRequest{ContentType: contentType, Body: body})
		if err != nil {
			return
		}
		_, parameters, err := mime.ParseMediaType(contentType)
		if err != nil {
			t.Fatalf("content-type %q was accepted: %v", contentType, err)
		}
		form, err := multipart.NewReader(bytes.NewReader(body), parameters["boundary"]).ReadForm(64 << 20)
		if err != nil {
			t.Fatalf("Go's form reader refuses %q: %v", body, err)
		}
		defer func() { _ = form.RemoveAll() }()
		single := 0
		for name, values := range form.Value {
			if strings.HasSuffix(name, "[]") {
				continue
			}
			single++
			if text, ok := p.texts[name]; !ok || len(values) != 1 || values[0] != text {
				t.Errorf("%q in %q is %q, to Go's form reader %q", name, body, text, values)
			}
		}
		if single != len(p.texts) {
			t.Errorf("%d texts in %q, to Go's form reader %d", len(p.texts), body, single)
		}
		files, size := 0, int64(0)
		for _, list := range form.File {
			for _, h := range list {
				file, err := h.Open()
				if err != nil {
					t.Fatal(err)
				}
				n, _ := io.Copy(io.Discard, file)
				_ = file.Close()
				files, size = files+1, size+n
			}
		}
		if files != p.files || size != p.bytes {
			t.Errorf("%d files of %d bytes in %q, to Go's form reader %d of %d", p.files, p.bytes, body, files, size)
		}
	})
}
