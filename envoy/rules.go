package envoy

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// Rules are what redirects connections to port 443 to Proxy.Redirected, in the namespace in which Envoy listens.
type Rules struct {
	Redirected string   // Proxy.Redirected
	Interfaces []string // connections of others that come in here, such as cni0 or veth+; none: those that processes of this namespace make
	Except     int      // uid whose own connections are left alone: Envoy's, where Interfaces is empty
}

var interfacePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,13}\+?$`) // 15 characters (IFNAMSIZ); + at the end is any

func (r Rules) validate() (netip.AddrPort, error) {
	at, err := netip.ParseAddrPort(r.Redirected)
	switch {
	case err != nil || at.Port() == 0:
		return at, errors.New("proxy.redirected: set it first, to an ip:port such as 127.0.0.1:15001")
	case at.Port() == 443:
		return at, errors.New("proxy.redirected: take another port than 443, whose connections are redirected")
	case len(r.Interfaces) > 0 && at.Addr().IsLoopback():
		return at, fmt.Errorf("proxy.redirected: %s is reached from this machine alone: connections of others need an address such as 0.0.0.0:%d", r.Redirected, at.Port())
	case r.Except < 0:
		return at, errors.New("the uid of Envoy is no number below 0")
	}
	for _, name := range r.Interfaces {
		if !interfacePattern.MatchString(name) {
			return at, fmt.Errorf("%q is not the name of a network interface, such as eth0, or veth+ for all that begin so", name)
		}
	}
	return at, nil
}

// NFTables are the rules for nft -f, which replace those of before as a whole. QUIC is refused, so that clients fall back to TCP, and so is
// the IP version that the listener does not have.
func (r Rules) NFTables() (string, error) {
	at, err := r.validate()
	if err != nil {
		return "", err
	}
	redirect, filter, whose := "output priority -100", "output", []string{fmt.Sprintf(`meta skuid != %d oifname != "lo"`, r.Except)}
	if len(r.Interfaces) > 0 {
		redirect, filter, whose = "prerouting priority dstnat", "forward", nil
		for _, name := range r.Interfaces {
			whose = append(whose, `iifname "`+strings.Replace(name, "+", "*", 1)+`"`)
		}
	}
	own, other := "ipv4", "ipv6"
	if at.Addr().Is6() {
		own, other = other, own
	}
	var to, refused strings.Builder
	for _, w := range whose {
		fmt.Fprintf(&refused, "\t\t%s udp dport 443 reject\n", w)
		fmt.Fprintf(&to, "\t\t%s meta nfproto %s tcp dport 443 redirect to :%d\n", w, own, at.Port())
		fmt.Fprintf(&refused, "\t\t%s meta nfproto %s tcp dport 443 reject with tcp reset\n", w, other)
	}
	return fmt.Sprintf(`table inet sentinel_egress
delete table inet sentinel_egress
table inet sentinel_egress {
	chain to_gateway {
		type nat hook %s; policy accept;
%s	}
	chain never {
		type filter hook %s priority filter; policy accept;
%s	}
}
`, redirect, to.String(), filter, refused.String()), nil
}

// IPTables are the rules as a script, for systems without nft. It can be run again.
func (r Rules) IPTables() (string, error) {
	at, err := r.validate()
	if err != nil {
		return "", err
	}
	redirect, filter := "OUTPUT", "OUTPUT"
	whose := []string{fmt.Sprintf("! -o lo -m owner ! --uid-owner %d", r.Except)}
	if len(r.Interfaces) > 0 {
		redirect, filter, whose = "PREROUTING", "FORWARD", nil
		for _, name := range r.Interfaces {
			whose = append(whose, "-i "+name)
		}
	}
	var b strings.Builder
	line := func(program, table, chain, match, then string) {
		fmt.Fprintf(&b, "%[1]s -t %[2]s -C %[3]s %[4]s -j %[5]s 2>/dev/null || %[1]s -t %[2]s -A %[3]s %[4]s -j %[5]s\n", program, table, chain, match, then)
	}
	b.WriteString("set -e\n")
	own, other := "iptables", "ip6tables"
	if at.Addr().Is6() {
		own, other = other, own
	}
	for _, w := range whose {
		line(own, "nat", redirect, w+" -p tcp --dport 443", fmt.Sprintf("REDIRECT --to-ports %d", at.Port()))
		line(own, "filter", filter, w+" -p udp --dport 443", "REJECT")
		line(other, "filter", filter, w+" -p udp --dport 443", "REJECT")
		line(other, "filter", filter, w+" -p tcp --dport 443", "REJECT --reject-with tcp-reset")
	}
	return b.String(), nil
}
