package app

import (
	"context"
	"fmt"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
)

// OpenLimiter connects to the configured Redis. An embedded one lives in the process that runs the gateway: no other reaches it.
func OpenLimiter(ctx context.Context, c RedisConfig) (*ratelimit.Redis, error) {
	if len(c.Address) == 1 && c.Address[0] == embeddedRedis {
		return nil, fmt.Errorf("redis.address: the counters are inside the process of sentinel run: name a Redis server to reach them from here")
	}
	return dialLimiter(ctx, c, c.Address)
}

const embeddedRedis = "embedded"

// rememberDenials is short enough that nobody waits for room that has come free, and spares Redis a client that does not wait.
const rememberDenials = 100 * time.Millisecond

func dialLimiter(ctx context.Context, c RedisConfig, addresses []string) (*ratelimit.Redis, error) {
	l, err := ratelimit.Dial(ctx, ratelimit.Options{
		Addresses: addresses, Username: c.Username, Password: c.Password, DB: c.DB, TLS: c.TLS, Timeout: c.Timeout, Ledger: true, RememberDenials: rememberDenials,
	})
	if err != nil {
		return nil, fmt.Errorf("redis.address: %w", err)
	}
	return l, nil
}

// sayCrossed logs and counts that a budget has reached a share that its owners want to hear of.
func (a *App) sayCrossed(org string, c sentinel.Crossing) {
	const hundredths = 100
	a.metrics.warnings.Inc()
	a.log.Warn().Str("org", org).Str("limit", c.Cell).Float64("percent", float64(c.Share)/hundredths).
		Int64("posted", c.Posted).Int64("max", c.Max).Time("window", c.Start).Msg("budget share reached")
}
