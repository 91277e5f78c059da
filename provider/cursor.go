package provider

import "bytes"

// jsonCursor reads JSON that somebody else has checked, or wrote: it jumps over what is not asked for, and allocates nothing.
type jsonCursor struct {
	b []byte
	i int
}

// shortString is how far a string's end is looked for byte by byte: a call of bytes.IndexByte costs as much.
const shortString = 16

// quoted reads a string and gives it with its quotes.
func (c *jsonCursor) quoted() ([]byte, bool) {
	b := c.b[c.i:]
	near := min(1+shortString, len(b))
	for i := 1; i < near; i++ {
		switch b[i] {
		case '"':
			c.i += i + 1
			return b[:i+1], true
		case '\\':
			return c.escaped(i)
		}
	}
	end := bytes.IndexByte(b[near:], '"')
	if end < 0 {
		return nil, false
	}
	if escape := bytes.IndexByte(b[near:near+end], '\\'); escape >= 0 {
		return c.escaped(near + escape)
	}
	c.i += near + end + 1
	return b[:near+end+1], true
}

// escaped reads on in a string that has an escape there.
func (c *jsonCursor) escaped(at int) ([]byte, bool) {
	b := c.b[c.i:]
	for i := at; i < len(b); i++ {
		switch b[i] {
		case '"':
			c.i += i + 1
			return b[:i+1], true
		case '\\':
			i++
		}
	}
	return nil, false
}

// skip passes over a value and tells whether its end was found.
func (c *jsonCursor) skip() bool {
	depth := 0
	for c.i < len(c.b) {
		switch c.b[c.i] {
		case '"':
			if _, ok := c.quoted(); !ok {
				return false
			}
			if depth == 0 {
				return true
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return true
			}
			if depth--; depth == 0 {
				c.i++
				return true
			}
		case ',':
			if depth == 0 {
				return true
			}
		}
		c.i++
	}
	return false
}
