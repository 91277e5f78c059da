package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const repo = "../.."

// copied is the source in another folder: its files as they are now, and the built dashboard.
func copied(t *testing.T) string {
	t.Helper()
	list, err := exec.Command("git", "-C", repo, "ls-files", "-z").Output()
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "elsewhere")
	put := func(name string) error {
		if target, err := os.Readlink(filepath.Join(repo, name)); err == nil {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o700); err != nil {
				return err
			}
			return os.Symlink(target, filepath.Join(to, name))
		}
		data, err := os.ReadFile(filepath.Join(repo, name))
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o750); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), data, 0o600)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		if err := put(name); err != nil && !errors.Is(err, fs.ErrNotExist) { // a file that is removed and not yet committed
			t.Fatal(err)
		}
	}
	err = filepath.WalkDir(filepath.Join(repo, "dashboard", "out"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(repo, path)
		if err != nil {
			return err
		}
		return put(name)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// TestImageIsWholeAndReproducible builds the image of this machine's architecture in two folders and reads it back.
func TestImageIsWholeAndReproducible(t *testing.T) {
	out := filepath.Join(t.TempDir(), "image")
	o := options{repo: repo, out: out, version: "1.2.3", arches: []string{runtime.GOARCH}}
	first, err := build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	second, err := build(t.Context(), options{repo: copied(t), out: filepath.Join(t.TempDir(), "image"), version: o.version, arches: o.arches})
	if err != nil {
		t.Fatal(err)
	}
	if first != second {
		t.Errorf("builds of one source in two folders: %s and %s", first, second)
	}
	index, err := layout.ImageIndexFromPath(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	inner, err := index.ImageIndex(first)
	if err != nil {
		t.Fatal(err)
	}
	m, err := inner.IndexManifest()
	if err != nil || len(m.Manifests) != 1 {
		t.Fatalf("%d images, %v", len(m.Manifests), err)
	}
	image, err := inner.Image(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	c, err := image.ConfigFile()
	if err != nil || c.Config.User != user || c.Architecture != runtime.GOARCH {
		t.Errorf("config %+v, %v: want user %s on %s", c.Config, err, user, runtime.GOARCH)
	}
	files := contents(t, mutate.Extract(image))
	if !bytes.Contains(files[authoritiesPath], []byte("BEGIN CERTIFICATE")) || len(files[zonesPath]) < 100_000 {
		t.Errorf("%d bytes of authorities, %d of zones", len(files[authoritiesPath]), len(files[zonesPath]))
	}
	if !bytes.HasPrefix(files["sentinel"], []byte("\x7fELF")) || bytes.Contains(files["sentinel"], []byte("ld-linux")) {
		t.Error("sentinel is no static binary")
	}
	var bill struct {
		SpecVersion string
		Components  []struct{ Purl string }
	}
	if err := json.Unmarshal(files[billPath], &bill); err != nil {
		t.Fatal(err)
	}
	var purls []string
	for _, c := range bill.Components {
		purls = append(purls, c.Purl)
	}
	all := strings.Join(purls, "\n")
	for _, want := range []string{"pkg:golang/stdlib@", "pkg:golang/google.golang.org/grpc@v", "pkg:golang/github.com/jackc/pgx/v5@v", "pkg:npm/next@"} {
		if !strings.Contains(all, want) {
			t.Errorf("the bill of materials lacks %s", want)
		}
	}
}

// contents reads an archive, and fails where somebody but root owns a file or might write it.
func contents(t *testing.T, r io.Reader) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Mode&0o222 != 0 || h.ModTime.Unix() != 0 {
			t.Errorf("%s: owner %d, mode %o, time %s", h.Name, h.Uid, h.Mode, h.ModTime)
		}
		if files[h.Name], err = io.ReadAll(tr); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOtherFoldersAreNotReplaced(t *testing.T) {
	out := t.TempDir()
	kept := filepath.Join(out, "thesis.txt")
	if err := os.WriteFile(kept, []byte("years of work"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replace(out, nil); err == nil || !strings.Contains(err.Error(), "no image") {
		t.Errorf("replace = %v, want a refusal", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}
