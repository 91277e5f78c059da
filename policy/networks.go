package policy

import (
	"net/netip"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxNetworks bounds the networks of one service.
const maxNetworks = 1000

// networks keeps where a service's redirected connections come from.
func (c *compiler) networks(key string, list []string, caller sentinel.Caller) {
	if len(list) > maxNetworks {
		c.Fault(key, "%d networks: at most %d are possible", len(list), maxNetworks)
		return
	}
	for _, text := range list {
		p, ok := network(text)
		if !ok {
			c.Fault(key, "%q is not an address or a network, such as 10.2.3.4 or 10.2.3.0/24", clip(text))
			continue
		}
		if other, taken := c.set.networks[p]; taken {
			c.Fault(key, "services %s and %s have the same network %s: each needs its own", other.Service, caller.Service, p)
			continue
		}
		c.set.networks[p] = caller
	}
}

// network reads an address or a network. All addresses are nobody's.
func network(text string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), a.Zone() == "" && !a.Is4In6()
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err == nil && p.Bits() > 0 && !p.Addr().Is4In6()
}

// CallerByAddress finds the service of a redirected connection's source: that of the smallest network which has it.
func (s *Set) CallerByAddress(source string) (sentinel.Caller, bool) {
	a, err := netip.ParseAddr(source)
	if err != nil || len(s.networks) == 0 {
		return sentinel.Caller{}, false
	}
	a = a.Unmap()
	for bits := a.BitLen(); bits > 0; bits-- {
		p, err := a.Prefix(bits)
		if err != nil {
			return sentinel.Caller{}, false
		}
		if c, ok := s.networks[p]; ok {
			return c, true
		}
	}
	return sentinel.Caller{}, false
}
