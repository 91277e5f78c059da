package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/audit"
	"github.com/saas-sentinel/saas-sentinel/envoy"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// PolicyDesk puts other policies in force, and records who did and why. Every gateway process takes them within 2 s.
type PolicyDesk struct {
	Config Config
	Store  *store.Store
	Audit  *audit.Log
	// Rehearse tries what only a running gateway can; nil for nothing.
	Rehearse func(*governor.State) error
}

// OpenPolicyDesk opens a desk for a command; lacking is as of OpenAudit.
func OpenPolicyDesk(ctx context.Context, config string, lacking func(error)) (d PolicyDesk, done func(), err error) {
	if d.Config, err = LoadConfig(config); err != nil {
		return d, nil, err
	}
	if d.Store, err = store.Open(ctx, store.Options{DSN: d.Config.Database.URL, MaxConns: 2}); err != nil {
		return d, nil, fmt.Errorf("SENTINEL_DATABASE_URL: %w", err)
	}
	log, closeLog, err := OpenAudit(d.Config.Audit, d.Store, lacking)
	if err != nil {
		d.Store.Close()
		return d, nil, err
	}
	d.Audit = log
	return d, func() { closeLog(); d.Store.Close() }, nil
}

// PolicyDraft is what somebody wants in force.
type PolicyDraft struct {
	Text           string
	Was            string // version that it was made from; empty: the one in force
	Author, Reason string
}

// InForce is the version that was put in force last.
func (d PolicyDesk) InForce(ctx context.Context) (string, error) {
	changes, err := d.Store.PolicyChanges(ctx, 0, 1)
	if err != nil || len(changes) == 0 {
		return "", err
	}
	return changes[0].Version, nil
}

// Publish puts a draft in force, or forward to a second person where the configuration wants one.
func (d PolicyDesk) Publish(ctx context.Context, draft PolicyDraft) (sentinel.PolicyProposal, error) {
	action, review := "policy.publish", d.Config.Publish.Review == reviewRequired
	if review {
		action = "policy.propose"
	}
	return d.propose(ctx, action, draft, !review)
}

// Rollback puts a version in force that was in force before: the named one, or the last other one. It needs no second person.
func (d PolicyDesk) Rollback(ctx context.Context, version string, draft PolicyDraft) (sentinel.PolicyProposal, error) {
	if version == "" {
		var err error
		if version, err = d.earlier(ctx); err != nil {
			return sentinel.PolicyProposal{}, err
		}
	}
	if err := d.wasInForce(ctx, version); err != nil {
		return sentinel.PolicyProposal{}, err
	}
	files, err := d.Store.PolicyText(ctx, version)
	if err != nil {
		return sentinel.PolicyProposal{}, err
	}
	if len(files) != 1 {
		return sentinel.PolicyProposal{}, fmt.Errorf("%w: version %s is a folder of %d files: put them back at their source", sentinel.ErrPolicyManaged, version, len(files))
	}
	draft.Text = files[0].Text
	return d.propose(ctx, "policy.rollback", draft, true)
}

// mostBack bounds how far back a roll-back looks for an earlier version.
const mostBack = 1000

// earlier is the last version that was in force before the one that is.
func (d PolicyDesk) earlier(ctx context.Context) (string, error) {
	changes, err := d.Store.PolicyChanges(ctx, 0, mostBack)
	if err != nil {
		return "", err
	}
	for _, c := range changes {
		if c.Version != changes[0].Version {
			return c.Version, nil
		}
	}
	return "", sentinel.ErrNoEarlierVersion
}

// wasInForce refuses a text that was put forward and never in force: nobody has reviewed it.
func (d PolicyDesk) wasInForce(ctx context.Context, version string) error {
	ok, err := d.Store.PolicyWasInForce(ctx, version)
	if err == nil && !ok {
		return fmt.Errorf("%w: %s was never in force", sentinel.ErrNoPolicyVersion, version)
	}
	return err
}

// Decide approves a proposal that waits, or rejects it.
func (d PolicyDesk) Decide(ctx context.Context, id int64, by, note string, approve bool) (p sentinel.PolicyProposal, err error) {
	if d.Config.managed() {
		return p, sentinel.ErrPolicyManaged
	}
	if len(note) > sentinel.MaxPolicyReason {
		return p, sentinel.ErrPolicyReason
	}
	row := sentinel.AuditRow{Actor: by, Action: "policy.reject", Object: fmt.Sprintf("proposal %d", id), After: note}
	if approve {
		row.Action = "policy.approve"
	}
	err = d.Audit.Do(ctx, row, func(ctx context.Context) error {
		p, err = d.Store.Decide(ctx, id, by, note, approve)
		return err
	})
	return p, err
}

func (d PolicyDesk) propose(ctx context.Context, action string, draft PolicyDraft, publish bool) (p sentinel.PolicyProposal, err error) {
	if d.Config.managed() {
		return p, sentinel.ErrPolicyManaged
	}
	if draft.Reason = strings.TrimSpace(draft.Reason); draft.Reason == "" || len(draft.Reason) > sentinel.MaxPolicyReason {
		return p, sentinel.ErrPolicyReason
	}
	kept, next, err := d.rehearse(draft.Text)
	if err != nil {
		return p, err
	}
	if draft.Was == "" {
		if draft.Was, err = d.InForce(ctx); err != nil {
			return p, err
		}
	}
	p = sentinel.PolicyProposal{At: time.Now().UTC(), Version: next.Policy.Version, Was: draft.Was, Author: draft.Author, Reason: draft.Reason}
	row := sentinel.AuditRow{Actor: draft.Author, Action: action, Object: "policy", Before: draft.Was, After: next.Policy.Version + ": " + draft.Reason}
	err = d.Audit.Do(ctx, row, func(ctx context.Context) error {
		p, err = d.Store.Propose(ctx, p, kept, publish)
		return err
	})
	return p, err
}

// rehearse does with a text all that a process does before the policy is in force. It gives the text as it is kept.
func (d PolicyDesk) rehearse(text string) ([]store.PolicyFile, *governor.State, error) {
	broken := func(err error) ([]store.PolicyFile, *governor.State, error) {
		return nil, nil, fmt.Errorf("%w:\n%w", sentinel.ErrPolicyBroken, err)
	}
	name := filepath.Base(d.Config.Policies)
	if _, err := compile(policy.File{Name: name, Data: []byte(text)}); err != nil { // with the places of what was written
		return broken(err)
	}
	kept, err := keptFiles([]policy.File{{Name: name, Data: []byte(text)}})
	if err != nil {
		return broken(err)
	}
	next, err := compile(policyFiles(kept)...)
	if err != nil {
		return broken(err)
	}
	steps := []func() error{
		func() error { return d.Config.suits(next.Policy) },
		func() error { _, err := envoy.Static(d.Config.ForEnvoy(next)); return err },
	}
	if d.Rehearse != nil {
		steps = append(steps, func() error { return d.Rehearse(next) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return broken(err)
		}
	}
	return kept, next, nil
}

// processSilence is after how long a process that says nothing is taken for gone.
const processSilence = 3 * tellEvery

// PolicyProcesses lists the processes that run, with what they have in force.
func PolicyProcesses(ctx context.Context, st *store.Store) ([]sentinel.PolicyProcess, error) {
	return st.PolicyProcesses(ctx, processSilence)
}

// publishLook is how often Await asks.
const publishLook = 100 * time.Millisecond

// Await waits until every process has taken a publication or says why it cannot, or ctx ends.
func (d PolicyDesk) Await(ctx context.Context, seq int64) ([]sentinel.PolicyProcess, error) {
	for {
		list, err := PolicyProcesses(ctx, d.Store)
		list = slices.DeleteFunc(list, func(p sentinel.PolicyProcess) bool { return p.Managed })
		if err != nil || !slices.ContainsFunc(list, func(p sentinel.PolicyProcess) bool { return p.Seq < seq && p.Fault == "" }) {
			return list, err
		}
		if sleep(ctx, publishLook); ctx.Err() != nil {
			return list, errors.New("not every process has the policy yet")
		}
	}
}
