package app

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

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
		kept[i] = store.PolicyFile{Name: filepath.Base(f.Name), Text: string(f.Data)}
	}
	return a.audit.Do(ctx, row, func(ctx context.Context) error { return a.store.KeepPolicy(ctx, change, kept) })
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
