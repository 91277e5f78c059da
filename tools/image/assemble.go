package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user is nobody's on any machine; the Helm chart runs pods as it.
const user = "65532:65532"

// epoch is the time of every file and of the image: builds of one source are equal byte for byte.
var epoch = time.Unix(0, 0).UTC()

// assemble makes an image of one layer out of files by path.
func assemble(version, arch string, files map[string][]byte) (v1.Image, error) {
	data, err := archive(files)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("pack the layer: %w", err)
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(image, config(image, version, arch))
}

// config is what a container engine is told. The layers' digests are those that image has.
func config(image v1.Image, version, arch string) *v1.ConfigFile {
	c, _ := image.ConfigFile() // computed in memory from the empty base: it cannot fail
	c = c.DeepCopy()
	c.OS, c.Architecture, c.Created = "linux", arch, v1.Time{Time: epoch}
	c.History = []v1.History{{Created: v1.Time{Time: epoch}, CreatedBy: "make image"}}
	c.Config = v1.Config{
		Entrypoint: []string{"/sentinel"}, Cmd: []string{"--help"}, User: user, WorkingDir: "/",
		Env: []string{"PATH=/", "SSL_CERT_FILE=/" + authoritiesPath, "ZONEINFO=/" + zonesPath},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "SaaS-Sentinel",
			"org.opencontainers.image.version":  version,
			"org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.source":   "https://github.com/saas-sentinel/saas-sentinel",
		},
	}
	return c
}

// archive packs files, with their folders, in the order of their paths. All belong to root and nobody may write them.
func archive(files map[string][]byte) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	made := map[string]bool{}
	var folder func(string) error
	folder = func(dir string) error {
		if dir == "." || made[dir] {
			return nil
		}
		made[dir] = true
		if err := folder(path.Dir(dir)); err != nil {
			return err
		}
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o555, ModTime: epoch, Format: tar.FormatPAX})
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := folder(path.Dir(name)); err != nil {
			return nil, err
		}
		mode := int64(0o444)
		if name == "sentinel" {
			mode = 0o555
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(files[name])), ModTime: epoch, Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(files[name]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
