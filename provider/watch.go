package provider

import (
	"bytes"
	"slices"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// watch counts how often a token stands in an answer, however its bytes are split. A quoted token is a whole JSON
// string: within a text its quotes would be escaped.
type watch struct {
	token []byte
	unit  sentinel.Unit // that it counts
	n     int64
	tail  []byte // the last bytes, one less than the token has
}

func (w *watch) write(chunk []byte) {
	most := len(w.token) - 1
	if len(w.tail) > 0 {
		across := slices.Concat(w.tail, chunk[:min(most, len(chunk))])
		w.n += int64(bytes.Count(across, w.token))
	}
	w.n += int64(bytes.Count(chunk, w.token))
	if len(chunk) >= most {
		w.tail = append(w.tail[:0], chunk[len(chunk)-most:]...)
		return
	}
	w.tail = append(w.tail, chunk...)
	if over := len(w.tail) - most; over > 0 {
		w.tail = append(w.tail[:0], w.tail[over:]...)
	}
}
