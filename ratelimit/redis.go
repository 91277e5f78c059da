// Package ratelimit holds and settles limits and budgets in Redis: one script, and so one round
// trip, for an admission over all limits of a call, and one for its settlement. Model is the same in pure
// Go, for tests and simulation.
package ratelimit

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

//go:embed admit.lua
var admitSource string

//go:embed settle.lua
var settleSource string

var admitScript, settleScript = redis.NewScript(admitSource), redis.NewScript(settleSource)

// ErrUnavailable says that the limiter cannot be reached now. The policy says what follows.
var ErrUnavailable = errors.New("limiter unavailable")

// Options say where Redis is.
type Options struct {
	Addresses []string // one, or the seeds of a cluster
	Username  string
	Password  sentinel.Secret
	DB        int
	TLS       bool
	Timeout   time.Duration // of one call; default 25 ms
}

// DefaultTimeout bounds one round trip on the path of a request.
const DefaultTimeout = 25 * time.Millisecond

// Redis is the limiter. It is safe for concurrent use.
type Redis struct {
	client  redis.UniversalClient
	timeout time.Duration
	breaker breaker
}

// The driver's own log lines would stand between ours; every failure reaches a caller as an error.
func init() { logging.Disable() }

// Dial connects, checks that Redis does not evict, and loads the scripts.
func Dial(ctx context.Context, o Options) (*Redis, error) {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	u := &redis.UniversalOptions{
		Addrs: o.Addresses, Username: o.Username, Password: o.Password.Reveal(), DB: o.DB,
		MaxRetries: -1, // a retry could come after the deadline; the breaker and the policy decide instead
		PoolSize:   64, MinIdleConns: 4, ContextTimeoutEnabled: true, DialTimeout: time.Second,
	}
	if o.TLS {
		u.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	r := &Redis{client: redis.NewUniversalClient(u), timeout: o.Timeout}
	if err := r.prepare(ctx); err != nil {
		_ = r.client.Close()
		return nil, fmt.Errorf("redis at %s: %w", strings.Join(o.Addresses, ", "), err)
	}
	return r, nil
}

func (r *Redis) prepare(ctx context.Context) error {
	if err := r.client.Ping(ctx).Err(); err != nil {
		return err
	}
	policy, err := r.evictionPolicy(ctx)
	if err != nil {
		return err
	}
	if policy != "" && policy != "noeviction" {
		return fmt.Errorf("its maxmemory-policy is %s: an evicted counter is a lost budget; set it to noeviction", policy)
	}
	for _, s := range []*redis.Script{admitScript, settleScript} {
		if err := s.Load(ctx, r.client).Err(); err != nil {
			return fmt.Errorf("load scripts: %w", err)
		}
	}
	return nil
}

// evictionPolicy asks CONFIG, which managed services forbid, and then INFO. It is empty where neither tells.
func (r *Redis) evictionPolicy(ctx context.Context) (string, error) {
	if got, err := r.client.ConfigGet(ctx, "maxmemory-policy").Result(); err == nil {
		return got["maxmemory-policy"], nil
	}
	info, err := r.client.Info(ctx, "memory").Result()
	if err != nil {
		return "", nil // an embedded server has no such section; it does not evict either
	}
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "maxmemory_policy:"); ok {
			return v, nil
		}
	}
	return "", nil
}

// Close ends all connections.
func (r *Redis) Close() error { return r.client.Close() }

func prefix(org string) string { return "{o:" + org + "}:" }

// run calls a script within the deadline and the breaker.
func (r *Redis) run(ctx context.Context, s *redis.Script, keys []string, args []any) (any, error) {
	if !r.breaker.allow(time.Now()) {
		return nil, ErrUnavailable
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	reply, err := s.Run(ctx, r.client, keys, args...).Result()
	if !errors.Is(err, context.Canceled) { // a caller that left says nothing about Redis
		r.breaker.report(time.Now(), err == nil)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return reply, nil
}

// Reserve holds the first candidate whose limits all fit, or none. The same call id again gives
// the same reservation without a second hold.
func (r *Redis) Reserve(ctx context.Context, a sentinel.Ask) (sentinel.Reservation, error) {
	keys, args := admitArguments(a)
	reply, err := r.run(ctx, admitScript, keys, args)
	if err != nil {
		return sentinel.Reservation{}, fmt.Errorf("reserve for call %s: %w", a.Call, err)
	}
	out, err := readReservation(a, reply)
	if err != nil {
		return sentinel.Reservation{}, fmt.Errorf("reserve for call %s: %w", a.Call, err)
	}
	return out, nil
}

// admitArguments lays an ask out as admit.lua reads it.
func admitArguments(a sentinel.Ask) (keys []string, args []any) {
	keys = []string{prefix(a.Org) + "call:" + a.Call.String()}
	index := map[string]int{}
	args = append(args, a.TTL.Milliseconds(), len(a.Candidates))
	for _, c := range a.Candidates {
		args = append(args, len(c.Limits))
		for _, l := range c.Limits {
			key := prefix(a.Org) + keyOf(l)
			if index[key] == 0 {
				keys = append(keys, key)
				index[key] = len(keys)
			}
			args = append(args, index[key], string(kindOf(l.Kind)), l.Max, max(1, l.Period.Microseconds()),
				flag(l.Charge), flag(l.Soft), c.Bound[l.Measure], l.End.UnixMilli())
		}
	}
	return keys, args
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// numbers walks a script's reply of integer texts.
type numbers struct {
	list []any
	bad  bool
}

func (n *numbers) next() int64 {
	if len(n.list) == 0 {
		n.bad = true
		return 0
	}
	text, ok := n.list[0].(string)
	n.list = n.list[1:]
	i, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil {
		n.bad = true
	}
	return i
}

func readReservation(a sentinel.Ask, reply any) (sentinel.Reservation, error) {
	list, _ := reply.([]any)
	n := &numbers{list: list}
	out := sentinel.Reservation{Chosen: int(n.next())}
	bucket := n.next()
	limitOf := func(c, l int64) (sentinel.Limit, bool) {
		if c < 0 || int(c) >= len(a.Candidates) || l < 0 || int(l) >= len(a.Candidates[c].Limits) {
			n.bad = true
			return sentinel.Limit{}, false
		}
		return a.Candidates[c].Limits[l], true
	}
	for range n.next() {
		c, i := n.next(), n.next()
		remaining, wait := n.next(), n.next()
		if l, ok := limitOf(c, i); ok {
			out.Denials = append(out.Denials, sentinel.Denial{Limit: l, Remaining: remaining, RetryAfter: time.Duration(wait) * time.Microsecond})
		}
		if n.bad {
			break
		}
	}
	for range n.next() {
		i, remaining, reset := n.next(), n.next(), n.next()
		if l, ok := limitOf(int64(max(out.Chosen, 0)), i); ok {
			out.Levels = append(out.Levels, sentinel.Level{Limit: l, Remaining: remaining, Reset: time.Duration(reset) * time.Microsecond})
		}
		if n.bad {
			break
		}
	}
	if n.bad || out.Chosen >= len(a.Candidates) {
		return out, errors.New("the script's reply is malformed")
	}
	if out.Chosen >= 0 {
		out.Hold = encodeHold(a.Candidates[out.Chosen], strconv.FormatInt(bucket, 10))
	}
	return out, nil
}

// Settle ends a reservation. It resolves at most once: a second settlement is a duplicate and
// changes nothing; one that comes after the hold has expired still posts what the call took.
func (r *Redis) Settle(ctx context.Context, s sentinel.Settlement) (sentinel.Settled, error) {
	bucket, entries, err := decodeHold(s.Hold)
	if err != nil {
		return sentinel.Settled{}, fmt.Errorf("settle call %s: %w", s.Call, err)
	}
	keys := []string{prefix(s.Org) + "call:" + s.Call.String()}
	args := []any{bucket}
	var out sentinel.Settled
	for _, e := range entries {
		actual := s.Actual[e.measure]
		out.UnderReserved = out.UnderReserved || actual > e.amount
		keys = append(keys, prefix(s.Org)+e.key)
		args = append(args, string(e.kind), e.amount, actual, flag(e.charge), e.max, e.periodUS, e.endMS)
	}
	reply, err := r.run(ctx, settleScript, keys, args)
	if err != nil {
		return sentinel.Settled{}, fmt.Errorf("settle call %s: %w", s.Call, err)
	}
	if done, _ := reply.(int64); done == 0 {
		return sentinel.Settled{Duplicate: true}, nil
	}
	return out, nil
}
