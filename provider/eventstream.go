package provider

import (
	"encoding/binary"
	"hash/crc32"
)

// frames cuts a stream of AWS's binary event stream encoding (application/vnd.amazon.eventstream) into messages,
// however its bytes are split: total length, length of the headers and a CRC-32 of both, the headers, the payload,
// and a CRC-32 of the whole. What fails a check is not read, and neither is anything behind it,
// because then nobody knows where a message begins.
type frames struct {
	// each is called with every event's type and payload.
	each   func(kind string, payload []byte)
	buf    []byte // of an unfinished message
	skip   int    // bytes of a message that is too long to be read
	broken bool
}

const (
	preludeBytes = 12
	crcBytes     = 4
	smallest     = preludeBytes + crcBytes
	// largestMessage is AWS's own bound on a message; what is longer than maxEvent is skipped.
	largestMessage = 24 << 20
)

func (f *frames) write(chunk []byte) []byte {
	rest := chunk
	for len(rest) > 0 && !f.broken {
		if f.skip > 0 {
			n := min(f.skip, len(rest))
			f.skip -= n
			rest = rest[n:]
			continue
		}
		want := preludeBytes
		if len(f.buf) >= preludeBytes {
			want = int(binary.BigEndian.Uint32(f.buf))
		}
		n := min(want-len(f.buf), len(rest))
		f.buf = append(f.buf, rest[:n]...)
		rest = rest[n:]
		switch {
		case len(f.buf) < want:
		case want == preludeBytes:
			f.prelude()
		default:
			f.message()
			f.buf = f.buf[:0]
		}
	}
	return chunk
}

// prelude checks the lengths of a message.
func (f *frames) prelude() {
	total, headers := binary.BigEndian.Uint32(f.buf), binary.BigEndian.Uint32(f.buf[4:])
	switch {
	case crc32.ChecksumIEEE(f.buf[:8]) != binary.BigEndian.Uint32(f.buf[8:]), total < smallest, total > largestMessage, headers > total-smallest:
		f.broken, f.buf = true, nil
	case total > maxEvent:
		f.skip, f.buf = int(total)-preludeBytes, f.buf[:0]
	}
}

// message checks and reads one message.
func (f *frames) message() {
	end := len(f.buf) - crcBytes
	if crc32.ChecksumIEEE(f.buf[:end]) != binary.BigEndian.Uint32(f.buf[end:]) {
		f.broken = true
		return
	}
	headers := preludeBytes + int(binary.BigEndian.Uint32(f.buf[4:]))
	if kind, ok := eventType(f.buf[preludeBytes:headers]); ok {
		f.each(kind, f.buf[headers:end])
	}
}

// headerSizes are the bytes of a header's value by its type; -1 stands for a length before it.
var headerSizes = [...]int{0, 0, 1, 2, 4, 8, -1, -1, 8, 16}

// stringType is the type of a header's value that is a text.
const stringType = 7

// eventType finds the header :event-type; exceptions have none, and report nothing.
func eventType(b []byte) (string, bool) {
	for len(b) > 1 {
		name := int(b[0])
		if len(b) < 2+name || int(b[1+name]) >= len(headerSizes) {
			return "", false
		}
		key, kind := string(b[1:1+name]), b[1+name]
		b = b[2+name:]
		size := headerSizes[kind]
		if size < 0 {
			if len(b) < 2 {
				return "", false
			}
			size = int(binary.BigEndian.Uint16(b))
			b = b[2:]
		}
		if len(b) < size {
			return "", false
		}
		if key == ":event-type" && kind == stringType {
			return string(b[:size]), true
		}
		b = b[size:]
	}
	return "", false
}

// finish holds nothing back: a message that lacks its end cannot be checked.
func (f *frames) finish() []byte { return nil }
