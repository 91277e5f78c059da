package provider

import "sync"

// unreadSizes are those of the buffers of what a stream keeps unread. Every answer in which a model writes needs one for as long as it runs, and most
// need the smallest.
var unreadSizes = [...]int{1 << 10, 8 << 10, maxUnread}

var unreadPools [len(unreadSizes)]sync.Pool

// pooled is a buffer that is taken from a pool when there is something to keep, and exchanged for a larger one when it is full. The zero value is empty.
type pooled struct {
	b    *[]byte
	size int // its place in unreadSizes
}

// held is what the buffer has, until the next room or free.
func (p *pooled) held() []byte {
	if p.b == nil {
		return nil
	}
	return *p.b
}

// room gives the buffer, with room for so many bytes more where that is at most maxUnread in all.
func (p *pooled) room(more int) *[]byte {
	had := p.held()
	size := p.size
	for size < len(unreadSizes)-1 && len(had)+more > unreadSizes[size] {
		size++
	}
	if p.b != nil && size == p.size {
		return p.b
	}
	b, ok := unreadPools[size].Get().(*[]byte)
	if !ok {
		made := make([]byte, 0, unreadSizes[size])
		b = &made
	}
	*b = append(*b, had...)
	p.free()
	p.b, p.size = b, size
	return b
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
		unreadPools[p.size].Put(p.b)
		*p = pooled{}
	}
}
