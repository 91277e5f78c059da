package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
	authorities, err := redisAuthorities(c)
	if err != nil {
		return nil, err
	}
	l, err := ratelimit.Dial(ctx, ratelimit.Options{
		Addresses: addresses, Master: c.Master, CA: authorities, Username: c.Username, Password: c.Password, DB: c.DB, Group: c.Group, TLS: c.TLS, Timeout: c.Timeout, Ledger: true, RememberDenials: rememberDenials,
	})
	if err != nil {
		return nil, fmt.Errorf("redis.address: %w", err)
	}
	return l, nil
}

// redisAuthorities reads who signs Redis' certificate; nil stands for those that the system trusts.
func redisAuthorities(c RedisConfig) (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	if !c.TLS {
		return nil, errors.New("redis.ca_file: it is only used with tls: true")
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("redis.ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("redis.ca_file: %s has no certificate in PEM", c.CAFile)
	}
	return pool, nil
}

// withoutRedis decides on calls while Redis is away.
func withoutRedis(l *ratelimit.Redis) governor.Without {
	return func(a sentinel.Ask, local func(sentinel.Limit) bool, share int64) sentinel.Reservation {
		return l.Without(a, ratelimit.Share{Of: local, Parts: share})
	}
}

// timedLimiter tells how long the limiter took.
type timedLimiter struct {
	governor.Limiter
	reserve, settle prometheus.Observer // seconds
}

func newTimedLimiter(l governor.Limiter, seconds *prometheus.HistogramVec) *timedLimiter {
	return &timedLimiter{l, seconds.WithLabelValues("reserve"), seconds.WithLabelValues("settle")}
}

// Reserve asks the limiter.
func (t *timedLimiter) Reserve(ctx context.Context, a sentinel.Ask) (sentinel.Reservation, error) {
	began := time.Now()
	r, err := t.Limiter.Reserve(ctx, a)
	t.reserve.Observe(time.Since(began).Seconds())
	return r, err
}

// Settle asks the limiter.
func (t *timedLimiter) Settle(ctx context.Context, s sentinel.Settlement) (sentinel.Settled, error) {
	began := time.Now()
	out, err := t.Limiter.Settle(ctx, s)
	t.settle.Observe(time.Since(began).Seconds())
	return out, err
}

// sayCrossed logs and counts that a budget has reached a share that its owners want to hear of.
func (a *App) sayCrossed(org string, c sentinel.Crossing) {
	const hundredths = 100
	a.metrics.warnings.Inc()
	a.log.Warn().Str("org", org).Str("limit", c.Cell).Float64("percent", float64(c.Share)/hundredths).
		Int64("posted", c.Posted).Int64("max", c.Max).Time("window", c.Start).Msg("budget share reached")
}
