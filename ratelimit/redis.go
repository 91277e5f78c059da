// Package ratelimit holds and settles limits and budgets in Redis: one script, and so one round
// trip, for an admission over all limits of a call, and one for its settlement. Model is the same in pure
// Go, for tests and simulation.
package ratelimit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

//go:embed pairs.lua
var pairsSource string

//go:embed admit.lua
var admitUsual string

//go:embed choose.lua
var admitAny string

//go:embed settle.lua
var settleBody string

//go:embed try.lua
var dryRun string

var admitSource, trySource, settleSource = pairsSource + admitUsual + admitAny, pairsSource + dryRun + admitUsual + admitAny, pairsSource + settleBody

//go:embed peek.lua
var peekSource string

//go:embed replace.lua
var replaceSource string

//go:embed override.lua
var overrideSource string

//go:embed seed.lua
var seedSource string

//go:embed join.lua
var joinSource string

// scripts are what runs inside Redis.
type scripts struct{ admit, try, settle, peek, replace, seed, join, override *redis.Script }

// newScripts takes the sources of those that read the clock; the others have none.
func newScripts(admit, try, settle, peek, seed string) scripts {
	return scripts{
		admit: redis.NewScript(admit), try: redis.NewScript(try), settle: redis.NewScript(settle), peek: redis.NewScript(peek), seed: redis.NewScript(seed),
		replace: redis.NewScript(replaceSource), join: redis.NewScript(joinSource), override: redis.NewScript(overrideSource),
	}
}

// ErrUnavailable says that the limiter cannot be reached now. The policy says what follows.
var ErrUnavailable = errors.New("limiter unavailable")

// ErrForgotten says that Redis answers, and has lost an organisation's counters. It is an ErrUnavailable.
var ErrForgotten = fmt.Errorf("%w: its counters are not there; a gateway that runs counts them again from the ledger", ErrUnavailable)

// errResting says that Redis was not asked.
var errResting = fmt.Errorf("%w: it did not answer before", ErrUnavailable)

// Options say where Redis is.
type Options struct {
	Addresses []string // one, the seeds of a cluster, or with Master the Sentinels
	Master    string   // name of the master that Redis Sentinel watches; empty: Addresses are servers
	Username  string
	Password  sentinel.Secret
	DB        int
	Group     string // of organisations that share limits; empty for none
	TLS       bool
	CA        *x509.CertPool // that signs the servers' certificates; nil: the system's
	Timeout   time.Duration  // of one call; default 25 ms
	// Ledger says that counters come from a ledger: an organisation that Redis does not know is refused as
	// unavailable until Seed. Without it such an organisation begins at nothing.
	Ledger bool
	// RememberDenials is for how long a full limit is refused without asking Redis again; 0 is never. What is given back
	// within that time is seen after it.
	RememberDenials time.Duration
}

// connectionBuffer is what a script's arguments and its reply need; the driver's 32 KiB, twice a connection, are 4 MB at 64.
const connectionBuffer = 4 << 10

// DefaultTimeout bounds one round trip on the path of a request.
const DefaultTimeout = 25 * time.Millisecond

// Redis is the limiter. It is safe for concurrent use.
type Redis struct {
	client    redis.UniversalClient
	scripts   scripts
	timeout   time.Duration
	breaker   breaker
	overrides atomic.Pointer[map[string]Override]
	clock     clock
	group     string
	begins    string        // "1" where an organisation without memory begins at nothing
	forgot    chan struct{} // holds one
	denials   denials
	local     local
	doubts    chan doubt
	pauses    pauses
	lost      atomic.Bool // the counters, as the last answer said
	undecided atomic.Int64
	exceeded  atomic.Int64 // holds that their calls exceeded
}

// The driver's own log lines would stand between ours; every failure reaches a caller as an error.
func init() { logging.Disable() }

// Dial connects, checks that Redis does not evict, and loads the scripts.
func Dial(ctx context.Context, o Options) (*Redis, error) {
	u := driver(o)
	if o.TLS {
		u.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.CA}
	}
	client := redis.NewUniversalClient(u)
	if len(o.Addresses) == 1 && o.Master == "" && isCluster(ctx, client) {
		_ = client.Close()
		u.IsClusterMode = true
		client = redis.NewUniversalClient(u)
	}
	r := over(client, o)
	if err := r.prepare(ctx); err != nil {
		_ = r.client.Close()
		return nil, fmt.Errorf("redis at %s: %w", strings.Join(o.Addresses, ", "), err)
	}
	return r, nil
}

// driver says how Redis is spoken to: nothing that it waits for outlasts the context of a call.
func driver(o Options) *redis.UniversalOptions {
	return &redis.UniversalOptions{
		Addrs: o.Addresses, MasterName: o.Master, Username: o.Username, Password: o.Password.Reveal(), DB: o.DB,
		MaxRetries: -1, // a retry could come after the deadline; the breaker and the policy decide instead
		PoolSize:   64, MinIdleConns: 4, ContextTimeoutEnabled: true, DialTimeout: time.Second,
		ReadBufferSize: connectionBuffer, WriteBufferSize: connectionBuffer,
		// Managed Redis' own news of maintenance: to ask for it the driver resolves the name of a Cluster's node on the path of a request, whatever its deadline.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// over makes a limiter of a client that is not asked yet.
func over(client redis.UniversalClient, o Options) *Redis {
	r := &Redis{client: client, scripts: newScripts(admitSource, trySource, settleSource, peekSource, seedSource), timeout: o.Timeout, group: reserved.Replace(o.Group), begins: flag(!o.Ledger), forgot: make(chan struct{}, 1)}
	if r.timeout <= 0 {
		r.timeout = DefaultTimeout
	}
	r.doubts, r.denials.life = make(chan doubt, maxDoubts), o.RememberDenials
	r.pauses.news = make(chan pause, maxPauses)
	return r
}

// isCluster asks a single address whether it is a seed of a cluster. What does not answer is found out by prepare.
func isCluster(ctx context.Context, c redis.UniversalClient) bool {
	info, err := c.Info(ctx, "cluster").Result()
	return err == nil && strings.Contains(info, "cluster_enabled:1")
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
	for _, s := range []*redis.Script{r.scripts.admit, r.scripts.try, r.scripts.settle, r.scripts.peek, r.scripts.replace, r.scripts.seed, r.scripts.join, r.scripts.override} {
		if err := s.Load(ctx, r.client).Err(); err != nil {
			return fmt.Errorf("load scripts: %w", err)
		}
	}
	return r.look(ctx, "")
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

// prefix begins the keys of an organisation. A hash tag keeps those of one together on one node of a Cluster, because a script has all keys
// of a call; with a group it is the group's.
func (r *Redis) prefix(org string) string {
	if r.group == "" {
		return "{o:" + org + "}:"
	}
	return "{g:" + r.group + "}:o:" + org + ":"
}

// place is the key of a cell: an organisation's, or its group's.
func (r *Redis) place(org, key string) string {
	if r.group != "" && isAcross(key) {
		return "{g:" + r.group + "}:x:" + key
	}
	return r.prefix(org) + key
}

// shared begins the keys of what every organisation of a group may know.
func (r *Redis) shared(org string) string {
	if r.group == "" {
		return r.prefix(org)
	}
	return "{g:" + r.group + "}:x:"
}

// isAcross tells whether a cell is shared by organisations, from its key.
func isAcross(key string) bool {
	return len(key) > 2 && strings.HasPrefix(key[2:], sentinel.AcrossCells)
}

// lookAround has the nodes of a Cluster asked who has which slots now, once the breaker is open: a dead master tells nobody who took its place,
// and the client would ask the others by itself after a minute.
func (r *Redis) lookAround(ctx context.Context) {
	if c, ok := r.client.(*redis.ClusterClient); ok && r.breaker.open() {
		c.ReloadState(ctx)
	}
}

// run calls a script within the deadline and the breaker.
func (r *Redis) run(ctx context.Context, s *redis.Script, keys []string, args []any) (any, error) {
	if !r.breaker.allow(time.Now()) {
		return nil, errResting
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	reply, err := s.Run(ctx, r.client, keys, args...).Result()
	if !errors.Is(err, context.Canceled) { // a caller that left says nothing about Redis
		r.breaker.report(time.Now(), err == nil)
	}
	if err != nil {
		r.lookAround(ctx)
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return reply, nil
}
