package provider

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"strconv"
	"strings"
)

// Bounds of a body in parts.
const (
	maxParts    = 128
	maxPartText = 256 << 10 // of a part that is no file
)

// parts is a body in parts: its texts by name, and the bytes of its files.
type parts struct {
	texts map[string]string
	bytes int64
	files int
}

// readParts reads a multipart form (RFC 7578) strictly: names that stand twice, parts in another encoding and extended parameters (RFC 8187) are
// refused, because two readers might understand them differently. Only names that end with [] and files may stand more often.
func readParts(r RawRequest) (parts, error) {
	p := parts{texts: map[string]string{}}
	_, parameters, err := mime.ParseMediaType(r.ContentType)
	if err != nil || parameters["boundary"] == "" {
		return p, badRequest("content-type", "multipart/form-data with a boundary is expected")
	}
	if err := nothingAround(r.Body, parameters["boundary"]); err != nil {
		return p, err
	}
	reader := multipart.NewReader(bytes.NewReader(r.Body), parameters["boundary"])
	for n := 0; ; n++ {
		part, err := reader.NextRawPart()
		if err == io.EOF { // the end of the form alone: an error that wraps it is a form without its last boundary
			return p, nil
		}
		if err != nil || n == maxParts {
			return p, badRequest("body", "a whole form of at most %d parts is expected", maxParts)
		}
		text, fault := p.take(part)
		if fault != nil {
			return p, fault
		}
		if name := part.FormName(); !r.Redirects && (leadsElsewhere(name, text) || redirects([]byte(text)) != "") {
			return p, elsewhere(name)
		}
	}
}

// nothingAround refuses what stands before the first boundary and behind the last one: who reads by the book passes it over, and others take
// it for parts. A last boundary behind a bare line feed ends a form for some.
func nothingAround(body []byte, boundary string) error {
	if !bytes.HasPrefix(body, []byte("--"+boundary)) {
		return badRequest("body", "a form begins with its boundary")
	}
	if _, behind, ended := bytes.Cut(body, []byte("\n--"+boundary+"--")); ended && len(bytes.TrimSpace(behind)) > 0 {
		return badRequest("body", "a form ends with its last boundary")
	}
	return nil
}

// take keeps a part, and gives its text unless it is a file.
func (p *parts) take(part *multipart.Part) (string, error) {
	header := part.Header["Content-Disposition"]
	if len(header) != 1 || strings.Contains(header[0], "*") || len(part.Header["Content-Type"]) > 1 || part.Header.Get("Content-Transfer-Encoding") != "" {
		return "", badRequest("body", "a part must have one plain content-disposition, and no encoding")
	}
	name := part.FormName()
	if name == "" {
		return "", badRequest("body", "a part without a name")
	}
	if part.FileName() != "" {
		n, err := io.Copy(io.Discard, part)
		if p.files, p.bytes = p.files+1, p.bytes+n; err != nil {
			return "", badRequest("body", "a part without its end")
		}
		return "", nil
	}
	text, err := io.ReadAll(io.LimitReader(part, maxPartText+1))
	if err != nil || len(text) > maxPartText {
		return "", badRequest(clip(name), "a part of at most %d bytes is expected", maxPartText)
	}
	if strings.HasSuffix(name, "[]") {
		return string(text), nil // none of them decides on a price
	}
	if _, twice := p.texts[name]; twice {
		return "", badRequest(clip(name), "this field stands twice")
	}
	p.texts[name] = string(text)
	return string(text), nil
}

// number reads a whole number of at least 1; 0 when it is absent.
func (p *parts) number(name string) (int64, error) {
	text := p.texts[name]
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > maxCount {
		return 0, badRequest(name, "a whole number from 1 to %d is expected", maxCount)
	}
	return n, nil
}
