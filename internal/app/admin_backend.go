package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
	"github.com/saas-sentinel/saas-sentinel/alerts"
	"github.com/saas-sentinel/saas-sentinel/audit"
	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/internal/simulate"
	"github.com/saas-sentinel/saas-sentinel/ml/whatif"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// adminBackend is the gateway as the admin API sees it. What it does not say itself, the store does.
type adminBackend struct {
	*store.Store
	app   *App
	past  pastSums
	vault vaultReader
}

func (b *adminBackend) set() *policy.Set { return b.app.governor.State().Policy }

// Org is whose gateway it is.
func (b *adminBackend) Org() admin.Org {
	set := b.set()
	return admin.Org{Name: set.Org, Zone: set.Zone, Holiday: set.Holidays.On}
}

// Policy is the policy in force.
func (b *adminBackend) Policy(secrets bool) (admin.PolicyFile, error) {
	files, err := readPolicies(b.app.config.Policies)
	out := admin.PolicyFile{Version: b.set().Version, Name: b.app.config.Policies, Managed: b.app.config.managed(), Reviewed: b.app.config.Publish.Review == reviewRequired}
	if err == nil && !secrets {
		files, err = masked(files)
	}
	if err == nil {
		out.Text = OneText(files)
	}
	return out, err
}

// OneText shows the files of a policy, each of several under its name.
func OneText(files []policy.File) string {
	var text strings.Builder
	for _, f := range files {
		if len(files) > 1 {
			_, _ = fmt.Fprintf(&text, "# %s\n", f.Name)
		}
		_, _ = text.Write(f.Data)
	}
	return text.String()
}

// masked hides the tokens of services wherever they stand in a policy. A text that cannot be read is not shown.
func masked(files []policy.File) ([]policy.File, error) {
	tokens, err := tokensOf(files...)
	if err != nil {
		return nil, err
	}
	return policy.WithTokens(files, tokens, func(string) string { return "••••••••" }), nil
}

// CheckPolicy compiles a candidate.
func (b *adminBackend) CheckPolicy(text string) (out admin.Checked) {
	next, warnings, err := check(time.Now(), policy.File{Name: filepath.Base(b.app.config.Policies), Data: []byte(text)})
	if err != nil {
		out.Faults = strings.Split(err.Error(), "\n")
		return out
	}
	out.Version = next.Policy.Version
	for _, w := range warnings {
		out.Warnings = append(out.Warnings, w.Error())
	}
	return out
}

// Shadows counts what shadows judge otherwise.
func (b *adminBackend) Shadows(ctx context.Context, from, to time.Time) ([]admin.ShadowSum, string, error) {
	sums, err := b.ShadowSums(ctx, from, to)
	out := make([]admin.ShadowSum, len(sums))
	for i, s := range sums {
		out[i] = admin.ShadowSum{Policy: s.Policy, Rule: s.Rule, Live: s.Live.String(), Shadow: s.Verdict.String(), Reason: string(s.Reason), Calls: s.Calls}
	}
	return out, versionOf(b.app.governor.State().Candidate), err
}

// SimulatePolicy judges recorded calls again.
func (b *adminBackend) SimulatePolicy(ctx context.Context, text string, from, to time.Time) (admin.Simulation, error) {
	then, err := compile(policy.File{Name: b.app.config.Policies, Data: []byte(text)})
	if err != nil {
		return admin.Simulation{}, err
	}
	past, err := Past(ctx, b.Store)
	if err != nil {
		return admin.Simulation{}, err
	}
	r, err := simulate.Compare(ctx, past, from, to, b.app.governor.State(), then)
	if err != nil {
		return admin.Simulation{}, err
	}
	side := func(s simulate.Side) admin.Simulated {
		return admin.Simulated{Calls: s.Calls, Refused: s.Refused, Downgraded: s.Downgraded, Delayed: s.Delayed, Cost: admin.Money(s.Cost),
			WorstFrom: s.Worst.From, WorstRefused: s.Worst.Refused}
	}
	sums := func(s simulate.Sums) admin.Simulated {
		return admin.Simulated{Calls: s.Calls, Refused: s.Refused, Downgraded: s.Downgraded, Delayed: s.Delayed, Cost: admin.Money(s.Cost)}
	}
	out := admin.Simulation{From: from, To: to, Recorded: side(r.Recorded), Now: side(r.Now), Then: side(r.Then), Avoided: admin.Money(r.Avoided),
		Different: r.Different, Estimated: r.Then.Estimated, Outside: r.Outside, Limits: r.Then.Limits, Teams: []admin.SimulatedTeam{}, Hours: []admin.SimulatedHour{}}
	for _, h := range r.Hours {
		out.Hours = append(out.Hours, admin.SimulatedHour{At: h.At, NowCost: admin.Money(h.NowCost), ThenCost: admin.Money(h.ThenCost), NowRefused: h.NowRefused, ThenRefused: h.ThenRefused})
	}
	for _, g := range r.Teams[:min(len(r.Teams), maxGroups)] {
		out.Teams = append(out.Teams, admin.SimulatedTeam{Name: g.Name, Now: sums(g.Now), Then: sums(g.Then)})
	}
	return out, nil
}

// Savings finds where recorded calls could have cost less.
func (b *adminBackend) Savings(ctx context.Context, from, to time.Time, maxInput, maxOutput int64) ([]whatif.Saving, error) {
	return WhatIf(ctx, b.EachEntry, b.app.governor.State(), from, to, maxInput, maxOutput)
}

// Limits lists the policy's limits with their use.
func (b *adminBackend) Limits(ctx context.Context) ([]admin.LimitUse, error) {
	set := b.set()
	list := set.Limits(b.app.now())
	overrides, err := b.app.limiter.Overrides(ctx, set.Org)
	if err != nil {
		return nil, err
	}
	for i, l := range list {
		if o, ok := overrides[l.Cell]; ok {
			list[i].Max = o.Max
		}
	}
	uses, err := b.app.limiter.Peek(ctx, set.Org, list)
	if err != nil {
		return nil, err
	}
	out := make([]admin.LimitUse, len(uses))
	for i, u := range uses {
		out[i] = admin.LimitUse{Limit: u.Limit, Used: u.Used, Posted: u.Posted, Held: u.Held, Orphaned: u.Orphaned}
		if o, ok := overrides[u.Limit.Cell]; ok {
			out[i].Override = overrideOf(&o)
		}
	}
	return out, nil
}

// ChangeOverride gives a limit another amount for a time, or takes that back.
func (b *adminBackend) ChangeOverride(ctx context.Context, cell string, to *admin.Override, allowed func(*admin.Override) error) error {
	var o *ratelimit.Override
	if to != nil {
		o = &ratelimit.Override{Cell: to.Cell, Max: int64(to.Max), Until: to.Until, By: to.By, Why: to.Why}
	}
	return b.app.limiter.ChangeOverride(ctx, b.set().Org, cell, o, func(there *ratelimit.Override) error { return allowed(overrideOf(there)) })
}

// overrideOf shows a limit's override, nil for none.
func overrideOf(o *ratelimit.Override) *admin.Override {
	if o == nil {
		return nil
	}
	return &admin.Override{Cell: o.Cell, Max: admin.Count(o.Max), Until: o.Until, By: o.By, Why: o.Why}
}

// ResetLimit forgives what a limit has counted.
func (b *adminBackend) ResetLimit(ctx context.Context, l sentinel.Limit) (string, error) {
	return b.app.limiter.Reset(ctx, b.set().Org, l)
}

// acts are what people may do with incidents.
var acts = map[string]alerts.Act{"acknowledge": alerts.Acknowledge, "snooze": alerts.Snooze, "plan": alerts.Plan, "resolve": alerts.Resolve,
	"confirm": alerts.Confirm, "dismiss": alerts.Dismiss}

// AnswerIncidents applies an act to a group.
func (b *adminBackend) AnswerIncidents(ctx context.Context, group, act, by string, snooze time.Duration) error {
	return alerts.Answer(ctx, b.Store, b.app.alerting.machine(), group, alerts.Press{Act: acts[act], By: by, For: snooze})
}

// Change makes a change of the database that is audited.
func (b *adminBackend) Change(ctx context.Context, r sentinel.AuditRow, do func(context.Context) error) error {
	return b.app.audit.Do(ctx, r, do)
}

// ChangeElsewhere makes a change outside the database that is audited.
func (b *adminBackend) ChangeElsewhere(ctx context.Context, r sentinel.AuditRow, do func(context.Context) error) error {
	return b.app.audit.Around(ctx, r, do)
}

// VerifyAudit reads the whole chain, with its signed checkpoints where they are configured.
func (b *adminBackend) VerifyAudit(ctx context.Context) (int64, string, error) {
	var checkpoints io.Reader
	c := b.app.config.Audit
	if c.Checkpoints != "" {
		f, err := os.Open(c.Checkpoints)
		if err != nil {
			return 0, "", err
		}
		defer func() { _ = f.Close() }()
		checkpoints = f
	}
	report, err := audit.Verify(b.Audit(ctx), checkpoints, b.app.audit.PublicKey())
	if fault, ok := errors.AsType[*audit.Fault](err); ok {
		return report.Rows, fault.Error(), nil
	}
	return report.Rows, "", err
}

// UseSetup makes the first account.
func (b *adminBackend) UseSetup(ctx context.Context, hash [32]byte, first sentinel.Account) (bool, error) {
	err := b.Store.UseSetup(ctx, hash, first)
	if errors.Is(err, store.ErrNoSetup) {
		return false, nil
	}
	return err == nil, err
}

// fresh tells whether every credential of a provider is held now.
func (b *adminBackend) fresh(p policy.Provider) bool {
	for n := range p.Keys() {
		if !b.held(p.Keyed(n).Credential) {
			return false
		}
	}
	return true
}

// Credentials lists the credentials of all providers.
func (b *adminBackend) Credentials(ctx context.Context) ([]admin.Credential, error) {
	rotations, err := b.Rotations(ctx)
	if err != nil {
		return nil, err
	}
	state, out := b.app.governor.State(), []admin.Credential{}
	for _, p := range state.Policy.Providers {
		for n := range p.Keys() {
			keyed := p.Keyed(n)
			at, k := keyed.Credential, providerKey{provider: p, number: n}
			if at.Path == "" {
				continue // it has none
			}
			one := admin.Credential{Provider: p.Name, Number: n, Place: credential.Ref{Path: at.Path, Field: at.Field}.String(), Weight: p.Weight, Teams: []string{}, Fresh: b.held(at),
				Confirmed: moment(b.app.secrets.ReadAt(at.Path)), Rotation: at.Rotate.Make, RotateSeconds: int64(at.Rotate.Every.Seconds()), Rotated: moment(rotations[k.name()].Done),
				RotationState: rotationState(rotations[k.name()], time.Now()), Takes: takes(at), Tested: at.Field == "" || testPath(keyed) != ""}
			if n > 0 {
				one.Weight, one.Teams = p.Spares[n-1].Weight, append(one.Teams, p.Spares[n-1].Teams...)
			}
			if i := slices.IndexFunc(state.Ordered, func(r governor.Route) bool { return r.Provider.Name == p.Name }); i >= 0 {
				if until := b.app.governor.QuarantinedUntil(state.Ordered[i].Keyed(n)); until.After(b.app.now()) {
					one.Quarantined = &until
				}
			}
			out = append(out, one)
		}
	}
	return out, nil
}

// moment is a time for JSON, nil for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (b *adminBackend) held(c policy.Credential) bool {
	if c.Kind == policy.CredentialSigV4 || c.Field == "" {
		_, ok := b.app.secrets.AWSKey(c.Path)
		return ok
	}
	_, ok := b.app.secrets.Get(credential.Ref{Path: c.Path, Field: c.Field})
	return ok
}
