package app

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/saas-sentinel/saas-sentinel/alerts"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// socket is a Slack app that is listened to by a connection of the gateway's own.
type socket struct {
	token policy.SecretRef
	api   string
}

// socketsLook is how often the connections are compared with the policy and the lease.
const socketsLook = time.Second

// listenToSlack keeps one connection for each Slack app of the policy, in the process that sends: Slack gives an app ten.
func (al *alerting) listenToSlack(ctx context.Context, c *alerts.Callbacks, leads func() bool) error {
	running := map[socket]context.CancelFunc{}
	var wait sync.WaitGroup
	defer wait.Wait()
	tick := time.NewTicker(socketsLook)
	defer tick.Stop()
	for {
		var want []socket
		if leads() {
			want = al.book.Load().sockets
		}
		for s, stop := range running {
			if !slices.Contains(want, s) {
				stop()
				delete(running, s)
			}
		}
		for _, s := range want {
			if running[s] == nil {
				of, stop := context.WithCancel(ctx)
				running[s] = stop
				wait.Go(func() { c.Socket(of, alerts.SocketConfig{Token: al.secret(s.token), API: s.api}) })
			}
		}
		select {
		case <-ctx.Done():
			for _, stop := range running {
				stop()
			}
			return nil
		case <-tick.C:
		}
	}
}
