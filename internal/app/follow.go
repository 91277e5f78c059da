package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

const (
	followEvery = 500 * time.Millisecond // all processes have a publication within 2 s
	followTime  = 5 * time.Second        // of one look at the database
	tellEvery   = 10 * time.Second
	againAfter  = 10 * time.Second // a publication that could not be taken is tried again
)

// follower is how far this process has followed what is published. Only the goroutine of watch changes it.
type follower struct {
	seq       int64     // of the last publication that was taken
	published string    // why the last publication could not be taken; empty: it was
	file      string    // why the file could not
	again     time.Time // for a publication that failed
	told      time.Time // when this process last said what it has
}

// marker is the file that says which publication the policy's file has.
func marker(policies string) string {
	return filepath.Join(filepath.Dir(policies), "."+filepath.Base(policies)+".published")
}

// takenBefore reads the marker; 0 is none.
func takenBefore(policies string) (int64, error) {
	data, err := os.ReadFile(marker(policies))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	seq, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: it is no number of a publication: remove the file", marker(policies))
	}
	return seq, nil
}

// catchUp takes what was published while this process did not run. One that cannot be taken leaves the file's policy.
func (a *App) catchUp(ctx context.Context) (err error) {
	if a.config.managed() {
		return nil
	}
	if a.follower.seq, err = takenBefore(a.config.Policies); err != nil {
		return err
	}
	p, kept, ok, err := a.store.Publication(ctx, a.follower.seq)
	if err != nil || !ok {
		return err
	}
	next, err := compile(policyFiles(kept)...)
	if err == nil {
		err = a.config.suits(next.Policy)
	}
	if err == nil {
		err = replaceFile(a.config.Policies, []byte(kept[0].Text))
	}
	if err = a.took(p.Seq, err); err != nil {
		a.log.Error().Err(err).Int64("publication", p.Seq).Msg("published policy not taken, the file's one is in force")
		return nil
	}
	a.started = policyFiles(kept)
	next.Candidate = a.governor.State().Candidate
	a.governor.Swap(next)
	return nil
}

// follow takes the newest publication, and says what this process has.
func (a *App) follow(ctx context.Context) {
	f := &a.follower
	ctx, cancel := context.WithTimeout(ctx, followTime)
	defer cancel()
	if !a.config.managed() && time.Now().After(f.again) {
		p, kept, ok, err := a.store.Publication(ctx, f.seq)
		switch {
		case err != nil:
			a.log.Debug().Err(err).Msg("publications not read")
			return // the database is away: what is in force stays
		case ok:
			a.takePublished(ctx, p, policyFiles(kept))
		}
	}
	if time.Since(f.told) >= tellEvery {
		a.tell(ctx)
	}
}

// takePublished puts a publication in force in this process.
func (a *App) takePublished(ctx context.Context, p sentinel.PolicyProposal, files []policy.File) {
	err := a.take(ctx, files, func(context.Context, *governor.State, *governor.State) error {
		return replaceFile(a.config.Policies, files[0].Data)
	})
	_ = a.took(p.Seq, err) // why not is told
	a.tell(ctx)
}

// took notes that the policy's file has a publication, where err is nil. A crash before that takes it once more, and so does a fault, later.
func (a *App) took(seq int64, err error) error {
	f := &a.follower
	if err == nil {
		err = replaceFile(marker(a.config.Policies), []byte(strconv.FormatInt(seq, 10)+"\n"))
	}
	if err != nil {
		f.again = time.Now().Add(againAfter)
	} else {
		f.seq = seq
	}
	a.fell(&f.published, err)
	return err
}

// tell says what this process has in force.
func (a *App) tell(ctx context.Context) {
	f := &a.follower
	host, _ := os.Hostname()
	err := a.store.PutPolicyProcess(ctx, sentinel.PolicyProcess{Instance: a.instance, Host: host, Version: a.governor.State().Policy.Version, Seq: f.seq,
		Managed: a.config.managed(), Fault: cmp.Or(f.published, f.file)})
	if err != nil {
		a.log.Debug().Err(err).Msg("the process's policy not told")
		return
	}
	f.told = time.Now()
}

// leave says that this process ends.
func (a *App) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), followTime)
	defer cancel()
	if err := a.store.RemovePolicyProcess(ctx, a.instance); err != nil {
		a.log.Debug().Err(err).Msg("the process's end not told")
	}
}

// fell notes that a policy could not be taken, for the metric and the alert, or that it was.
func (a *App) fell(fault *string, err error) {
	*fault = ""
	if err != nil {
		*fault, _, _ = strings.Cut(err.Error(), "\n")
	}
	a.untook.file.Store(a.follower.file != "")
	a.untook.published.Store(a.follower.published != "")
}

// untook tells other goroutines where a policy could not be taken from.
type untook struct{ file, published atomic.Bool }

// untakenPolicies are facts for alerts.
func (a *App) untakenPolicies() (out []seen) {
	for name, is := range map[string]bool{"file": a.untook.file.Load(), "published": a.untook.published.Load()} {
		if is {
			out = append(out, seen{factKey{kind: "policy", name: name}, policy.AlertFact{Kind: "policy", Name: name, Count: 1}})
		}
	}
	return out
}

// replaceFile writes a file as a whole or not at all.
func replaceFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".policy-*")
	if err != nil {
		return fmt.Errorf("the policy file cannot be replaced here: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // after the rename there is none
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if info, stat := os.Stat(name); err == nil && stat == nil {
		err = os.Chmod(f.Name(), info.Mode().Perm())
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
