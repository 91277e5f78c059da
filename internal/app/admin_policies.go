package app

import (
	"context"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/internal/suggest"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// publishWait is how long an answer waits for the processes.
const publishWait = 5 * time.Second

func (b *adminBackend) policyDesk() PolicyDesk {
	return PolicyDesk{Config: b.app.config, Store: b.Store, Audit: b.app.audit, Rehearse: func(next *governor.State) error {
		_, err := b.app.alerting.newBook(next.Policy)
		return err
	}}
}

// PublishPolicy puts a draft in force, or forward.
func (b *adminBackend) PublishPolicy(ctx context.Context, d admin.PolicyDraft) (admin.Publication, error) {
	p, err := b.policyDesk().Publish(ctx, PolicyDraft(d))
	return b.awaited(ctx, p, err)
}

// RollbackPolicy puts an earlier version in force.
func (b *adminBackend) RollbackPolicy(ctx context.Context, version string, d admin.PolicyDraft) (admin.Publication, error) {
	p, err := b.policyDesk().Rollback(ctx, version, PolicyDraft(d))
	return b.awaited(ctx, p, err)
}

// DecidePolicy approves a proposal or rejects it.
func (b *adminBackend) DecidePolicy(ctx context.Context, id int64, by, note string, approve bool) (admin.Publication, error) {
	p, err := b.policyDesk().Decide(ctx, id, by, note, approve)
	return b.awaited(ctx, p, err)
}

// awaited waits until the processes have what was published. It is published, whatever comes of the wait.
func (b *adminBackend) awaited(ctx context.Context, p sentinel.PolicyProposal, err error) (admin.Publication, error) {
	if err != nil || p.Seq == 0 {
		return admin.Publication{Proposal: p}, err
	}
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	list, err := b.policyDesk().Await(ctx, p.Seq)
	if err != nil {
		b.app.log.Warn().Err(err).Str("policy", p.Version).Msg("a published policy is not in force everywhere")
	}
	return admin.Publication{Proposal: p, Processes: list}, nil
}

// PolicyVersions lists what was in force.
func (b *adminBackend) PolicyVersions(ctx context.Context, before int64, limit int) ([]admin.PolicyVersion, error) {
	changes, err := b.PolicyChanges(ctx, before, limit)
	out := make([]admin.PolicyVersion, len(changes))
	for i, c := range changes {
		out[i] = admin.PolicyVersion{Version: c.Version, Since: c.At, Author: c.Author, Reason: c.Reason, Seq: c.Seq}
	}
	return out, err
}

func (b *adminBackend) kept(ctx context.Context, version string, secrets bool) ([]policy.File, error) {
	files, err := KeptPolicy(ctx, b.Store, version)
	if err != nil || secrets {
		return files, err
	}
	return masked(files)
}

// PolicyText is the text of a version.
func (b *adminBackend) PolicyText(ctx context.Context, version string, secrets bool) (string, error) {
	files, err := b.kept(ctx, version, secrets)
	return OneText(files), err
}

// DiffPolicies compares two versions.
func (b *adminBackend) DiffPolicies(ctx context.Context, from, to string, secrets bool) (admin.PolicyDiff, error) {
	if to == "" {
		to = b.set().Version
	}
	out := admin.PolicyDiff{From: from, To: to}
	was, err := b.kept(ctx, from, secrets)
	if err != nil {
		return out, err
	}
	is, err := b.kept(ctx, to, secrets)
	if err != nil {
		return out, err
	}
	d, err := DiffPolicies(from, to, was, is)
	if err != nil {
		return out, err
	}
	out.Text = d.Text
	for _, c := range d.Changes {
		out.Changes = append(out.Changes, admin.PolicyChange(c))
	}
	return out, nil
}

// PolicyProcesses lists the gateway's processes.
func (b *adminBackend) PolicyProcesses(ctx context.Context) ([]sentinel.PolicyProcess, error) {
	return PolicyProcesses(ctx, b.Store)
}

// suggestQuantile is the share of days that fit without head-room.
const suggestQuantile = 0.99

// SuggestPolicies proposes budgets and limits.
func (b *adminBackend) SuggestPolicies(ctx context.Context, w admin.SuggestWanted) ([]admin.Suggestion, error) {
	files, err := readPolicies(b.app.config.Policies)
	if err != nil {
		return nil, err
	}
	past, err := Past(ctx, b.Store)
	if err != nil {
		return nil, err
	}
	list, err := Suggest(ctx, past, w.From, w.To, files, suggest.Options{HeadRoom: w.HeadRoom, Quantile: suggestQuantile, Most: w.Most})
	out := make([]admin.Suggestion, len(list))
	for i, s := range list {
		out[i] = admin.Suggestion{Name: s.Name, Team: s.Team, Service: s.Service, Measure: s.Measure.String(), Span: s.Span, Amount: s.Amounted(), Basis: s.Basis,
			Calls: s.Effect.Calls, Refused: s.Effect.Refused, Worst: s.Effect.Worst, Avoided: admin.Money(s.Effect.Avoided), Rule: s.Rule(w.Shadow)}
	}
	return out, err
}
