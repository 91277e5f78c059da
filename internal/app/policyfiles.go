package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/saas-sentinel/saas-sentinel/policy"
)

// Bounds of what a policy is read from.
const (
	maxPolicyFiles = 1_000
	maxPolicyBytes = 16 << 20 // of all files together
)

// readPolicies reads a policy: a file, or the files of a folder that end in .yaml or .yml, in the order of their names. Tests
// (_test.yaml) and hidden files are left out. Of a Kubernetes ConfigMap, whose files are links into a folder that is exchanged as a
// whole, all are read from one such folder, so that no policy is half old and half new.
func readPolicies(path string) ([]policy.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("policy file %s: %w", path, errors.Unwrap(err))
	}
	if !info.IsDir() {
		return readAll([]string{path}, []string{path})
	}
	from := path
	if mounted, err := filepath.EvalSymlinks(filepath.Join(path, "..data")); err == nil {
		from = mounted
	}
	list, err := os.ReadDir(from)
	if err != nil {
		return nil, fmt.Errorf("policy folder: %w", err)
	}
	var names, places []string
	for _, e := range list {
		name := e.Name()
		if !isPolicyFile(name) || e.IsDir() {
			continue
		}
		names, places = append(names, filepath.Join(path, name)), append(places, filepath.Join(from, name))
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("policy folder %s: no file ends in .yaml or .yml", path)
	case len(names) > maxPolicyFiles:
		return nil, fmt.Errorf("policy folder %s: %d files: at most %d are read", path, len(names), maxPolicyFiles)
	}
	return readAll(names, places)
}

func isPolicyFile(name string) bool {
	stem, ending := strings.TrimSuffix(name, filepath.Ext(name)), filepath.Ext(name)
	return (ending == ".yaml" || ending == ".yml") && !strings.HasPrefix(name, ".") && !strings.HasSuffix(stem, "_test")
}

// readAll reads files from their places, and stops at the bound before it reads past it.
func readAll(names, places []string) ([]policy.File, error) {
	files, left := make([]policy.File, 0, len(names)), int64(maxPolicyBytes)
	for i, place := range places {
		info, err := os.Stat(place)
		if err == nil && !info.Mode().IsRegular() {
			err = &fs.PathError{Op: "read", Path: place, Err: errors.New("it is no regular file")}
		}
		if err != nil {
			return nil, fmt.Errorf("policy file %s: %w", names[i], errors.Unwrap(err))
		}
		if left -= info.Size(); left < 0 {
			return nil, fmt.Errorf("policy file %s: more than %d MiB in all: that much is not read", names[i], maxPolicyBytes>>20)
		}
		data, err := readFile("policy file", place)
		if err != nil {
			return nil, err
		}
		files = append(files, policy.File{Name: names[i], Data: data})
	}
	return files, nil
}

// Sources of the policy, and reviews of what is published.
const (
	sourceAuto     = "auto"
	sourceGateway  = "gateway"
	sourceFiles    = "files"
	reviewNone     = "none"
	reviewRequired = "required"
)

// managed tells whether what keeps the policy's files, such as a Git checkout or a ConfigMap, is its source: then nobody changes it
// through the gateway.
func (c Config) managed() bool {
	if c.Publish.Source != sourceAuto {
		return c.Publish.Source == sourceFiles
	}
	_, err := os.Lstat(filepath.Join(filepath.Dir(c.Policies), "..data"))
	return isFolder(c.Policies) || err == nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// watchedFolder is where a change of the policy is seen: editors and Kubernetes replace files instead of writing them.
func watchedFolder(path string) string {
	if isFolder(path) {
		return path
	}
	return filepath.Dir(path)
}
