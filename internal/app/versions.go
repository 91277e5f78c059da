package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// keepPolicy keeps the text of a version that is about to be in force here, in the transaction of its audit row. Its author is this process:
// nobody published it.
func (a *App) keepPolicy(ctx context.Context, action, was string, next *governor.State, files []policy.File) error {
	kept, err := keptFiles(files)
	if err != nil {
		return err
	}
	row := a.policyRow(action, was, next.Policy.Version)
	change := store.PolicyChange{At: time.Now().UTC(), Version: next.Policy.Version, Author: row.Actor}
	return a.audit.Do(ctx, row, func(ctx context.Context) error { return a.store.KeepPolicy(ctx, change, kept) })
}

// keptFiles are files as they are kept: with hashes for tokens, so that the text lets nobody in.
func keptFiles(files []policy.File) ([]store.PolicyFile, error) {
	files, err := withHashes(files)
	if err != nil {
		return nil, err
	}
	kept := make([]store.PolicyFile, len(files))
	for i, f := range files {
		kept[i] = store.PolicyFile{Name: filepath.Base(f.Name), Text: string(f.Data)}
	}
	return kept, nil
}

// policyFiles is keptFiles' inverse.
func policyFiles(kept []store.PolicyFile) []policy.File {
	files := make([]policy.File, len(kept))
	for i, f := range kept {
		files[i] = policy.File{Name: f.Name, Data: []byte(f.Text)}
	}
	return files
}

// tokensOf lists the tokens of services that are written into files, each file by itself.
func tokensOf(files ...policy.File) ([]string, error) {
	var list []string
	for _, f := range files {
		var in struct {
			Services map[string]struct {
				Identity struct{ Token string }
			}
		}
		if err := yaml.Unmarshal(f.Data, &in); err != nil {
			return nil, fmt.Errorf("%s: find the tokens of a policy: %w", f.Name, err)
		}
		for _, s := range in.Services {
			if s.Identity.Token != "" {
				list = append(list, s.Identity.Token)
			}
		}
	}
	return list, nil
}

// withHashes puts the hash of each token in its place, wherever it stands, which the policy takes as well.
func withHashes(files []policy.File) ([]policy.File, error) {
	tokens, err := tokensOf(files...)
	if err != nil {
		return nil, err
	}
	files = policy.WithHashes(files, tokens)
	left, err := tokensOf(files...)
	if slices.ContainsFunc(left, func(t string) bool { return policy.HashedToken(t) != t }) {
		return nil, errors.New("a service's token is written with escapes: write it as it is, or its hash, as sha256: and 64 hex digits")
	}
	return files, err
}

// KeptPolicy reads a version of the policy that is kept. The error is sentinel.ErrNoPolicyVersion where it is not.
func KeptPolicy(ctx context.Context, st *store.Store, version string) ([]policy.File, error) {
	kept, err := st.PolicyText(ctx, version)
	return policyFiles(kept), err
}

// StateOf compiles a version of the policy that was in force once. The error is sentinel.ErrNoPolicyVersion where it is not kept.
func StateOf(ctx context.Context, st *store.Store, version string) (*governor.State, error) {
	files, err := KeptPolicy(ctx, st, version)
	if err != nil {
		return nil, err
	}
	state, err := compile(files...)
	if err != nil {
		return nil, fmt.Errorf("version %s does not compile by this release: %w", version, err)
	}
	return state, nil
}
