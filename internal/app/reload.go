package app

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// settleFile is how long a folder must be left alone before the file is read, because editors and ConfigMaps write in steps; settleAtMost
// bounds the wait where something else is written beside it all the time, such as a log.
const (
	settleFile   = 200 * time.Millisecond
	settleAtMost = time.Second
)

// watch reloads the policy when its file changes or on SIGHUP, and takes what is published. A broken one keeps the old set and says so.
func (a *App) watch(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", a.config.Policies, err)
	}
	defer func() { _ = w.Close() }()
	for _, path := range []string{a.config.Policies, a.config.Candidate} {
		if path == "" {
			continue
		}
		if err := w.Add(watchedFolder(path)); err != nil {
			return fmt.Errorf("watch %s: %w", watchedFolder(path), err)
		}
	}
	follow := time.NewTicker(followEvery)
	defer follow.Stop()
	due := time.After(settleFile) // it may have been written between its reading at the start and now
	var latest time.Time
	var last glance
	a.follow(ctx) // who publishes now waits for this process too
	for {
		a.loops.policy.round()
		select {
		case <-ctx.Done():
			a.leave()
			return nil
		case <-follow.C:
			a.lead()
			a.follow(ctx)
		case <-hup:
			a.reload(ctx)
			a.beside()
		case <-w.Events:
			if due == nil {
				latest = time.Now().Add(settleAtMost)
			}
			due = time.After(min(settleFile, time.Until(latest)))
		case err := <-w.Errors:
			a.log.Warn().Err(err).Msg("policy file not watched")
		case <-due:
			due = nil
			now, ok := a.glance()
			if ok && now == last && a.follower.file == "" {
				continue
			}
			a.reload(ctx)
			a.beside()
			if last = now; ok {
				last.version = a.governor.State().Policy.Version
			}
		}
	}
}

// lead opens a new policy's ways to calls once every Envoy has had them for a round: a request that Envoy was reading when it took them still has
// the routes from before.
func (a *App) lead() {
	state := a.governor.State()
	if !state.Leading() {
		return
	}
	if a.envoy.Behind() > 0 {
		a.ahead = nil
		return
	}
	if a.ahead == state {
		state.Led()
	}
	a.ahead = state
}

// behind counts the Envoys that keep a policy's ways shut.
func (a *App) behind() int {
	if a.envoy == nil || a.governor == nil {
		return 0
	}
	n := a.envoy.Behind()
	if a.governor.State().Leading() {
		n = max(1, n)
	}
	return n
}

// glance is what the policy's files and its candidate's were seen to say, and the version in force then. The same once more needs no compiling:
// something else was written beside them.
type glance struct {
	texts   [sha256.Size]byte
	version string
}

// glance reads the files; it is not ok where that is not possible.
func (a *App) glance() (now glance, ok bool) {
	sum := sha256.New()
	for _, path := range []string{a.config.Policies, a.config.Candidate} {
		if path == "" {
			continue
		}
		files, err := readPolicies(path)
		if err != nil {
			return glance{}, false
		}
		for _, f := range files {
			_, _ = fmt.Fprintf(sum, "%q %d ", f.Name, len(f.Data)) // a hash takes everything
			_, _ = sum.Write(f.Data)
		}
	}
	now.version = a.governor.State().Policy.Version
	sum.Sum(now.texts[:0])
	return now, true
}

// reload puts in force what the policy's file says, when it is something else.
func (a *App) reload(ctx context.Context) {
	files, err := readPolicies(a.config.Policies)
	if err == nil {
		err = a.take(ctx, files, func(ctx context.Context, old, next *governor.State) error {
			return a.keepPolicy(ctx, "policy.keep", old.Policy.Version, next, files)
		})
	} else {
		a.untaken(err)
	}
	a.fell(&a.follower.file, err)
	a.follower.told = time.Time{} // what it has is told at once
}

// take swaps the policy: credentials first, then Envoy's routes, then the rules, so that no call is routed that could not be served, and
// none under rules that nobody recorded: keep does that. Any fault leaves everything as it was.
func (a *App) take(ctx context.Context, files []policy.File, keep func(ctx context.Context, old, next *governor.State) error) error {
	old := a.governor.State()
	next, err := compile(files...)
	if err == nil && next.Policy.Version == old.Policy.Version {
		return nil
	}
	if err == nil {
		next.Candidate = old.Candidate
		err = a.config.suits(next.Policy)
	}
	if err == nil {
		err = a.replace(ctx, old, next, keep)
	}
	if err != nil {
		a.untaken(err)
		return err
	}
	a.secrets.Watch(refsOf(next))
	a.workloads.Use(issuersOf(next.Policy))
	a.workloads.Refresh(ctx)
	a.metrics.reloads.WithLabelValues("ok").Inc()
	a.log.Info().Str("policy", next.Policy.Version).Str("was", old.Policy.Version).Msg("policy reloaded")
	return nil
}

func (a *App) untaken(err error) {
	a.metrics.reloads.WithLabelValues("failed").Inc()
	a.log.Error().Err(err).Str("policy", a.governor.State().Policy.Version).Msg("policy not reloaded, the old one stays")
}

// replace puts a policy in force, and records that before and after.
func (a *App) replace(ctx context.Context, old, next *governor.State, keep func(ctx context.Context, old, next *governor.State) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := a.secrets.Load(ctx, refsOf(next)); err != nil {
		return err
	}
	if err := a.loadShown(ctx, next); err != nil {
		return err
	}
	return a.audit.Around(ctx, a.policyRow("policy.reload", old.Policy.Version, next.Policy.Version), func(context.Context) error {
		told, err := a.alerting.newBook(next.Policy)
		if err != nil {
			return err
		}
		if err := keep(ctx, old, next); err != nil {
			return err
		}
		a.telling.Lock()
		defer a.telling.Unlock()
		if err := a.envoy.Set(a.forEnvoy(next)); err != nil {
			return err
		}
		a.governor.SwapAhead(next)
		a.alerting.book.Store(told)
		return nil
	})
}
