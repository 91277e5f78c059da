package ratelimit

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/saas-sentinel/saas-sentinel/internal/redistest"
	"github.com/saas-sentinel/saas-sentinel/ratelimit/limitertest"
)

// realRedis starts Debian's redis-server.
func realRedis(t testing.TB) string {
	t.Helper()
	addr, stop, err := redistest.Start(t.TempDir())
	skipMissing(t, err)
	t.Cleanup(stop)
	return addr
}

func skipMissing(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, redistest.ErrMissing) && os.Getenv("E2E") != "must" {
		t.Skip("redis-server is not installed: run make tools")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// clockKey holds the time that scripts of a test read instead of the server's, as TIME gives it.
const clockKey = "{o:acme}:clock"

// dialAt dials with scripts that read their clock from clockKey: a real server's cannot be moved.
func dialAt(t testing.TB, addrs ...string) *Redis {
	t.Helper()
	moved := func(source string) string {
		const read = "redis.call('TIME')"
		if strings.Count(source, read) != 1 {
			t.Fatalf("a script reads its clock %d times", strings.Count(source, read))
		}
		return strings.Replace(source, read, "redis.call('LRANGE', '"+clockKey+"', 0, 1)", 1)
	}
	r, err := Dial(context.Background(), Options{Addresses: addrs, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	r.scripts = newScripts(moved(admitSource), moved(trySource), moved(settleSource), moved(peekSource), moved(seedSource))
	return r
}

// redisClock sets a server's test clock. The function that it gives moves the clock: every key's time to live goes down by
// as much, and what really passed is put back.
func redisClock(t testing.TB, r *Redis, now time.Time) (advance func(time.Duration)) {
	t.Helper()
	ctx := context.Background()
	var seen time.Time
	set := func() {
		err := errors.Join(r.client.Del(ctx, clockKey).Err(),
			r.client.RPush(ctx, clockKey, strconv.FormatInt(now.Unix(), 10), strconv.Itoa(now.Nanosecond()/1000)).Err())
		if err != nil {
			t.Fatal(err)
		}
		seen = time.Now()
	}
	set()
	return func(d time.Duration) {
		d = d.Truncate(time.Microsecond)
		now = now.Add(d)
		passed := time.Since(seen)
		for _, key := range keysOf(t, r) {
			if left, err := r.client.PTTL(ctx, key).Result(); err != nil {
				t.Fatal(err)
			} else if left <= 0 {
				continue
			} else if left = (left + passed - d).Round(time.Millisecond); left <= 0 {
				if err := r.client.Del(ctx, key).Err(); err != nil {
					t.Fatal(err)
				}
			} else if err = r.client.PExpire(ctx, key, left).Err(); err != nil {
				t.Fatal(err)
			}
		}
		set()
	}
}

// onEach runs f on every server that has keys.
func onEach(t testing.TB, r *Redis, f func(ctx context.Context, c *redis.Client) error) {
	t.Helper()
	ctx := context.Background()
	var err error
	switch c := r.client.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, f)
	case *redis.Client:
		err = f(ctx, c)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func keysOf(t testing.TB, r *Redis) []string {
	keys, err := r.client.Keys(context.Background(), "{o:acme}:*").Result()
	if _, cluster := r.client.(*redis.ClusterClient); cluster {
		// A cluster's client asks any one master: the one that has the organisation is needed.
		master, errMaster := r.client.(*redis.ClusterClient).MasterForKey(context.Background(), clockKey)
		if errMaster != nil {
			t.Fatal(errMaster)
		}
		keys, err = master.Keys(context.Background(), "{o:acme}:*").Result()
	}
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// suite runs every case of the common suite on an emptied server.
func suite(t *testing.T, addrs ...string) {
	limitertest.Run(t, func(t *testing.T) limitertest.Bench {
		r := dialAt(t, addrs...)
		onEach(t, r, func(ctx context.Context, c *redis.Client) error { return c.FlushAll(ctx).Err() })
		return limitertest.Bench{Limiter: r, Advance: redisClock(t, r, time.Now())}
	})
}

func TestRealRedis(t *testing.T) { suite(t, realRedis(t)) }

func TestClusterOfThreeMasters(t *testing.T) {
	addrs, stop, err := redistest.StartCluster(t.TempDir(), 3)
	skipMissing(t, err)
	t.Cleanup(stop)
	suite(t, addrs...)
	t.Run("one seed is enough", func(t *testing.T) {
		r := dialAt(t, addrs[0])
		if _, ok := r.client.(*redis.ClusterClient); !ok {
			t.Errorf("the client is a %T: a cluster was not recognised", r.client)
		}
	})
}
