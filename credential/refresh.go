package credential

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// Load reads the references and serves them, and adds them to the set that Run refreshes. Either
// all are served or, with an error, nothing changes. The error has one sentence for each fault,
// with its remedy; an unreachable source is one sentence in all.
func (s *Secrets) Load(ctx context.Context, refs []Ref) error {
	asked := time.Now()
	refs = unique(refs)
	if len(refs) > maxRefs {
		return fmt.Errorf("%d secrets are asked for, and at most %d are served", len(refs), maxRefs)
	}
	release, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	read, err := s.readAll(ctx, s.unread(refs, asked))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watched = unique(append(slices.Clone(refs), s.watched...))
	s.publish(s.beside(read))
	return nil
}

// unread are those of refs whose secrets nobody has read since a time: who waited while others read has what they read.
func (s *Secrets) unread(refs []Ref, since time.Time) []Ref {
	served, due := s.served.Load().secrets, map[string]bool{}
	for _, r := range refs {
		held := served[r.Path]
		due[r.Path] = due[r.Path] || held.readAt.Before(since) || !held.has(r.Field)
	}
	return slices.DeleteFunc(slices.Clone(refs), func(r Ref) bool { return !due[r.Path] })
}

// beside adds to what was read the fields that are served and were not asked for: calls under the policy before want them until Watch.
func (s *Secrets) beside(read map[string]secret) map[string]secret {
	for path, held := range s.served.Load().secrets {
		for field, value := range held.fields {
			if now, ok := read[path]; ok && !now.has(field) {
				now.fields[field] = value
			}
		}
	}
	return read
}

// Run refreshes what is watched until ctx ends. It never gives up: what it cannot refresh is served
// until MaxStale, each failure goes to OnError, and the pause between attempts grows from a 32nd of
// Refresh up to Refresh.
func (s *Secrets) Run(ctx context.Context) error {
	defer func() {
		for _, source := range s.o.Sources {
			source.Close()
		}
	}()
	failures := 0
	timer := time.NewTimer(s.pause(failures))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.changed:
		case <-timer.C:
		}
		err := s.refresh(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failures++
			s.o.OnError(err)
		default:
			failures = 0
		}
		timer.Reset(s.pause(failures))
	}
}

// pause is the time to the next attempt. The jitter, a fifth downwards, keeps replicas from
// asking in step, and Refresh remains the bound.
func (s *Secrets) pause(failures int) time.Duration {
	d := s.o.Refresh
	if failures > 0 {
		d = min(d, d/32<<min(failures-1, 5))
	}
	d -= time.Duration(rand.Int64N(int64(d)/5 + 1)) //nolint:gosec // jitter is no secret
	for _, source := range s.o.Sources {
		if in, ok := source.Wakes(); ok {
			d = min(d, max(in, s.o.Refresh/32))
		}
	}
	return max(d, time.Millisecond)
}

// refresh reads every watched path once and serves what could be read; what could not keeps its
// last good value.
func (s *Secrets) refresh(ctx context.Context) error {
	release, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	s.mu.Lock()
	refs := s.watched
	s.mu.Unlock()
	read, err := s.readAll(ctx, refs)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publish(read)
	return err
}

// acquire waits for the right to ask the sources.
func (s *Secrets) acquire(ctx context.Context) (release func(), err error) {
	select {
	case s.reading <- struct{}{}:
		return func() { <-s.reading }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("secrets: waiting for a refresh that is under way: %w", ctx.Err())
	}
}

// publish serves what was read over what was served before, cut to what is watched. s.mu is held.
func (s *Secrets) publish(read map[string]secret) {
	old, next := s.served.Load().secrets, map[string]secret{}
	for _, r := range s.watched {
		if held, ok := read[r.Path]; ok {
			next[r.Path] = held
		} else if held, ok := old[r.Path]; ok {
			next[r.Path] = held
		}
	}
	s.served.Store(&snapshot{next})
}

// readAll reads each path once. With an error it still gives the secrets that are good: a source that is
// away keeps no other from being read.
func (s *Secrets) readAll(ctx context.Context, refs []Ref) (map[string]secret, error) {
	byScheme := map[string]map[string][]string{}
	for _, r := range refs {
		scheme, _ := split(r.Path)
		if byScheme[scheme] == nil {
			byScheme[scheme] = map[string][]string{}
		}
		byScheme[scheme][r.Path] = append(byScheme[scheme][r.Path], r.Field)
	}
	read := make(map[string]secret, len(refs))
	var faults []error
	for _, scheme := range slices.Sorted(maps.Keys(byScheme)) {
		faults = append(faults, s.readSource(ctx, scheme, byScheme[scheme], read))
	}
	return read, errors.Join(faults...)
}

// readSource reads the paths of one source.
func (s *Secrets) readSource(ctx context.Context, scheme string, fields map[string][]string, read map[string]secret) error {
	source, ok := s.o.Sources[scheme]
	if !ok {
		return fmt.Errorf("no source of secrets is configured for %s", slices.Sorted(maps.Keys(fields))[0])
	}
	if err := source.Prepare(ctx); err != nil {
		return err
	}
	var faults []error
	for _, path := range slices.Sorted(maps.Keys(fields)) {
		held, err := s.read(ctx, source, path, fields[path])
		if err == nil {
			read[path] = held
			continue
		}
		if errors.Is(err, ErrUnreachable) { // the next path would wait as long, and say the same
			return err
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

func unique(refs []Ref) []Ref {
	refs = slices.Clone(refs)
	slices.SortFunc(refs, func(a, b Ref) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Field, b.Field)) })
	return slices.Compact(refs)
}
