package store

import (
	"context"
	"net"
	"strings"
	"syscall"
	"time"
)

// A database whose machine or network goes away says nothing. Linux would wait a quarter of an hour for an answer to what it sent, and the spool
// with it, although another server has the address by then.
const (
	pingWithin = 5 * time.Second  // a connection of the pool that has been idle for a second shows first that it is alive
	deadAfter  = 20 * time.Second // without a sign of life from the other side
)

// dial connects so that a peer that is gone is noticed.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: deadAfter / 2, Interval: deadAfter / 4, Count: 2}}
	if strings.HasPrefix(network, "tcp") {
		d.Control = func(_, _ string, c syscall.RawConn) error {
			var fault error
			if err := c.Control(func(fd uintptr) { fault = giveUp(int(fd), deadAfter) }); err != nil {
				return err
			}
			return fault
		}
	}
	return d.DialContext(ctx, network, address)
}
