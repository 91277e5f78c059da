package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// publication says who publishes a version, and why.
type publication struct{ version, author, reason string }

// keepPolicy keeps the text of a version that is about to be in force, in the transaction of its audit row. Who publishes it through
// the admin API is its author; of a file that changed by itself it is this process.
func (a *App) keepPolicy(ctx context.Context, action, was string, next *governor.State, files []policy.File) error {
	row := a.policyRow(action, was, next.Policy.Version)
	change := store.PolicyChange{At: time.Now().UTC(), Version: next.Policy.Version, Author: row.Actor}
	if p := a.published.Load(); p != nil && p.version == next.Policy.Version {
		change.Author, change.Reason = p.author, p.reason
	}
	kept := make([]store.PolicyFile, len(files))
	for i, f := range files {
		text, err := withHashes(string(f.Data))
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		kept[i] = store.PolicyFile{Name: filepath.Base(f.Name), Text: text}
	}
	return a.audit.Do(ctx, row, func(ctx context.Context) error { return a.store.KeepPolicy(ctx, change, kept) })
}

// tokensOf lists the tokens of services that are written into a policy, the longest first, so that none is a part of a later one.
func tokensOf(text string) ([]string, error) {
	var file struct {
		Services map[string]struct {
			Identity struct{ Token string }
		}
	}
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		return nil, fmt.Errorf("find the tokens of a policy: %w", err)
	}
	var list []string
	for _, s := range file.Services {
		if s.Identity.Token != "" {
			list = append(list, s.Identity.Token)
		}
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return list, nil
}

// withHashes puts the hash of each token in its place, which the policy takes as well: a text that is kept lets nobody in.
func withHashes(text string) (string, error) {
	tokens, err := tokensOf(text)
	for _, t := range tokens {
		text = strings.ReplaceAll(text, t, policy.HashedToken(t))
	}
	if err != nil {
		return "", err
	}
	left, err := tokensOf(text)
	if slices.ContainsFunc(left, func(t string) bool { return policy.HashedToken(t) != t }) {
		return "", errors.New("a service's token is written with escapes: write it as it is, or its hash, as sha256: and 64 hex digits")
	}
	return text, err
}

// StateOf compiles a version of the policy that was in force once. The error is store.ErrNoVersion where it is not kept.
func StateOf(ctx context.Context, st *store.Store, version string) (*governor.State, error) {
	kept, err := st.PolicyText(ctx, version)
	if err != nil {
		return nil, err
	}
	files := make([]policy.File, len(kept))
	for i, f := range kept {
		files[i] = policy.File{Name: f.Name, Data: []byte(f.Text)}
	}
	state, err := compile(files...)
	if err != nil {
		return nil, fmt.Errorf("version %s does not compile by this release: %w", version, err)
	}
	return state, nil
}
