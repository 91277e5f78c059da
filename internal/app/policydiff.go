package app

import (
	"github.com/rogpeppe/go-internal/diff"

	"github.com/saas-sentinel/saas-sentinel/policy"
)

// PolicyDiff is what one policy says otherwise than another.
type PolicyDiff struct {
	Changes []policy.Change
	Text    string // a unified diff of the lines; empty where none differs
}

// DiffPolicies compares two policies. A token and its hash are the same.
func DiffPolicies(was, is string, before, after []policy.File) (d PolicyDiff, err error) {
	if before, err = withHashes(before); err != nil {
		return d, err
	}
	if after, err = withHashes(after); err != nil {
		return d, err
	}
	d.Text = string(diff.Diff(was, []byte(OneText(before)), is, []byte(OneText(after))))
	d.Changes, err = policy.Changes(before, after)
	return d, err
}

// ReadPolicy reads a policy, a file or a folder, that compiles.
func ReadPolicy(path string) ([]policy.File, error) {
	files, err := readPolicies(path)
	if err == nil {
		_, err = compile(files...)
	}
	return files, err
}
