package provider

import (
	"bytes"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// watch counts how often a token stands in an answer, however its bytes are split. A quoted token is a whole JSON
// string: within a text its quotes would be escaped.
type watch struct {
	token []byte        // of at most maxWatched bytes
	unit  sentinel.Unit // that it counts
	n     int64
	tail  [maxWatched]byte // the last bytes, one less than the token has
	held  int              // of tail
}

const maxWatched = 24

func (w *watch) write(chunk []byte) {
	most := len(w.token) - 1
	if w.held > 0 {
		var across [2 * maxWatched]byte
		n := copy(across[:], w.tail[:w.held])
		n += copy(across[n:], chunk[:min(most, len(chunk))])
		w.n += int64(bytes.Count(across[:n], w.token))
	}
	w.n += int64(bytes.Count(chunk, w.token))
	if over := w.held + len(chunk) - most; over > 0 { // the oldest of tail go
		over = min(over, w.held)
		w.held = copy(w.tail[:], w.tail[over:w.held])
	}
	w.held += copy(w.tail[w.held:most], chunk[max(0, len(chunk)-(most-w.held)):])
}
