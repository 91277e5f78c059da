package store

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAPeerThatIsGoneIsNoticed(t *testing.T) {
	s := connect(t, "postgres")
	c, err := s.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	socket, ok := c.Conn().PgConn().Conn().(*net.TCPConn)
	if !ok {
		t.Fatalf("the database is reached by %T, not by TCP", c.Conn().PgConn().Conn())
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		for name, tt := range map[string]struct{ level, option, want int }{
			"TCP_USER_TIMEOUT in ms": {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 20_000},
			"SO_KEEPALIVE":           {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			"TCP_KEEPIDLE in s":      {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 10},
			"TCP_KEEPINTVL in s":     {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 5},
		} {
			if got, err := unix.GetsockoptInt(int(fd), tt.level, tt.option); err != nil || got != tt.want {
				t.Errorf("%s is %d, want %d: %v", name, got, tt.want, err)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
}
