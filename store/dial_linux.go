package store

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// giveUp ends a connection whose peer has not acknowledged what was sent for so long.
func giveUp(fd int, after time.Duration) error {
	return os.NewSyscallError("setsockopt TCP_USER_TIMEOUT", unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(after.Milliseconds())))
}
