package alerts

import (
	"context"
	"slices"
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// memory is a Store for tests: what the database does, under one lock.
type memory struct {
	mu       sync.Mutex
	groups   map[string]sentinel.AlertGroup
	history  []sentinel.IncidentChange
	outbox   []*queued
	holder   string
	fence    int64
	until    time.Time
	seen     map[string]bool
	away     error
	resolved []sentinel.Incident
}

type queued struct {
	sentinel.Delivery
	done, dead   bool
	ref          string
	ended, pause time.Time
}

func newMemory() *memory {
	return &memory{groups: map[string]sentinel.AlertGroup{}, seen: map[string]bool{}}
}

func (m *memory) UpdateGroup(_ context.Context, key string, near []string, change func(sentinel.AlertGroup, []sentinel.IncidentRef) (sentinel.AlertGroup, sentinel.AlertEffects)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return m.away
	}
	var refs []sentinel.IncidentRef
	for _, g := range m.groups {
		for _, i := range g.Incidents {
			if slices.Contains(near, i.Rule) {
				refs = append(refs, sentinel.IncidentRef{Rule: i.Rule, Scope: i.Scope, Severity: i.Severity})
			}
		}
	}
	g := m.groups[key]
	g.Key = key
	g, e := change(g, refs)
	g.Incidents = slices.DeleteFunc(g.Incidents, func(i sentinel.Incident) bool {
		if i.State == sentinel.IncidentResolved {
			m.resolved = append(m.resolved, i)
			return true
		}
		return false
	})
	m.groups[key] = g
	m.history = append(m.history, e.History...)
	for _, d := range e.Deliveries {
		m.outbox = append(m.outbox, &queued{Delivery: d})
	}
	return nil
}

func (m *memory) NoteLast(_ context.Context, key, what, by string) (n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := len(m.resolved) - 1; i >= 0 && n == 0 && len(m.groups[key].Incidents) == 0; i-- {
		if m.resolved[i].Group == key && time.Since(m.resolved[i].Resolved) < 30*24*time.Hour {
			m.history = append(m.history, sentinel.IncidentChange{At: time.Now().UTC(), Incident: m.resolved[i].ID, What: what, By: by})
			n++
		}
	}
	return n, m.away
}

func (m *memory) DueGroups(_ context.Context, now time.Time, limit int) (keys []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, g := range m.groups {
		if !g.Due.IsZero() && !g.Due.After(now) && len(keys) < limit {
			keys = append(keys, k)
		}
	}
	return keys, m.away
}

func (m *memory) OpenGroups(context.Context, int) (keys []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, g := range m.groups {
		if len(g.Incidents) > 0 {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func (m *memory) Lease(_ context.Context, holder string, ttl time.Duration) (int64, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return 0, false, m.away
	}
	if m.holder != holder && time.Now().Before(m.until) {
		return 0, false, nil
	}
	if m.holder != holder {
		m.fence++
	}
	m.holder, m.until = holder, time.Now().Add(ttl)
	return m.fence, true, nil
}

func (m *memory) Claim(_ context.Context, fence int64, now time.Time, gap time.Duration) (out []sentinel.Delivery, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if fence != m.fence {
		return nil, sentinel.ErrFenced
	}
	stuck, taken := map[string]bool{}, map[string]bool{}
	for _, q := range m.outbox {
		if q.done || q.dead || taken[q.Channel] || stuck[q.Channel+q.Group] {
			continue
		}
		if stuck[q.Channel+q.Group] = true; q.NotBefore.After(now) || m.held(q, now, gap) {
			continue
		}
		taken[q.Channel] = true
		q.Attempts++
		d := q.Delivery
		for _, r := range m.outbox {
			if r.Group == d.Group && r.Episode == d.Episode && r.Channel == d.Channel && r.ref != "" && d.Root == "" {
				d.Root = r.ref
			}
		}
		out = append(out, d)
	}
	return out, nil
}

// held tells whether a channel wants a pause, or has a message of the group from just now.
func (m *memory) held(q *queued, now time.Time, gap time.Duration) bool {
	return slices.ContainsFunc(m.outbox, func(o *queued) bool {
		return o.Channel == q.Channel && (!o.done && o.pause.After(now) ||
			o.done && o.Group == q.Group && o.Kind == sentinel.DeliverMessage && q.Kind == sentinel.DeliverMessage && time.Since(o.ended) < gap)
	})
}

func (m *memory) Finish(_ context.Context, fence int64, r sentinel.DeliveryResult) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if fence != m.fence {
		return sentinel.ErrFenced
	}
	for _, q := range m.outbox {
		if q.ID == r.ID {
			q.done, q.dead, q.ref, q.NotBefore, q.ended = r.Done, r.Dead, r.Ref, r.Retry, time.Now()
			if r.Pause {
				q.pause = r.Retry
			}
		}
	}
	return nil
}

func (m *memory) FirstSeen(_ context.Context, mark string, _ time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := !m.seen[mark]
	m.seen[mark] = true
	return first, nil
}
