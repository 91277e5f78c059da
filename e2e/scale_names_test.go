package e2e

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// names is a name server for one name, as a headless Service of Kubernetes is one: its answer is the processes that are there.
type names struct {
	name string // with the dot at its end
	addr string // host:port, UDP

	mu   sync.Mutex
	list []netip.Addr
}

// serveNames answers until the test ends.
func serveNames(t testing.TB, name string) *names {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	n := &names{name: name + ".", addr: l.LocalAddr().String()}
	go func() {
		buffer := make([]byte, 1500)
		for {
			size, from, err := l.ReadFrom(buffer)
			if err != nil {
				return // the test ended
			}
			if answer, err := n.answer(buffer[:size]); err == nil {
				_, _ = l.WriteTo(answer, from) // who asked asks again
			}
		}
	}()
	return n
}

// set replaces the addresses behind the name.
func (n *names) set(hosts ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = nil
	for _, host := range hosts {
		n.list = append(n.list, netip.MustParseAddr(host))
	}
}

func (n *names) answer(question []byte) ([]byte, error) {
	var p dnsmessage.Parser
	header, err := p.Start(question)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	known := strings.EqualFold(q.Name.String(), n.name)
	reply := dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired}
	if !known {
		reply.RCode = dnsmessage.RCodeNameError
	}
	m := dnsmessage.Message{Header: reply, Questions: []dnsmessage.Question{q}}
	n.mu.Lock()
	defer n.mu.Unlock()
	if known && q.Type == dnsmessage.TypeA {
		for _, a := range n.list {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 1}, Body: &dnsmessage.AResource{A: a.As4()},
			})
		}
	}
	return m.Pack()
}
