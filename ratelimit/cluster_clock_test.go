package ratelimit

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Masters of a Cluster whose clocks differ: an organisation's is that of the one that has its counters.
func TestTheClockIsThatOfTheOrganisationsShard(t *testing.T) {
	ahead := map[string]time.Duration{}
	var slots []redis.ClusterSlot
	for i := range 2 {
		m := miniredis.RunT(t)
		ahead[m.Addr()] = time.Duration(1+i) * 24 * time.Hour
		m.SetTime(time.Now().Add(ahead[m.Addr()]))
		slots = append(slots, redis.ClusterSlot{Start: 8192 * i, End: 8192*i + 8191, Nodes: []redis.ClusterNode{{Addr: m.Addr()}}})
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{ClusterSlots: func(context.Context) ([]redis.ClusterSlot, error) { return slots, nil }})
	t.Cleanup(func() { _ = client.Close() })
	seen := map[string]bool{}
	for _, org := range []string{"acme", "globex", "initech", "umbrella", "hooli", "stark"} {
		master, err := client.MasterForKey(t.Context(), "{o:"+org+"}:memory")
		if err != nil {
			t.Fatal(err)
		}
		_, port, err := net.SplitHostPort(master.Options().Addr) // the client leaves the host out
		if err != nil {
			t.Fatal(err)
		}
		addr := net.JoinHostPort("127.0.0.1", port)
		seen[addr] = true
		r := &Redis{client: client}
		for range 4 { // of a master by chance one reading in two would do
			if now, err := r.Now(t.Context(), org); err != nil || (time.Until(now)-ahead[addr]).Abs() > time.Hour {
				t.Errorf("the clock of %s is %s ahead, %v; its counters' is %s ahead", org, time.Until(now), err, ahead[addr])
			}
		}
		if err := r.look(t.Context(), org); err != nil || (time.Until(r.Time())-ahead[addr]).Abs() > time.Hour {
			t.Errorf("what is known of the clock of %s is %s ahead, %v; its counters' is %s ahead", org, time.Until(r.Time()), err, ahead[addr])
		}
	}
	if len(seen) != 2 {
		t.Errorf("the organisations are on %d masters, want 2", len(seen))
	}
}
