package provider

import "sync"

// pooled is a buffer of maxUnread bytes that is taken from a pool when there is something to keep: every answer in which a model writes needs
// one for as long as it runs. The zero value is empty.
type pooled struct{ b *[]byte }

var unreadPool = sync.Pool{New: func() any {
	b := make([]byte, 0, maxUnread)
	return &b
}}

// held is what the buffer has, until the next add or free.
func (p *pooled) held() []byte {
	if p.b == nil {
		return nil
	}
	return *p.b
}

// buffer is where to keep bytes.
func (p *pooled) buffer() *[]byte {
	if p.b == nil {
		p.b = unreadPool.Get().(*[]byte)
	}
	return p.b
}

func (p *pooled) clear() {
	if p.b != nil {
		*p.b = (*p.b)[:0]
	}
}

// free gives the memory back.
func (p *pooled) free() {
	if p.b != nil {
		p.clear()
		unreadPool.Put(p.b)
		p.b = nil
	}
}
