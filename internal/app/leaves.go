package app

import (
	"context"
	"sync"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ca"
)

const (
	// issueTimeout bounds the signing of one certificate, which may be Vault's.
	issueTimeout = 5 * time.Second
	// renewLooks is how often it is looked whether a certificate is due.
	renewLooks = time.Second
	// issueAgain is after how long it is tried again where there is none.
	issueAgain = 10 * time.Second
)

// leaves issues certificates, each again after half of its life. K says what one is for.
type leaves[K comparable] struct {
	issue func(ctx context.Context, of K) (ca.Leaf, error)
	late  func(of K, err error) // hears that one was not renewed, and goes on to its end
	mu    sync.Mutex
	held  map[K]held
}

// held is a certificate, or none, and from when on another one is to take its place. It is late after the last attempt at that failed.
type held struct {
	ca.Leaf
	renew time.Time
	late  bool
}

func newLeaves[K comparable](issue func(context.Context, K) (ca.Leaf, error), late func(K, error)) *leaves[K] {
	return &leaves[K]{issue: issue, late: late, held: map[K]held{}}
}

// get gives the certificate, another one in the second half of its life: of the life that its authority gave it, which may be shorter than
// what was asked for.
func (l *leaves[K]) get(ctx context.Context, of K, now time.Time) (ca.Leaf, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old, ok := l.held[of]
	had := ok && now.Before(old.NotAfter)
	if had && now.Before(old.renew) {
		return old.Leaf, nil
	}
	ctx, cancel := context.WithTimeout(ctx, issueTimeout)
	defer cancel()
	leaf, err := l.issue(ctx, of)
	if err == nil {
		l.held[of] = held{Leaf: leaf, renew: now.Add(leaf.NotAfter.Sub(now) / 2)}
		return leaf, nil
	}
	if !had {
		l.held[of] = held{Leaf: ca.Leaf{NotAfter: old.NotAfter}, renew: now.Add(issueAgain), late: true}
		return ca.Leaf{}, err
	}
	old.renew = now.Add(max(old.NotAfter.Sub(now)/8, renewLooks)) // it is tried more often as the end comes nearer
	old.late = true
	l.held[of] = old
	l.late(of, err)
	return old.Leaf, nil
}

// due tells whether one that is wanted has to be issued. Those that are not wanted any more are forgotten.
func (l *leaves[K]) due(wanted []K, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	due, kept := false, make(map[K]held, len(wanted))
	for _, of := range wanted {
		h, ok := l.held[of]
		if ok {
			kept[of] = h
		}
		due = due || !ok || !now.Before(h.renew)
	}
	l.held = kept
	return due
}

// ends gives those that could not be renewed with their ends, and now for those that never were.
func (l *leaves[K]) ends(now time.Time) map[K]time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[K]time.Time{}
	for of, h := range l.held {
		switch {
		case !h.late:
		case h.NotAfter.IsZero():
			out[of] = now
		default:
			out[of] = h.NotAfter
		}
	}
	return out
}
