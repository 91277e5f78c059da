package ratelimit

import (
	"fmt"

	"github.com/alicebob/miniredis/v2"
)

// Embedded starts a Redis inside this process, on loopback, that runs the same scripts. Its
// counters end with the process: it is for one machine, demonstrations and tests.
func Embedded() (address string, stop func(), err error) {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		return "", nil, fmt.Errorf("start the embedded redis: %w", err)
	}
	return m.Addr(), m.Close, nil
}
