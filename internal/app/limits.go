package app

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
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

// warned passes calls on to a limiter, and says which budgets have reached a share that their owners want to hear
// of. The limiter reports each once, to one process.
type warned struct {
	governor.Limiter
	log     zerolog.Logger
	metrics *metrics
}

// Reserve is the limiter's.
func (w warned) Reserve(ctx context.Context, a sentinel.Ask) (sentinel.Reservation, error) {
	r, err := w.Limiter.Reserve(ctx, a)
	w.say(a.Org, r.Crossed)
	return r, err
}

// Settle is the limiter's.
func (w warned) Settle(ctx context.Context, s sentinel.Settlement) (sentinel.Settled, error) {
	out, err := w.Limiter.Settle(ctx, s)
	w.say(s.Org, out.Crossed)
	return out, err
}

func (w warned) say(org string, crossed []sentinel.Crossing) {
	const hundredths = 100
	for _, c := range crossed {
		w.metrics.warnings.Inc()
		w.log.Warn().Str("org", org).Str("limit", c.Cell).Float64("percent", float64(c.Share)/hundredths).
			Int64("posted", c.Posted).Int64("max", c.Max).Time("window", c.Start).Msg("budget share reached")
	}
}
